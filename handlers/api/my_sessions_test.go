package api_test

import (
	"fmt"
	"testing"
	"time"

	"roster/handlers/api"
)

// SPEC 4.6: the devices on which one is signed in, signing out one, all others, or all.
func TestMySessions(t *testing.T) {
	w := newBareWorld(t, func(c *api.Config) {
		c.Place = func(ip string) (string, error) {
			if ip == "127.0.0.1" {
				return "Lyon, France", nil
			}
			return "", nil
		}
	})
	account, owner := w.open("Acme")
	ann := w.member(account, owner, "viewer")
	on := func(device string) string {
		return w.do("POST", "/v1/sessions", "", map[string]any{"email": ann.email, "password": goodPassword}, "User-Agent", device).is(201).text("token")
	}
	laptop, phone := on("Laptop"), on("Phone")
	w.clock.pass(20 * time.Minute)
	list := w.do("GET", "/v1/me/sessions", phone, nil).is(200)
	if list.count("items") != 3 || list.text("items.0.device") != "Phone" || list.at("items.0.current") != true || list.at("items.1.current") != false ||
		list.text("items.0.ip") != "127.0.0.1" || list.text("items.0.place") != "Lyon, France" || list.at("items.0.two_factor") != false {
		t.Errorf("SPEC 4.6: %s", list.body)
	}
	if seen, err := time.Parse(time.RFC3339, list.text("items.0.last_seen")); err != nil || w.clock.now().Sub(seen) > 16*time.Minute {
		t.Errorf("SPEC 4.6: last seen: %s", list.body)
	}
	w.do("GET", "/v1/me/sessions", w.operator, nil).refused(403, "not_permitted")
	of := func(device string) string {
		for i := range list.count("items") {
			if list.text(fmt.Sprintf("items.%d.device", i)) == device {
				return list.text(fmt.Sprintf("items.%d.id", i))
			}
		}
		t.Fatalf("no %s", device)
		return ""
	}
	w.do("DELETE", "/v1/me/sessions/"+of("Laptop"), owner.token, nil).refused(404, "not_found")
	w.do("GET", "/v1/me", laptop, nil).is(200)
	w.do("DELETE", "/v1/me/sessions/"+of("Laptop"), phone, nil).is(200)
	w.do("GET", "/v1/me", laptop, nil).refused(401, "sign_in_required")
	w.do("DELETE", "/v1/me/sessions/"+of("Laptop"), phone, nil).refused(404, "not_found")
	w.do("DELETE", "/v1/me/sessions/x", phone, nil).refused(404, "not_found")
	if r := w.do("DELETE", "/v1/me/sessions", phone, nil).is(200); r.number("ended") != 1 {
		t.Errorf("SPEC 4.6: all others: %s", r.body)
	}
	w.do("GET", "/v1/me", ann.token, nil).refused(401, "sign_in_required")
	w.do("GET", "/v1/me", phone, nil).is(200)
	tablet := on("Tablet")
	if r := w.do("DELETE", "/v1/me/sessions?current=true", phone, nil).is(200); r.number("ended") != 2 {
		t.Errorf("SPEC 4.6: all: %s", r.body)
	}
	for _, token := range []string{phone, tablet} {
		w.do("GET", "/v1/me", token, nil).refused(401, "sign_in_required")
	}
	w.do("GET", "/v1/me", owner.token, nil).is(200)
}
