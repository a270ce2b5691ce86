package web_test

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // RFC 6238
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"testing"
	"time"

	"roster/events"
	"roster/handlers"
)

// code is what an authenticator app shows at a moment.
func code(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, seed)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// SPEC 4.5: the second step is a page of its own, a plain form, and no session before it has been taken.
func TestSecondStep(t *testing.T) {
	w := newWorld(t)
	w.open()
	in, err := w.access.SignIn(t.Context(), handlers.Call{}, "olga@acme.example", goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	call := handlers.Call{Actor: events.Actor{Type: events.ByUser, ID: in.User.String(), Session: in.Session}}
	made, err := w.access.EnrollTOTP(t.Context(), call, goodPassword, "<b>phone</b>", "Acme", "olga")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.access.VerifyFactor(t.Context(), call, made.Factor.ID, code(t, made.Secret, time.Now())); err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	asked := b.submit("/sign-in", "/sign-in", "email", "olga@acme.example", "password", goodPassword).want(http.StatusOK, "Second step", "&lt;b&gt;phone", `autocomplete="one-time-code"`)
	if got := asked.header.Values("Set-Cookie"); len(got) != 0 {
		t.Errorf("SPEC 4.5: a cookie before the second step: %v", got)
	}
	b.get("/").lacks("Olga Owner")
	send := func(page answer, text string) answer {
		values := url.Values{"code": {text}}
		for _, m := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(page.body, -1) {
			values.Set(m[1], m[2])
		}
		return b.send(b.form("/sign-in/factor", values))
	}
	again := send(asked, "000000").want(http.StatusUnauthorized, "The code is wrong")
	send(again, code(t, made.Secret, time.Now().Add(30*time.Second))).want(http.StatusSeeOther)
	b.get("/").want(http.StatusOK, "Olga Owner")
	if a := b.get("/sign-in/factor"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/sign-in" {
		t.Errorf("SPEC 7.2: reloaded: %d", a.status)
	}
	b.send(b.form("/sign-in/factor", url.Values{"code": {"000000"}, "challenge": {"rc_x"}})).want(http.StatusForbidden)
	stale := asked
	stale.body = regexp.MustCompile(`value="rc_[^"]*"`).ReplaceAllString(again.body, `value="rc_x"`)
	if a := send(stale, "000000"); a.status == http.StatusSeeOther {
		t.Errorf("SPEC 4.5: a challenge that is none: %d", a.status)
	}
}
