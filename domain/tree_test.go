package domain

import (
	"fmt"
	"testing"

	"roster/events"
)

// tree is a root account, and n accounts below it, as many levels as there may be.
func treeOf(n int) (*store, []events.AccountID) {
	all := []events.AccountID{root}
	s := given(opened(root), member("owner", is(Owner)))
	for i := range n {
		parent := all[i/4]
		if s.state(events.Tree()).(Tree).depth(parent) >= deepest {
			parent = root
		}
		id := events.AccountID(hashed("account", fmt.Sprint(i)))
		s.append(events.OfAccount(id), operator, start, events.AccountOpened{Name: fmt.Sprint("Sub ", i), Parent: parent, Profile: standardProfile})
		s.append(events.Tree(), operator, start, events.TreeOpened{Account: id, Parent: parent})
		all = append(all, id)
	}
	return s, all
}

// The depth and the height that the tree knows are those of a walk through all accounts, whatever has been moved.
func TestTreeIsTheAccounts(t *testing.T) {
	s, all := treeOf(300)
	moves := 0
	for i := range all[1:] {
		if i%7 != 0 {
			continue
		}
		to := all[(i*31+5)%len(all)]
		got := s.when(ChangeAccount{Account: all[1+i], Parent: &to}, as(operator))
		if got.err != nil {
			continue
		}
		moves++
		for _, b := range got.world.Written() {
			s.append(b, operator, now, got.world.Facts(b)...)
		}
	}
	if moves < 10 {
		t.Fatalf("%d moves only", moves)
	}
	tree := s.state(events.Tree()).(Tree)
	for _, id := range all {
		depth := 0
		for at := id; !at.IsZero(); at = s.account(at).Parent {
			if depth++; depth > deepest {
				t.Fatalf("SPEC 1.1: %s stands deeper than %d", id, deepest)
			}
		}
		if tree.depth(id) != depth || tree.Parent(id) != s.account(id).Parent {
			t.Fatalf("%s: the tree says depth %d, a walk %d", id, tree.depth(id), depth)
		}
	}
}

// A check costs what its own ancestors cost, in a tree of 10,000 accounts as in one of ten (SPEC 1, DESIGN 9).
func BenchmarkCheckInTree(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s, all := treeOf(n)
			deep, tree := all[0], s.state(events.Tree()).(Tree)
			for _, id := range all {
				if tree.depth(id) > tree.depth(deep) {
					deep = id
				}
			}
			is := as(by("owner"))
			b.ReportAllocs()
			for b.Loop() {
				w := NewWorld(is, func(b events.Boundary) (State, bool) { return s.state(b), true })
				if why := w.Why(deep, user("owner"), UsersInvite); !why.Allowed {
					b.Fatal(why)
				}
			}
			b.ReportMetric(float64(tree.depth(deep)), "levels")
		})
	}
}
