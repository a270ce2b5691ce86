package faults

import (
	"fmt"
	"slices"

	"github.com/anishathalye/porcupine"
)

// spread is what the model knows of one person and two accounts for which they are invited at once, by the operator or
// by an admin of both whose right is taken and given back in one of them: SPEC 2.2, 2.7 to 2.10, 3.8.
type spread struct {
	member  [halls]string // "", "active", "revoked"
	admin   [halls]bool   // whoever invited is active there
	letters [12]wide
	n       int
}

// wide is an invitation into both accounts, of which the last one made stands for the address.
type wide struct {
	id         string // "?" for one of which nobody was told
	generation uint32
	own        bool          // of the admin's, who may lose the right to it
	status     [halls]string // pending, accepted, declined, revoked
}

// spreadAct is something asked about the person, the invitations or the admin.
type spreadAct struct {
	what       string // invite; accept, decline, look; resend, withdraw; revoke, access (the person); suspend, reactivate (the admin); list
	own        bool   // the admin asks, else the operator
	hall       int    // in which it is asked
	id         string // of the invitation
	generation uint32
	mark       int // of access: until when, so that each is another
}

// spreadSaid is what was answered.
type spreadSaid struct {
	said
	id     string // of the invitation made
	member string // list: what the person is
	admin  bool   // list: the admin is active
}

// state is where an invitation stands at this moment: what has ended in one of its accounts has ended.
func (l wide) state() string {
	for _, status := range l.status {
		if status != "pending" {
			return status
		}
	}
	return "pending"
}

// dead says why a link of a generation no longer works; "" when it does.
func (l wide) dead(generation uint32) string {
	switch l.state() {
	case "accepted":
		return "invitation_used"
	case "revoked", "declined":
		return "invitation_revoked"
	}
	if generation != l.generation {
		return "invitation_replaced"
	}
	return ""
}

// ended is the invitation with every part that is open in another status.
func (l wide) ended(status string) wide {
	for h := range l.status {
		if l.status[h] == "pending" {
			l.status[h] = status
		}
	}
	return l
}

// do is what is answered, and what is then.
func (a spread) do(act spreadAct, out spreadSaid) (code string, after spread) {
	switch act.what {
	case "suspend":
		for n := range a.letters[:a.n] { // what they may not grant any more is dead for good
			if l := &a.letters[n]; a.admin[act.hall] && l.own && l.state() == "pending" {
				l.status[act.hall] = "revoked"
			}
		}
		a.admin[act.hall] = false
		return okay, a
	case "reactivate":
		a.admin[act.hall] = true
		return okay, a
	case "revoke":
		if a.member[act.hall] != "active" {
			return "not_found", a
		}
		a.member[act.hall] = "revoked"
		return okay, a
	case "access":
		switch {
		case act.own && !a.admin[act.hall]:
			return "not_permitted", a
		case a.member[act.hall] != "active": // they are known from there
			return "not_found", a
		case act.own && !a.both():
			return "not_permitted", a
		}
		a.member = [halls]string{"active", "active"}
		return okay, a
	case "invite":
		return a.invite(act, out)
	}
	n := slices.IndexFunc(a.letters[:a.n], func(l wide) bool { return l.id == act.id })
	if n < 0 {
		return "not_found", a
	}
	return a.handle(act, n)
}

// both says that the admin is active in both accounts.
func (a spread) both() bool { return a.admin[0] && a.admin[1] }

func (a spread) invite(act spreadAct, out spreadSaid) (code string, after spread) {
	switch {
	case act.own && !a.both():
		return "not_permitted", a
	case slices.Contains(a.member[:], "active"):
		return "already_member", a
	case a.n > 0 && a.letters[a.n-1].state() == "pending":
		return "already_invited", a
	}
	if a.n > 0 {
		a.letters[a.n-1] = a.letters[a.n-1].ended("revoked")
	}
	id := out.id
	if out.unknown {
		id = "?"
	}
	a.letters[a.n] = wide{id, 1, act.own, [halls]string{"pending", "pending"}}
	a.n++
	return okay, a
}

// handle does what is done with an invitation or its link.
func (a spread) handle(act spreadAct, n int) (code string, after spread) {
	l := &a.letters[n]
	switch act.what {
	case "look":
		if dead := l.dead(act.generation); dead != "" {
			return dead, a
		}
	case "decline":
		if l.status[act.hall] == "declined" && l.generation == act.generation {
			return okay, a
		}
		if dead := l.dead(act.generation); dead != "" {
			return dead, a
		}
		*l = l.ended("declined")
	case "withdraw":
		if l.status[act.hall] == "accepted" {
			return "invitation_used", a
		}
		*l = l.ended("revoked")
	case "resend":
		switch dead := l.dead(l.generation); {
		case dead != "":
			return dead, a
		case a.member == [halls]string{"active", "active"}:
			return "already_member", a
		}
		l.generation++
	case "accept":
		switch dead := l.dead(act.generation); {
		case dead != "":
			return dead, a
		case a.member == [halls]string{"active", "active"}:
			return "already_member", a
		}
		*l = l.ended("accepted")
		a.member = [halls]string{"active", "active"}
	}
	return okay, a
}

// spreadModel is the person and the accounts in the form that porcupine checks histories against.
func spreadModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return spread{admin: [halls]bool{true, true}} },
		Step: func(state, input, output any) (bool, any) {
			a, act, out := state.(spread), input.(spreadAct), output.(spreadSaid)
			if act.what == "list" {
				return out.unknown || out.member == a.member[act.hall] && out.admin == a.admin[act.hall], a
			}
			code, after := a.do(act, out)
			return out.agrees(code), after
		},
		DescribeOperation: func(input, output any) string {
			act, out := input.(spreadAct), output.(spreadSaid)
			return act.String() + ": " + out.String()
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

func (a spreadAct) String() string {
	text := fmt.Sprint(a.what, " in ", a.hall)
	switch a.what {
	case "accept", "decline", "look":
		text += fmt.Sprintf(" %s generation %d", tail(a.id), a.generation)
	case "resend", "withdraw":
		text += " " + tail(a.id)
	}
	if a.own {
		text = "admin: " + text
	}
	return text
}

func (o spreadSaid) String() string {
	if o.unknown {
		return "?"
	}
	return fmt.Sprintf("%s %s member %q admin %t", o.code, tail(o.id), o.member, o.admin)
}
