package handlers_test

import (
	"fmt"
	"testing"

	"roster/domain"
	"roster/handlers"
)

// TestOthersAreSeenAtOnce: what one process has acknowledged, another decides and answers by on the next request
// (SPEC 3.9), with a follower that moves its cache and without one.
func TestOthersAreSeenAtOnce(t *testing.T) {
	for _, alone := range []bool{false, true} {
		t.Run(fmt.Sprintf("alone=%v", alone), func(t *testing.T) {
			b := newBench(t)
			b.shared, b.alone = true, alone
			one, two := b.another(handlers.Config{}), b.another(handlers.Config{})
			b.app = one
			account := b.open()
			b.join(account, "owner", domain.Owner)
			user := b.join(account, "somebody", domain.Viewer)
			for n := range 100 {
				var cmd domain.Command = domain.Suspend{Account: account, User: user}
				want := domain.Suspended
				if n%2 == 1 {
					cmd, want = domain.Reactivate{Account: account, User: user}, domain.Active
				}
				r := b.do(one, operator(), cmd)
				a, pos, err := two.Account(t.Context(), account)
				if err != nil || pos < r.Position {
					t.Fatalf("round %d: the other process is at %d, not at %d: %v", n, pos, r.Position, err)
				}
				if m, _ := a.Member(user); m.Status != want {
					t.Fatalf("round %d: the other process says %s, not %s", n, m.Status, want)
				}
				one, two = two, one
			}
		})
	}
}
