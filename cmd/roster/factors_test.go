package main_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// SPEC 4.5, 4.6, 8.1: on a fresh machine with nothing installed, codes by SMS stand in the inbox, behind a proxy of ours
// the caller's address is seen, and the devices outlive a restart.
func TestFactorsAndDevices(t *testing.T) {
	t.Parallel()
	data := dataDir(t)
	r := serve(t, data, "--trusted-proxy", "127.0.0.0/8", "--portal", "admin-viewer")
	_, ann := r.setUp()
	ann.post("/v1/me/mobile", m{"mobile": "+31 6 12345678", "password": password}).Want(201)
	var code string
	r.until("the code is in the inbox", func() bool {
		for _, one := range r.mails("+31612345678") {
			code = regexp.MustCompile(`\b\d{6}\b`).FindString(one.Text)
		}
		return code != ""
	})
	ann.post("/v1/me/mobile/verify", m{"code": code}).Want(200)
	signIn := m{"email": "ann@northwind.example", "password": password}
	asked := r.as("").post("/v1/sessions", signIn).Want(202).JSON()
	codes := r.mails("+31612345678")
	code = regexp.MustCompile(`\b\d{6}\b`).FindString(codes[0].Text)
	token := r.as("").with("X-Forwarded-For", "198.51.100.7, 203.0.113.9").post("/v1/sessions/factor", m{"challenge": asked["challenge"], "code": code}).Want(201).JSON()["token"].(string)
	if list := string(r.as(token).get("/v1/me/sessions").Want(200).Body); !strings.Contains(list, `"ip":"203.0.113.9"`) {
		t.Errorf("SPEC 4.6: %s", list)
	}
	r.stop()
	again := serve(t, data, "--trusted-proxy", "127.0.0.0/8", "--portal", "admin-viewer")
	if list := string(again.as(token).get("/v1/me/sessions").Want(http.StatusOK).Body); !strings.Contains(list, `"ip":"203.0.113.9"`) {
		t.Errorf("SPEC 4.6: after a restart: %s", list)
	}
	if begun := string(again.as("").post("/v1/sessions/passkey", m{}).Want(200).Body); !strings.Contains(begun, `"rpId":"localhost"`) {
		t.Errorf("SPEC 4.5: %s", begun)
	}
}
