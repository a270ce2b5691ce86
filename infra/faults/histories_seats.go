package faults

import (
	"fmt"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// halls are the accounts of a history about an address: one, or two where a new person is invited into both.
const halls = 2

// letter is an invitation of the address.
type letter struct {
	id         string // "?" for one of which nobody was told
	generation uint32
	status     string // pending, accepted, declined, revoked
	brief      bool   // ends when the clock strikes
}

// seat is what the address has in an account: SPEC 2 for one address, with an inviter who loses no right.
type seat struct {
	member  string // "", "active", "revoked"
	letters [12]letter
	n       int
	latest  int // index in letters of the one that stands for the address
}

// seats is all that the model knows of an address.
type seats struct {
	user   string // who holds it; "" nobody; "new" somebody of whom nobody was told
	struck bool   // while an operation is done: its clock is past the end of the brief invitations
	in     [halls]seat
}

// seatAct is something asked about the address.
type seatAct struct {
	what       string // invite; accept, decline, look; resend, withdraw; revoke (the member); list
	hall       int
	id         string // of the invitation
	generation uint32
	brief      bool   // invite for as short as may be
	as         string // accept: the user who is signed in; "" for whoever holds the link
	written    string // the address as it was written
	clock      hour
}

// hour is what an operation may have read from the clock, once between its call and its return. The clock is no part
// of the state: one that has read it before the end may be written after another that has read it later.
type hour int

const (
	before hour = iota // that brief invitations go on
	either
	after // that they have ended
)

// seatSaid is what was answered.
type seatSaid struct {
	said
	id     string   // of the invitation made
	user   string   // who accepted
	member string   // list: what the person is
	open   []string // list: the invitations that are alive
}

// state is where an invitation stands at this moment.
func (s seats) state(l letter) string {
	if l.status == "pending" && l.brief && s.struck {
		return "expired"
	}
	return l.status
}

// dead says why a link of a generation no longer works; "" when it does.
func (s seats) dead(l letter, generation uint32) string {
	switch s.state(l) {
	case "accepted":
		return "invitation_used"
	case "revoked", "declined":
		return "invitation_revoked"
	}
	switch {
	case generation != l.generation:
		return "invitation_replaced"
	case s.state(l) == "expired":
		return "invitation_expired"
	}
	return ""
}

// do is what is answered, and what is then. A new invitation gets the id that was answered, a new user likewise.
func (s seats) do(act seatAct, out seatSaid) (code string, after seats) {
	a := &s.in[act.hall]
	if act.what == "revoke" {
		if a.member != "active" {
			return "not_found", s
		}
		a.member = "revoked"
		return okay, s
	}
	if act.what == "invite" {
		return s.invite(act, out)
	}
	n := slices.IndexFunc(a.letters[:a.n], func(l letter) bool { return l.id == act.id })
	if n < 0 {
		return "not_found", s
	}
	return s.handle(act, out, n)
}

func (s seats) invite(act seatAct, out seatSaid) (code string, after seats) {
	a := &s.in[act.hall]
	switch {
	case a.member == "active":
		return "already_member", s
	case a.n > 0 && s.state(a.letters[a.latest]) == "pending":
		return "already_invited", s
	}
	id := out.id
	if out.unknown {
		id = "?"
	}
	a.letters[a.n] = letter{id, 1, "pending", act.brief}
	a.latest, a.n = a.n, a.n+1
	return okay, s
}

// handle does what is done with an invitation or its link.
func (s seats) handle(act seatAct, out seatSaid, n int) (code string, after seats) {
	a := &s.in[act.hall]
	l := &a.letters[n]
	switch act.what {
	case "look":
		if dead := s.dead(*l, act.generation); dead != "" {
			return dead, s
		}
	case "decline":
		if l.status == "declined" && l.generation == act.generation {
			return okay, s
		}
		if dead := s.dead(*l, act.generation); dead != "" {
			return dead, s
		}
		l.status = "declined"
	case "withdraw":
		switch l.status {
		case "accepted":
			return "invitation_used", s
		case "pending":
			l.status = "revoked"
		}
	case "resend":
		if dead := s.dead(*l, l.generation); dead != "" && dead != "invitation_expired" {
			return dead, s
		}
		switch {
		case a.member == "active":
			return "already_member", s
		case a.latest != n && s.state(a.letters[a.latest]) == "pending":
			return "already_invited", s
		}
		l.generation, l.brief, a.latest = l.generation+1, false, n
	case "accept":
		switch dead := s.dead(*l, act.generation); {
		case act.as != "" && act.as != s.user:
			return "wrong_recipient", s
		case dead != "":
			return dead, s
		case s.user != "" && act.as == "":
			return "sign_in_required", s
		case a.member == "active":
			return "already_member", s
		}
		l.status, a.member = "accepted", "active"
		if s.user == "" {
			if s.user = out.user; out.unknown {
				s.user = "new"
			}
		}
	}
	return okay, s
}

// right says whether a list is what stands there.
func (s seats) right(hall int, out seatSaid) bool {
	a := s.in[hall]
	var open []string
	for _, l := range a.letters[:a.n] {
		if s.state(l) == "pending" {
			open = append(open, l.id)
		}
	}
	same := func(x, y string) bool { return x == y || x == "?" }
	return out.member == a.member && slices.EqualFunc(open, out.open, same)
}

// step does what was asked and says whether that was answered.
func (s seats) step(act seatAct, out seatSaid) (ok bool, next seats, code string) {
	if act.what == "list" {
		return out.unknown || s.right(act.hall, out), s, okay
	}
	code, next = s.do(act, out)
	if act.what == "accept" && code == okay && !out.unknown && next.user != out.user {
		return false, s, code // a second user for one address
	}
	return out.agrees(code), next, code
}

// seatsModel is the address in the form that porcupine checks histories against. holder is the user who has it from
// the start, "" for nobody.
func seatsModel(holder string) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return seats{user: holder} },
		Step: func(state, input, output any) (bool, any) {
			s, act, out := state.(seats), input.(seatAct), output.(seatSaid)
			unlike := s
			for _, struck := range []bool{false, true} {
				if struck && act.clock == before || !struck && act.clock == after {
					continue
				}
				s.struck = struck
				if ok, next, code := s.step(act, out); ok {
					next.struck = false
					if !out.unknown || code == okay || act.clock != either {
						return true, next
					}
				}
			}
			return out.unknown, unlike // as if it came too late for anybody to see
		},
		Equal: func(a, b any) bool { return a.(seats) == b.(seats) },
		DescribeOperation: func(input, output any) string {
			act, out := input.(seatAct), output.(seatSaid)
			return act.String() + ": " + out.String()
		},
		DescribeState: func(state any) string { return state.(seats).String() },
	}
}

