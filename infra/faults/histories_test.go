package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// enacted is an operation of a history made by hand: from its call to its return, in milliseconds.
func enacted(call, end int64, input, output any) porcupine.Operation {
	if end != never {
		end *= int64(time.Millisecond)
	}
	return porcupine.Operation{ClientId: int(call % 3), Call: call * int64(time.Millisecond), Return: end, Input: input, Output: output}
}

func answered(code string) said { return said{code: code, unknown: code == "?"} }

// TestHistoriesAreJudged: histories that the rules allow pass, and those that break them are refused, so that a
// judgement means something.
func TestHistoriesAreJudged(t *testing.T) {
	t.Parallel()
	two := posts{{"owner", "active"}, {"owner", "active"}, {"admin", "active"}, {"viewer", "active"}}
	owner := func(call, end int64, by int, what string, on int, role, code string) porcupine.Operation {
		return enacted(call, end, ownersAct{by: by, what: what, on: on, role: role}, ownersSaid{said: answered(code)})
	}
	listing := func(call, end int64, list posts) porcupine.Operation {
		return enacted(call, end, ownersAct{by: operator, what: "list"}, ownersSaid{said: answered(okay), list: list})
	}
	seat := func(call, end int64, act seatAct, code, id string) porcupine.Operation {
		out := seatSaid{said: answered(code)}
		if act.what == "accept" {
			out.user = id
		} else {
			out.id = id
		}
		return enacted(call, end, act, out)
	}
	open := func(call, end int64, member string, ids ...string) porcupine.Operation {
		return enacted(call, end, seatAct{what: "list"}, seatSaid{said: answered(okay), member: member, open: ids})
	}
	invite := seatAct{what: "invite", written: "lee@example.org"}
	brief := seatAct{what: "invite", brief: true}
	accept := seatAct{what: "accept", id: "i1", generation: 1, as: "lee"}
	fresh := seatAct{what: "accept", id: "i1", generation: 1}
	fresh2 := seatAct{what: "accept", hall: 1, id: "i2", generation: 1}
	there := seatAct{what: "invite", hall: 1}
	late, soon := accept, accept
	late.clock, soon.clock = after, either
	withdraw := seatAct{what: "withdraw", id: "i1"}
	resend := seatAct{what: "resend", id: "i1"}
	for _, c := range []struct {
		name  string
		model porcupine.Model
		acts  []porcupine.Operation
		want  bool
	}{
		{"one of two owners goes", ownersModel(two), []porcupine.Operation{
			owner(1, 5, 0, "suspend", 1, "", okay), owner(2, 4, 1, "suspend", 0, "", "not_permitted")}, true},
		{"both owners go", ownersModel(two), []porcupine.Operation{
			owner(1, 5, 0, "suspend", 1, "", okay), owner(2, 4, 1, "suspend", 0, "", okay)}, false},
		{"the operator takes both", ownersModel(two), []porcupine.Operation{
			owner(1, 5, operator, "revoke", 1, "", okay), owner(2, 4, operator, "role", 0, "viewer", okay)}, false},
		{"the operator keeps one", ownersModel(two), []porcupine.Operation{
			owner(1, 5, operator, "revoke", 1, "", "last_active_owner"), owner(2, 4, operator, "role", 0, "viewer", okay)}, true},
		{"a step down that is unknown was seen", ownersModel(two), []porcupine.Operation{
			owner(1, never, 0, "leave", 0, "", "?"), owner(6, 7, 0, "suspend", 2, "", "not_found")}, true},
		{"a step down that is unknown was not seen", ownersModel(two), []porcupine.Operation{
			owner(1, never, 0, "leave", 0, "", "?"), owner(6, 7, 0, "suspend", 2, "", okay)}, true},
		{"a suspension is seen too late", ownersModel(two), []porcupine.Operation{
			owner(1, 2, 0, "suspend", 2, "", okay), owner(3, 4, 2, "suspend", 3, "", okay)}, false},
		{"an admin makes an owner", ownersModel(two), []porcupine.Operation{owner(1, 2, 2, "role", 3, "owner", okay)}, false},
		{"the list lags behind", ownersModel(two), []porcupine.Operation{owner(1, 2, 0, "revoke", 3, "", okay), listing(3, 4, two)}, false},
		{"the list is as before", ownersModel(two), []porcupine.Operation{owner(1, 3, 0, "revoke", 3, "", okay), listing(2, 4, two)}, true},

		{"two living invitations", seatsModel("lee"), []porcupine.Operation{
			seat(1, 5, invite, okay, "i1"), seat(2, 4, invite, okay, "i2")}, false},
		{"one living invitation", seatsModel("lee"), []porcupine.Operation{
			seat(1, 5, invite, okay, "i1"), seat(2, 4, invite, "already_invited", ""), open(6, 7, "", "i1")}, true},
		{"invited again when it was withdrawn", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, invite, okay, "i1"), seat(3, 6, withdraw, okay, ""), seat(4, 7, invite, okay, "i2"), open(8, 9, "", "i2")}, true},
		{"a link used twice", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, invite, okay, "i1"), seat(3, 6, accept, okay, "lee"), seat(4, 7, accept, okay, "lee")}, false},
		{"accepted and withdrawn", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, invite, okay, "i1"), seat(3, 6, accept, okay, "lee"), seat(4, 7, withdraw, okay, "")}, false},
		{"accepted, and too late to withdraw", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, invite, okay, "i1"), seat(3, 6, accept, okay, "lee"), seat(4, 7, withdraw, "invitation_used", ""), open(8, 9, "active")}, true},
		{"an old link after a new one was sent", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, invite, okay, "i1"), seat(3, 4, resend, okay, ""), seat(5, 6, accept, okay, "lee")}, false},
		{"an unknown invitation is in the way", seatsModel("lee"), []porcupine.Operation{
			seat(1, never, invite, "?", ""), seat(3, 4, invite, "already_invited", ""), open(5, 6, "", "i7")}, true},
		{"two users for one address", seatsModel(""), []porcupine.Operation{
			seat(1, 2, invite, okay, "i1"), seat(1, 2, there, okay, "i2"), seat(3, 6, fresh, okay, "u1"), seat(4, 7, fresh2, okay, "u2")}, false},
		{"one user for one address", seatsModel(""), []porcupine.Operation{
			seat(1, 2, invite, okay, "i1"), seat(1, 2, there, okay, "i2"), seat(3, 6, fresh, okay, "u1"), seat(4, 7, fresh2, "sign_in_required", "")}, true},
		{"accepted after the end", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, brief, okay, "i1"), seat(3, 4, late, okay, "lee")}, false},
		{"refused after the end", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, brief, okay, "i1"), seat(3, 4, late, "invitation_expired", "")}, true},
		{"refused before the end", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, brief, okay, "i1"), seat(3, 4, accept, "invitation_expired", "")}, false},
		{"at the end, either", seatsModel("lee"), []porcupine.Operation{
			seat(1, 2, brief, okay, "i1"), seat(3, 6, soon, "invitation_expired", ""), seat(4, 7, soon, okay, "lee")}, true},
	} {
		s := newScene(c.name, c.model, callers)
		s.acts = c.acts
		if result, _ := s.check(); (result == porcupine.Ok) != c.want {
			t.Errorf("%s: %s, want %t:\n%s", c.name, result, c.want, s)
		}
	}
}

// TestHistoryIsTold: what breaks the rules is said in words and drawn.
func TestHistoryIsTold(t *testing.T) {
	t.Parallel()
	s := newScene("owners", ownersModel(posts{{"owner", "active"}}), callers)
	client := s.note(0, 0, ownersAct{by: operator, what: "revoke", on: 0}, ownersSaid{said: answered("?")}, true)
	if client != callers {
		t.Errorf("who does not know goes on as caller %d", client)
	}
	s.note(client, s.now(), ownersAct{by: 0, what: "leave", on: 0}, ownersSaid{said: answered(okay)}, false)
	th := &theatre{l: &Lab{}, drawings: t.TempDir()}
	if err := th.judge(s); err != nil {
		t.Fatal(err)
	}
	text := th.v.Err().Error()
	if th.v.Outcome.Differs != 1 || !strings.Contains(text, "u0: leave u0: ok") || !strings.Contains(text, ".html") {
		t.Errorf("it is told as %q", text)
	}
}
