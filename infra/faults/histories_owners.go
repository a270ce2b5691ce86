package faults

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The people of a history about owners, by number; operator is who is above them all.
const (
	crew     = 4
	operator = -1
)

// post is what a person has in the account: a role, and "active", "suspended" or "revoked".
type post struct{ role, status string }

func (p post) active() bool { return p.status == "active" }

// posts is the account that the owners' model knows: what SPEC 3 says of memberships, for accounts without a parent
// and for the built-in roles, each of which gives all that the next one gives.
type posts [crew]post

// The built-in roles by what they give, the least first.
func rank(role string) int {
	return strings.Index("viewer manager admin owner", role)
}

// owners are the active owners; an account that has one keeps one.
func (a posts) owners() int {
	n := 0
	for _, p := range a {
		if p.active() && p.role == "owner" {
			n++
		}
	}
	return n
}

// ownersAct is something asked about a member.
type ownersAct struct {
	by   int
	what string // role, suspend, reactivate, revoke, leave; list, check
	on   int
	role string
	many []int // of a bulk: all those that it is about, in their order
}

// ownersSaid is what was answered; a question is answered with what stands there.
type ownersSaid struct {
	said
	list     posts
	may      bool     // to check: that the member may suspend users
	outcomes []string // of a bulk
}

// do is what the account answers to a command, and what it is then.
func (a posts) do(act ownersAct) (code string, after posts) {
	by, top := post{"owner", "active"}, rank("owner")
	if act.by != operator {
		by = a[act.by]
		top = rank(by.role)
	}
	self := act.by == act.on
	to := a[act.on]
	known := to.active() || to.status == "suspended"
	becomes := func(p post) (string, posts) {
		if p.status == "revoked" { // nothing is inherited from it
			p.role = ""
		}
		if to.active() && to.role == "owner" && (!p.active() || p.role != "owner") && a.owners() == 1 {
			return "last_active_owner", a
		}
		after := a
		after[act.on] = p
		return okay, after
	}
	manages := top >= rank("admin")
	switch {
	case by.status == "suspended":
		return "not_permitted", a
	case !by.active():
		return "not_found", a
	case act.what == "leave":
		return becomes(post{to.role, "revoked"})
	case self && (act.what == "suspend" || act.what == "revoke"):
		return "not_permitted", a
	case !known: // every role may read the list
		return "not_found", a
	case act.what == "role" && self:
		if rank(act.role) > top {
			return "exceeds_own_access", a
		}
	case !manages:
		return "not_permitted", a
	case rank(to.role) > top, act.what == "role" && rank(act.role) > top:
		return "exceeds_own_access", a
	}
	switch act.what {
	case "role":
		return becomes(post{act.role, to.status})
	case "suspend":
		return becomes(post{to.role, "suspended"})
	case "reactivate":
		return becomes(post{to.role, "active"})
	}
	return becomes(post{to.role, "revoked"})
}

// ownersModel is the account in the form that porcupine checks histories against.
func ownersModel(start posts) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return start },
		Step: func(state, input, output any) (bool, any) {
			a, act, out := state.(posts), input.(ownersAct), output.(ownersSaid)
			switch {
			case act.what == "list":
				return out.unknown || out.list == a, a
			case act.what == "check":
				may := a[act.on].active() && rank(a[act.on].role) >= rank("admin")
				return out.unknown || out.may == may, a
			case act.many != nil:
				code, outcomes, after := a.doMany(act)
				return out.saidOfMany(code, outcomes) && (start.owners() == 0 || after.owners() > 0), after
			}
			code, after := a.do(act)
			return out.agrees(code) && (start.owners() == 0 || after.owners() > 0), after
		},
		DescribeOperation: func(input, output any) string {
			act, out := input.(ownersAct), output.(ownersSaid)
			by := "operator"
			if act.by != operator {
				by = fmt.Sprint("u", act.by)
			}
			text := fmt.Sprintf("%s: %s u%d", by, strings.TrimSpace(act.what+" "+act.role), act.on)
			switch {
			case act.many != nil:
				return fmt.Sprintf("%s: %s each of %v: %s %v", by, strings.TrimSpace(act.what+" "+act.role), act.many, out.String(), out.outcomes)
			case out.unknown:
			case act.what == "list":
				return by + ": list: " + out.list.String()
			case act.what == "check":
				return fmt.Sprintf("may u%d suspend: %t", act.on, out.may)
			}
			return text + ": " + out.String()
		},
		DescribeState: func(state any) string { return state.(posts).String() },
	}
}

func (a posts) String() string {
	var parts []string
	for i, p := range a {
		parts = append(parts, fmt.Sprintf("u%d %s %s", i, p.status, p.role))
	}
	return strings.Join(parts, ", ")
}
