package sms_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"roster/infra/sms"
)

const key = "a key of the gateway's"

func TestGateway(t *testing.T) {
	status := http.StatusAccepted
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.URL.Path != "/send" || r.Header.Get("Authorization") != "" ||
			r.Header.Get("Roster-Signature") != sms.Signature([]byte(key), r.Header.Get("Roster-Timestamp"), body) {
			t.Errorf("SPEC 4.5: %s %s %v", r.Method, r.URL, r.Header)
		}
		got = append(got, string(body))
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	g, err := sms.Open(strings.Replace(server.URL, "http://", "http://:"+strings.ReplaceAll(key, " ", "%20")+"@", 1) + "/send")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := g.Text(t.Context(), "+31612345678", "123456 is your code"); err != nil || len(got) != 1 || got[0] != `{"to":"+31612345678","text":"123456 is your code"}` {
		t.Errorf("SPEC 4.5: %v, %v", got, err)
	}
	for _, status = range []int{http.StatusFound, http.StatusBadRequest, http.StatusInternalServerError} {
		if err := g.Text(t.Context(), "+31612345678", "123456"); err == nil || strings.Contains(err.Error(), "123456") || strings.Contains(err.Error(), key) {
			t.Errorf("SPEC 4.5: %d: %v", status, err)
		}
	}
	if len(got) != 4 {
		t.Errorf("a redirect was followed: %v", got)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, bad := range []string{"", "x", "ftp://:0123456789abcdef@h/", "http://:0123456789abcdef@sms.example/", "https://sms.example/", "https://:short@sms.example/", "https://:0123456789abcdef%zz@h/"} {
		if _, err := sms.Open(bad); err == nil || strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := sms.Open("https://:0123456789abcdef@sms.example/send"); err != nil {
		t.Error(err)
	}
}
