// Package origin says from where a request comes, past the proxies that stand in front.
package origin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"roster/events"
)

// maxDevice is how much of a User-Agent is kept, in characters.
const maxDevice = 200

// Behind answers from where requests come when the networks named hold our own proxies. What X-Forwarded-For says is
// believed from the right, as far as a proxy of ours has said it: the first address that is none of theirs is the
// caller's. Without networks it is the connection's address, whatever the header says.
func Behind(trusted ...netip.Prefix) func(*http.Request) events.OriginInfo {
	return func(r *http.Request) events.OriginInfo {
		return events.OriginInfo{IP: address(r, trusted), Device: device(r)}
	}
}

func address(r *http.Request, trusted []netip.Prefix) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	ours := func(ip netip.Addr) bool {
		return slices.ContainsFunc(trusted, func(p netip.Prefix) bool { return p.Contains(ip.Unmap()) })
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || !ours(ip) {
		return host
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop = strings.TrimSpace(hop)
		if h, _, err := net.SplitHostPort(hop); err == nil {
			hop = h
		}
		next, err := netip.ParseAddr(strings.Trim(hop, "[]"))
		if err != nil { // what is not said by a proxy of ours, or is no address, is not believed
			break
		}
		ip = next.Unmap().WithZone("")
		if !ours(ip) {
			break
		}
	}
	return ip.String()
}

func device(r *http.Request) string {
	device := strings.Map(func(c rune) rune {
		if c == utf8.RuneError || unicode.IsControl(c) {
			return -1
		}
		return c
	}, r.UserAgent())
	if runes := []rune(device); len(runes) > maxDevice {
		device = string(runes[:maxDevice])
	}
	return device
}
