package web

import (
	"net/url"
	"testing"
)

// A list is gone through forth and back, and what it was asked stays (SPEC 3.1).
func TestPages(t *testing.T) {
	next := func(s string) *string { return &s }
	follow := func(address string) url.Values {
		t.Helper()
		u, err := url.Parse(address)
		if err != nil || u.Path != "/list" {
			t.Fatalf("%q, %v", address, err)
		}
		return u.Query()
	}
	asked := url.Values{"status": {"active,pending"}}
	first := pages("/list", asked, next("two"))
	if first.First != "" || first.Previous != "" {
		t.Errorf("before the first page: %+v", first)
	}
	second := pages("/list", follow(first.Next), next("three"))
	third := pages("/list", follow(second.Next), nil)
	if third.Next != "" || follow(third.Previous).Get("cursor") != "two" || follow(third.First).Get("cursor") != "" {
		t.Errorf("on the last page: %+v", third)
	}
	back := pages("/list", follow(third.Previous), next("three"))
	if back != second {
		t.Errorf("back on the second page: %+v, want %+v", back, second)
	}
	if q := follow(back.Previous); q.Get("cursor") != "" || q.Get("back") != "" || q.Get("status") != "active,pending" {
		t.Errorf("back on the first page: %v", q)
	}
	far := asked
	for range 3 * maxBack {
		far = follow(pages("/list", far, next("x")).Next)
	}
	if n := len(far.Get("back")); n > 2*maxBack {
		t.Errorf("the way back grows to %d", n)
	}
}
