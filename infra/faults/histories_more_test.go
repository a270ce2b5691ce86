package faults

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// TestMoreHistoriesAreJudged: those of trees, bulks and several accounts, as TestHistoriesAreJudged does for the others.
func TestMoreHistoriesAreJudged(t *testing.T) {
	t.Parallel()
	move := func(call, end int64, on, to int, code string) porcupine.Operation {
		return enacted(call, end, treeAct{what: "move", on: on, to: to}, treeSaid{said: answered(code)})
	}
	look := func(call, end int64, on, parent, name int) porcupine.Operation {
		return enacted(call, end, treeAct{what: "look", on: on}, treeSaid{answered(okay), parent, name})
	}
	open := func(call, end int64, on int, code string) porcupine.Operation {
		return enacted(call, end, treeAct{what: "open", on: on}, treeSaid{said: answered(code)})
	}
	both := enacted(1, 5, treeAct{what: "change", on: 1, to: 4, name: 9}, treeSaid{said: answered(okay)})
	two := posts{{"owner", "active"}, {"owner", "active"}, {"admin", "active"}, {"viewer", "active"}}
	bulk := func(call, end int64, by int, what, role, code string, on []int, outcomes ...string) porcupine.Operation {
		return enacted(call, end, ownersAct{by: by, what: what, role: role, many: on}, ownersSaid{said: answered(code), outcomes: outcomes})
	}
	one := func(call, end int64, by int, what string, on int, code string) porcupine.Operation {
		return enacted(call, end, ownersAct{by: by, what: what, on: on}, ownersSaid{said: answered(code)})
	}
	asked := func(call, end int64, act spreadAct, code string) porcupine.Operation {
		out := spreadSaid{said: answered(code)}
		if act.what == "invite" && code == okay {
			out.id = act.id
		}
		return enacted(call, end, act, out)
	}
	list := func(call, end int64, hall int, member string) porcupine.Operation {
		return enacted(call, end, spreadAct{what: "list", hall: hall}, spreadSaid{said: answered(okay), member: member, admin: true})
	}
	own, ours := spreadAct{what: "invite", own: true, id: "i1"}, spreadAct{what: "invite", id: "i1"}
	accept, there := spreadAct{what: "accept", id: "i1", generation: 1}, spreadAct{what: "accept", hall: 1, id: "i1", generation: 1}
	suspend, back := spreadAct{what: "suspend", hall: 1}, spreadAct{what: "reactivate", hall: 1}
	withdraw, resend := spreadAct{what: "withdraw", hall: 1, id: "i1"}, spreadAct{what: "resend", id: "i1"}
	access := spreadAct{what: "access", own: true}
	for _, c := range []struct {
		name  string
		model porcupine.Model
		acts  []porcupine.Operation
		want  bool
	}{
		{"each below the other", treeModel(twoLines()), []porcupine.Operation{move(1, 5, 0, 4, okay), move(2, 4, 4, 0, okay)}, false},
		{"one below the other", treeModel(twoLines()), []porcupine.Operation{move(1, 5, 2, 6, okay), move(2, 4, 6, 2, "invalid"), look(6, 7, 2, 6, 2)}, true},
		{"nine deep", treeModel(twoLines()), []porcupine.Operation{move(1, 2, 4, 3, okay)}, false},
		{"eight deep", treeModel(twoLines()), []porcupine.Operation{move(1, 2, 5, 3, okay)}, true},
		{"eight deep, and one opened below", treeModel(twoLines()), []porcupine.Operation{move(1, 5, 5, 3, okay), open(2, 4, 7, okay)}, false},
		{"opened below, and so too deep", treeModel(twoLines()), []porcupine.Operation{move(1, 5, 5, 3, "invalid"), open(2, 4, 7, okay)}, true},
		{"moved and seen where it was", treeModel(twoLines()), []porcupine.Operation{move(1, 2, 1, 4, okay), look(3, 4, 1, 0, 1)}, false},
		{"moved and renamed is one", treeModel(twoLines()), []porcupine.Operation{both, look(2, 4, 1, 4, 1)}, false},
		{"moved and renamed", treeModel(twoLines()), []porcupine.Operation{both, look(2, 3, 1, 0, 1), look(3, 4, 1, 4, 9)}, true},
		{"nobody's owner makes a root account", treeModel(twoLines()), []porcupine.Operation{move(1, 2, 1, outside, okay)}, false},

		{"a bulk keeps an owner", ownersModel(two), []porcupine.Operation{
			bulk(1, 2, operator, "suspend", "", okay, []int{0, 1, 3}, "done", "last_active_owner", "done")}, true},
		{"a bulk takes both owners", ownersModel(two), []porcupine.Operation{
			bulk(1, 2, operator, "suspend", "", okay, []int{0, 1}, "done", "done")}, false},
		{"two bulks take an owner each", ownersModel(two), []porcupine.Operation{
			bulk(1, 5, operator, "revoke", "", okay, []int{0}, "done"), bulk(2, 4, operator, "role", "viewer", okay, []int{1}, "done")}, false},
		{"a bulk and one alone", ownersModel(two), []porcupine.Operation{
			bulk(1, 5, 1, "suspend", "", okay, []int{2, 0}, "done", "done"), one(2, 4, 0, "suspend", 1, "not_permitted")}, true},
		{"who steps down in a bulk does no more of it", ownersModel(two), []porcupine.Operation{
			bulk(1, 2, 0, "role", "viewer", okay, []int{0, 2}, "done", "not_permitted")}, true},
		{"who steps down in a bulk goes on", ownersModel(two), []porcupine.Operation{
			bulk(1, 2, 0, "role", "viewer", okay, []int{0, 2}, "done", "done")}, false},
		{"a viewer asks for a bulk", ownersModel(two), []porcupine.Operation{bulk(1, 2, 3, "revoke", "", "not_permitted", []int{2})}, true},

		{"accepted into both", spreadModel(), []porcupine.Operation{
			asked(1, 2, own, okay), asked(3, 4, accept, okay), list(5, 6, 0, "active"), list(5, 6, 1, "active")}, true},
		{"accepted into one", spreadModel(), []porcupine.Operation{
			asked(1, 2, own, okay), asked(3, 4, accept, okay), list(5, 6, 1, "")}, false},
		{"accepted by each of its accounts", spreadModel(), []porcupine.Operation{
			asked(1, 2, own, okay), asked(3, 6, accept, okay), asked(4, 7, there, okay)}, false},
		{"accepted after the right was taken in one", spreadModel(), []porcupine.Operation{
			asked(1, 2, own, okay), asked(3, 4, suspend, okay), asked(5, 6, accept, okay)}, false},
		{"accepted while the right is taken in one", spreadModel(), []porcupine.Operation{
			asked(1, 2, own, okay), asked(3, 6, suspend, okay), asked(4, 5, accept, okay)}, true},
		{"alive again when the right is given back", spreadModel(), []porcupine.Operation{
			asked(1, 2, own, okay), asked(3, 4, suspend, okay), asked(5, 6, back, okay), asked(7, 8, accept, okay)}, false},
		{"the operator's outlives the admin's right", spreadModel(), []porcupine.Operation{
			asked(1, 2, ours, okay), asked(3, 4, suspend, okay), asked(5, 6, accept, okay)}, true},
		{"withdrawn in one and accepted in the other", spreadModel(), []porcupine.Operation{
			asked(1, 2, ours, okay), asked(3, 6, withdraw, okay), asked(4, 7, accept, okay)}, false},
		{"an old link after a new one was sent", spreadModel(), []porcupine.Operation{
			asked(1, 2, ours, okay), asked(3, 4, resend, okay), asked(5, 6, there, okay)}, false},
		{"changed in both", spreadModel(), []porcupine.Operation{
			asked(1, 2, ours, okay), asked(3, 4, accept, okay), asked(5, 6, spreadAct{what: "revoke", hall: 1}, okay), asked(7, 8, access, okay), list(9, 10, 1, "active")}, true},
		{"changed in one of two", spreadModel(), []porcupine.Operation{
			asked(1, 2, ours, okay), asked(3, 4, accept, okay), asked(5, 6, suspend, okay), asked(7, 8, access, okay)}, false},
		{"changed in neither", spreadModel(), []porcupine.Operation{
			asked(1, 2, ours, okay), asked(3, 4, accept, okay), asked(5, 6, spreadAct{what: "revoke"}, okay), asked(5, 6, suspend, okay),
			asked(7, 8, spreadAct{what: "access", own: true, hall: 1}, "not_permitted"), list(9, 10, 0, "revoked")}, true},
	} {
		s := newScene(c.name, c.model, callers)
		s.acts = c.acts
		if result, _ := s.check(); (result == porcupine.Ok) != c.want {
			t.Errorf("%s: %s, want %t:\n%s", c.name, result, c.want, s)
		}
	}
}
