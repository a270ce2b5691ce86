package access

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238 as every authenticator app has it; an HMAC is not harmed by collisions
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"

	"rsc.io/qr"

	"roster/events"
)

// What authenticator apps take for granted (RFC 6238): a step of 30 seconds, 6 digits, HMAC-SHA-1. Codes of the step
// before and the one after are taken too, for clocks that go wrong.
const (
	totpStep   = 30
	totpWindow = 1
	seedSize   = 20
)

// stepAt is the time step of a moment.
func stepAt(at events.Time) int64 { return at.Std().Unix() / totpStep }

// totpCode is the code of a seed at a step: RFC 4226, 5.3, with the digits asked for.
func totpCode(seed []byte, step int64, digits int) string {
	mac := hmac.New(sha1.New, seed)
	_ = binary.Write(mac, binary.BigEndian, step) // a hash takes everything
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	n := uint64(binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff)
	all := fmt.Sprintf("%010d", n)
	return all[len(all)-digits:]
}

// checkTOTP finds the step that a code is of. It compares with each, however early one fits.
func checkTOTP(seed []byte, code string, at events.Time) (step int64, ok bool) {
	for s := stepAt(at) - totpWindow; s <= stepAt(at)+totpWindow; s++ {
		if subtle.ConstantTimeCompare([]byte(totpCode(seed, s, 6)), []byte(code)) == 1 {
			step, ok = s, true
		}
	}
	return step, ok
}

// seedText is a seed as people type it into an app.
func seedText(seed []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
}

// otpauth is the address that apps read from a picture.
func otpauth(issuer, name, secret string) string {
	q := "secret=" + secret + "&issuer=" + escaped(issuer) + "&algorithm=SHA1&digits=6&period=30"
	return "otpauth://totp/" + escaped(issuer) + ":" + escaped(name) + "?" + q
}

// escaped leaves nothing that could end a part of the address; apps want %20 for a space.
func escaped(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// picture is a text as a QR code: a PNG in a data: address.
func picture(text string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("qr: %w", err)
	}
	code.Scale = 6
	var out bytes.Buffer
	out.WriteString("data:image/png;base64,")
	out.WriteString(base64.StdEncoding.EncodeToString(code.PNG()))
	return out.String(), nil
}
