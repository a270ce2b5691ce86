package origin_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"roster/handlers/origin"
)

// SPEC 5.1: the trail says from which address, past our own proxies, and believes nobody else about it.
func TestBehind(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, c := range []struct {
		remote    string
		forwarded []string
		trusted   []netip.Prefix
		want      string
	}{
		{"192.0.2.1:5", nil, nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.7"}, nil, "192.0.2.1"},
		{"192.0.2.1:5", []string{"198.51.100.7"}, proxies, "192.0.2.1"},
		{"10.1.2.3:5", nil, proxies, "10.1.2.3"},
		{"10.1.2.3:5", []string{"198.51.100.7"}, proxies, "198.51.100.7"},
		{"10.1.2.3:5", []string{"198.51.100.7, 203.0.113.9"}, proxies, "203.0.113.9"}, // the left one is the caller's own word
		{"10.1.2.3:5", []string{"198.51.100.7", "203.0.113.9, 10.9.9.9"}, proxies, "203.0.113.9"},
		{"10.1.2.3:5", []string{"203.0.113.9:4711"}, proxies, "203.0.113.9"},
		{"10.1.2.3:5", []string{"[2001:db9::1]:4711"}, proxies, "2001:db9::1"},
		{"[2001:db8::1]:5", []string{"2001:db9::2"}, proxies, "2001:db9::2"},
		{"[::ffff:10.1.2.3]:5", []string{"203.0.113.9"}, proxies, "203.0.113.9"},
		{"10.1.2.3:5", []string{"203.0.113.9, evil"}, proxies, "10.1.2.3"},
		{"10.1.2.3:5", []string{"10.4.4.4, 10.5.5.5"}, proxies, "10.4.4.4"},
		{"no address", []string{"203.0.113.9"}, proxies, ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.remote
		for _, v := range c.forwarded {
			r.Header.Add("X-Forwarded-For", v)
		}
		r.Header.Set("User-Agent", "Fire\x1bfox\u0085"+strings.Repeat("ü", 300))
		got := origin.Behind(c.trusted...)(r)
		if got.IP != c.want {
			t.Errorf("SPEC 5.1: %s behind %v: %q, want %q", c.remote, c.forwarded, got.IP, c.want)
		}
		if len([]rune(got.Device)) != 200 || !strings.HasPrefix(got.Device, "Firefoxü") {
			t.Errorf("SPEC 5.1: %q", got.Device)
		}
	}
}
