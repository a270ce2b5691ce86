package keyring_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"roster/infra/keyring"
)

func sample() keyring.Link {
	l := keyring.Link{Purpose: keyring.Invitation, Generation: 0x01020304}
	for i := range l.Scope {
		l.Scope[i], l.Subject[i] = 0xa0+byte(i), 0xb0+byte(i)
	}
	return l
}

// Computed apart from this program. It never changes: links in mails that were sent are checked by it.
const sampleToken = "AQOOqCABoKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8BAgMEllYo5_3YV-d3qdtczxLp7f9sWOJKcm5GcAA44qcM_Rg"

func TestLinkVector(t *testing.T) {
	kr := fixed(t)
	if got := kr.MintLink(sample()); got != sampleToken {
		t.Errorf("token %s, want %s", got, sampleToken)
	}
	if got, err := kr.ReadLink(sampleToken, day0); err != nil || got != sample() {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestLinkPurposes(t *testing.T) {
	kr := fixed(t)
	for purpose := range 256 {
		l := sample()
		l.Purpose = byte(purpose)
		got, err := kr.ReadLink(kr.MintLink(l), day0)
		if known := purpose >= 1 && purpose <= 5; known != (err == nil) || known && got != l {
			t.Errorf("purpose %d: %+v, %v", purpose, got, err)
		}
	}
	if keyring.Invitation != 1 || keyring.Setup != 2 || keyring.EmailConfirmation != 3 || keyring.PasswordReset != 4 || keyring.Signup != 5 {
		t.Error("the numbers of the purposes are frozen")
	}
}

func TestReadLinkRefuses(t *testing.T) {
	kr := fixed(t)
	raw, err := base64.RawURLEncoding.DecodeString(sampleToken)
	if err != nil || len(raw) != 74 {
		t.Fatal(len(raw), err)
	}
	var bad []string
	for i := range raw {
		for _, bit := range []byte{1, 0x80} {
			edited := append([]byte(nil), raw...)
			edited[i] ^= bit
			bad = append(bad, base64.RawURLEncoding.EncodeToString(edited))
		}
	}
	for i := range len(sampleToken) { // every other letter there, loose bits at the end included
		for _, c := range "Aa0-_=+/ \n\r." {
			if s := sampleToken[:i] + string(c) + sampleToken[i+1:]; s != sampleToken {
				bad = append(bad, s)
			}
		}
		bad = append(bad, sampleToken[:i])
	}
	bad = append(bad, sampleToken+"=", sampleToken+"A", sampleToken+"\n", "\n"+sampleToken, sampleToken[:50]+"\r\n"+sampleToken[50:],
		base64.RawURLEncoding.EncodeToString(append(raw, 0)), strings.Repeat("A", 99), strings.Repeat("\n", 99))
	for _, token := range bad {
		if got, err := kr.ReadLink(token, day0); !errors.Is(err, keyring.ErrBadLink) || got != (keyring.Link{}) {
			t.Errorf("%q: %+v, %v", token, got, err)
		}
	}
	other := must(keyring.New(counting(1), day0))(t)
	if _, err := other.ReadLink(sampleToken, day0); !errors.Is(err, keyring.ErrBadLink) {
		t.Error("another keyring reads it:", err)
	}
}

func TestLinkKeysRetire(t *testing.T) {
	first := fixed(t)
	second := must(first.RotateLinks(day0.Add(time.Hour)))(t)
	third := must(second.Rotate(counting(100), day0.Add(48*time.Hour)))(t)
	tokens := []string{first.MintLink(sample()), second.MintLink(sample()), third.MintLink(sample())}
	if tokens[0] == tokens[1] || tokens[1] == tokens[2] {
		t.Fatal("rotation did not change the link key")
	}
	if second.MAC(nil) != first.MAC(nil) {
		t.Error("rotating link keys changed the master key")
	}
	// Retired at 1 h and 48 h: the end is 90 days later, to the microsecond.
	ends := []time.Time{day0.Add(time.Hour + keyring.LinkGrace), day0.Add(48*time.Hour + keyring.LinkGrace)}
	for i, end := range ends {
		if _, err := third.ReadLink(tokens[i], end.Add(-time.Microsecond)); err != nil {
			t.Errorf("token %d before its end: %v", i, err)
		}
		if _, err := third.ReadLink(tokens[i], end); !errors.Is(err, keyring.ErrBadLink) {
			t.Errorf("token %d at its end: %v", i, err)
		}
	}
	if _, err := third.ReadLink(tokens[2], day0.AddDate(10, 0, 0)); err != nil {
		t.Error("the key that signs has no end:", err)
	}
}

func FuzzReadLink(f *testing.F) {
	kr, err := keyring.New(counting(0), day0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sampleToken)
	f.Add(sampleToken + "=")
	f.Add(strings.Repeat("A", 99))
	f.Add("")
	f.Fuzz(func(t *testing.T, token string) {
		l, err := kr.ReadLink(token, day0)
		if err == nil && kr.MintLink(l) != token {
			t.Errorf("two tokens for one link: %q", token)
		}
		if err != nil && !errors.Is(err, keyring.ErrBadLink) {
			t.Errorf("%q: %v", token, err)
		}
	})
}