func (a seatAct) String() string {
	text := fmt.Sprint(a.what, " in ", a.hall)
	switch a.what {
	case "invite":
		text += " " + a.written
		if a.brief {
			text += " briefly"
		}
	case "accept", "decline", "look":
		text += fmt.Sprintf(" %s generation %d", tail(a.id), a.generation)
		if a.as != "" {
			text += " as " + tail(a.as)
		}
	case "resend", "withdraw":
		text += " " + tail(a.id)
	}
	return text
}

func (o seatSaid) String() string {
	switch {
	case o.unknown:
		return "?"
	case o.code != "":
		return strings.TrimSpace(o.code + " " + tail(o.id) + tail(o.user))
	}
	var open []string
	for _, id := range o.open {
		open = append(open, tail(id))
	}
	return fmt.Sprintf("member %q, open %v", o.member, open)
}

func (s seats) String() string {
	var parts []string
	for i, a := range s.in {
		if a.n == 0 && a.member == "" {
			continue
		}
		text := fmt.Sprintf("%d: member %q", i, a.member)
		for n, l := range a.letters[:a.n] {
			text += fmt.Sprintf(", %s %s generation %d", tail(l.id), s.state(l), l.generation)
			if n == a.latest {
				text += " (latest)"
			}
		}
		parts = append(parts, text)
	}
	return fmt.Sprintf("held by %q; %s", tail(s.user), strings.Join(parts, "; "))
}

// tail is enough of an id to tell it from the others of a history.
func tail(id string) string { return id[max(0, len(id)-6):] }
