package api_test

import (
	"testing"

	"roster/events"
)

// elsewhere says of each session that began behind a position whether nothing of it was known.
func (w *world) elsewhere(after uint64) (list []bool) {
	w.t.Helper()
	records, err := w.log.Read(w.t.Context(), after, 100)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range records {
		c, err := events.Decode(r)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, f := range c.Facts {
			if s, ok := f.(events.SessionStarted); ok {
				list = append(list, s.Elsewhere)
			}
		}
	}
	return list
}

// RELIABILITY S22: whoever is signed in and signs in by another kind of device, or from another network address, is told,
// unless the device is known.
func TestSignedInElsewhere(t *testing.T) {
	w := newBareWorld(t)
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "viewer")
	in := func(device, agent string) *response {
		t.Helper()
		ask := body{"email": ann.email, "password": goodPassword}
		if device != "" {
			ask["device"] = device
		}
		return w.do("POST", "/v1/sessions", "", ask, "User-Agent", agent).is(201)
	}
	w.do("DELETE", "/v1/me/sessions", ann.token, nil).is(200)
	mine := w.do("GET", "/v1/me/sessions", ann.token, nil).is(200).text("items.0.id")
	w.do("DELETE", "/v1/me/sessions/"+mine, ann.token, nil).is(200)
	for _, c := range []struct {
		what, agent string
		want        bool
	}{
		{"the first, held against nothing", "Firefox", false},
		{"the same again", "Firefox", false},
		{"another browser", "Safari", true},
		{"that one again", "Safari", false},
		{"a third one", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36", true},
		{"that one brought up to date", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36", false},
		{"that one on another system", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36", true},
	} {
		last := w.last()
		in("", c.agent)
		if got := w.elsewhere(last); len(got) != 1 || got[0] != c.want {
			t.Errorf("S22: %s: %v", c.what, got)
		}
	}
	device := in("", "Chrome").text("device")
	last := w.last()
	in(device, "Chrome of another day")
	w.do("POST", "/v1/operator/sessions", w.operator, body{"user": ann.id}, "User-Agent", "Edge").is(201) // not from where she is signed in
	in("rd_made-up", "Edge")
	if got := w.elsewhere(last); len(got) != 3 || got[0] || got[1] || !got[2] {
		t.Errorf("S22: a known device, the operator, and one that is made up: %v", got)
	}
}
