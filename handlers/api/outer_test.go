package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A fault is a problem document where nothing has been sent, and breaks the answer off where something has.
func TestFaults(t *testing.T) {
	metrics := NewMetrics()
	server := httptest.NewServer(metrics.counted(guarded(newProblems(Config{PublicURL: "http://portal.example"}), false, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
			w.(http.Flusher).Flush()
		}
		panic("secret")
	}))))
	defer server.Close()
	for path, status := range map[string]int{"/early": 500, "/late": 200} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if r.StatusCode != status || strings.Contains(string(body), "secret") || (err != nil) != (path == "/late") {
			t.Errorf("%s: %d %v %.100s", path, r.StatusCode, err, body)
		}
		if path == "/early" && r.Header.Get("Content-Type") != problemContentType {
			t.Errorf("%s: %v", path, r.Header)
		}
	}
}
