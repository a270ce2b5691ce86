package api_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"roster/domain"
)

// handset is a telephone: what was sent to it.
type handset struct {
	mu   sync.Mutex
	got  []string
	away error
}

func (h *handset) Text(_ context.Context, to, text string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, to+" "+text)
	return h.away
}

func (h *handset) code(t *testing.T) string {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	code := regexp.MustCompile(`\b\d{6}\b`).FindString(h.got[len(h.got)-1])
	if code == "" {
		t.Fatalf("no code in %q", h.got)
	}
	return code
}

// SPEC 4.5, 9: a number is verified by a code, and one is asked for at every sign-in where the profile says so.
func TestCodesBySMS(t *testing.T) {
	w := newBareWorld(t)
	for _, profile := range domain.Profiles() {
		if profile.Name == "admin-viewer" {
			w.do("PUT", "/v1/operator/portal", w.operator, profile).is(200)
		}
	}
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "viewer")
	w.do("POST", "/v1/me/mobile", ann.token, map[string]any{"mobile": "+31612345678", "password": goodPassword}).refused(404, "not_available")
	phone := &handset{}
	w.config.Access.UseTexts(phone, "{code} is your code for Acme")

	enrol := func(number string) *response {
		return w.do("POST", "/v1/me/mobile", ann.token, map[string]any{"mobile": number, "password": goodPassword})
	}
	w.do("POST", "/v1/me/mobile", ann.token, map[string]any{"mobile": "+31612345678"}).refused(403, "reauthentication_required")
	for _, bad := range []string{"", "0612345678", "+0612345678", "+31", "+31612345678901234", "+31 6 x"} {
		enrol(bad).refused(422, "invalid")
	}
	if len(phone.got) != 0 {
		t.Errorf("SPEC 4.5: sent: %v", phone.got)
	}
	if r := enrol("+31 (6) 1234-5678").is(201); r.text("label") != "+31612345678" || r.text("method") != "sms" || strings.Contains(string(r.body), phone.code(t)) {
		t.Errorf("SPEC 4.5: %s", r.body)
	}
	verify := func(code string) *response {
		return w.do("POST", "/v1/me/mobile/verify", ann.token, map[string]any{"code": code})
	}
	first := phone.code(t)
	verify("000000").refused(401, "bad_credentials")
	w.clock.pass(5 * time.Minute)
	verify(first).refused(401, "bad_credentials")
	enrol("+31612345678").is(201)
	verify(first).refused(401, "bad_credentials")
	verify(phone.code(t)).is(200)
	verify(phone.code(t)).refused(404, "not_found")

	begin := func() *response {
		return w.do("POST", "/v1/sessions", "", map[string]any{"email": ann.email, "password": goodPassword})
	}
	asked := begin().is(202)
	if asked.text("factors.0.method") != "sms" || asked.text("factors.0.label") != "…78" || strings.Contains(string(asked.body), "+31612345678") {
		t.Errorf("SPEC 4.5: %s", asked.body)
	}
	show := func(asked *response, code string) *response {
		return w.do("POST", "/v1/sessions/factor", "", map[string]any{"challenge": asked.text("challenge"), "code": code})
	}
	code := phone.code(t)
	show(asked, "000000").refused(401, "bad_credentials")
	later := begin().is(202)
	show(later, code).refused(401, "bad_credentials") // it is of another sign-in
	show(asked, code).is(201)
	show(asked, code).refused(401, "bad_credentials")
	asked = begin().is(202)
	w.clock.pass(5 * time.Minute)
	show(asked, phone.code(t)).refused(401, "bad_credentials")

	// A new number takes the place of the old one, once it is verified.
	w.clock.pass(16 * time.Minute)
	asked = begin().is(202)
	ann.token = show(asked, phone.code(t)).is(201).text("token")
	enrol("+4915112345678").is(201)
	verify(phone.code(t)).is(200)
	if r := w.do("GET", "/v1/me/factors", ann.token, nil).is(200); r.count("items") != 1 || r.text("items.0.label") != "+4915112345678" {
		t.Errorf("SPEC 4.5: %s", r.body)
	}
	// So many to a number, whoever asks for them.
	limited := 0
	for range 12 {
		w.clock.pass(2 * time.Minute)
		if r := begin(); r.status == 429 {
			limited++
		} else {
			show(r.is(202), phone.code(t)).is(201)
		}
	}
	if limited != 3 { // one was sent to verify it
		t.Errorf("SPEC 4.5: %d of 12 were refused", limited)
	}
	w.clock.pass(time.Hour)
	phone.away = errors.New("the gateway is away")
	begin().refused(503, "unavailable")
}
