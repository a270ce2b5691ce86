package faults

import (
	"context"
	"math/rand/v2"
	"slices"
)

// bulks plays a history about the owners of an account in which several are changed at once.
func (th *theatre) bulks(ctx context.Context, t *troupe) error {
	return th.posts(ctx, t, "bulk", func(rand *rand.Rand) ownersAct {
		act := chooseOwnersAct(rand)
		if rand.IntN(5) < 2 {
			return act
		}
		act = ownersAct{by: act.by, role: []string{"owner", "admin", "manager", "viewer"}[rand.IntN(4)], many: rand.Perm(crew)[:1+rand.IntN(crew)]}
		if rand.IntN(3) == 0 {
			act.by = operator
		}
		act.what = []string{"suspend", "suspend", "reactivate", "revoke", "role", "role"}[rand.IntN(6)]
		if act.what != "role" {
			act.role = ""
		}
		return act
	})
}

// doMany is what the account answers to the same done to several of its members, one after the other in one command:
// one that is refused keeps none of the others from it (SPEC 3.6).
func (a posts) doMany(act ownersAct) (code string, outcomes []string, after posts) {
	if act.by != operator {
		switch by := a[act.by]; {
		case by.status == "suspended":
			return "not_permitted", nil, a
		case !by.active():
			return "not_found", nil, a
		case rank(by.role) < rank("admin"):
			return "not_permitted", nil, a
		}
	}
	for _, on := range act.many {
		code, next := a.do(ownersAct{by: act.by, what: act.what, on: on, role: act.role})
		switch {
		case code != okay:
		case next == a:
			code = "already"
		default:
			code = "done"
		}
		outcomes = append(outcomes, code)
		a = next
	}
	return okay, outcomes, a
}

// saidOfMany says whether that was answered to a bulk.
func (o ownersSaid) saidOfMany(code string, outcomes []string) bool {
	return o.unknown || o.code == code && slices.Equal(o.outcomes, outcomes)
}

// doMany asks for a bulk.
func (th *theatre) doMany(ctx context.Context, rand *rand.Rand, t *troupe, token, at string, act ownersAct) (out ownersSaid) {
	body := M{"action": act.what}
	if act.what == "role" {
		body["action"], body["roles"] = "change_role", []string{act.role}
	}
	var users []string
	for _, n := range act.many {
		users = append(users, t.people[n].User)
	}
	body["users"] = users
	r := th.ask(ctx, rand, token, "POST", at+"/bulk", body)
	out.said = r.said
	results, _ := r.body["results"].([]any)
	for _, one := range results {
		result, _ := one.(map[string]any)
		outcome, _ := result["outcome"].(string)
		if code, refused := result["code"].(string); refused {
			outcome = code
		}
		out.outcomes = append(out.outcomes, outcome)
	}
	return out
}
