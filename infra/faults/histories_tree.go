package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/anishathalye/porcupine"
)

// The accounts of a history about a tree, by number: two lines of four below a root account, so that one does not go
// below the other as a whole. What is moved to the outside would be a root account.
const (
	limbs   = 8
	trunk   = -1
	outside = -2
	deepest = 8 // accounts one below the other, the root counted (SPEC 1.1)
)

// tree is what the model knows of the accounts: SPEC 1.1, for callers who may do everything in all of them.
type tree struct {
	parents, names [limbs]int
	leaf           [limbs]bool // an account was opened there
}

// treeAct is something asked about an account.
type treeAct struct {
	owner    bool   // the root account's asks, else the operator
	what     string // move, rename, change (both); open; look
	on       int
	to, name int
}

// treeSaid is what was answered; a look is answered with what the account is.
type treeSaid struct {
	said
	parent, name int
}

// twoLines is the tree as a history begins.
func twoLines() (a tree) {
	for n := range limbs {
		a.parents[n], a.names[n] = n-1, n
		if n%4 == 0 {
			a.parents[n] = trunk
		}
	}
	return a
}

func (a tree) depth(n int) int {
	if n == trunk {
		return 1
	}
	return 1 + a.depth(a.parents[n])
}

func (a tree) height(n int) int {
	below := 0
	if a.leaf[n] {
		below = 1
	}
	for child, parent := range a.parents {
		if parent == n {
			below = max(below, a.height(child))
		}
	}
	return 1 + below
}

// below says whether an account is another one or stands below it.
func (a tree) below(n, above int) bool {
	return n == above || n != trunk && a.below(a.parents[n], above)
}

// do is what is answered to a command, and what the tree is then.
func (a tree) do(act treeAct) (code string, after tree) {
	after = a
	if act.what == "open" {
		if a.depth(act.on) >= deepest {
			return "invalid", a
		}
		after.leaf[act.on] = true
		return okay, after
	}
	if act.what != "rename" && a.parents[act.on] != act.to {
		switch {
		case act.to == outside && act.owner:
			return "not_permitted", a
		case act.to == outside: // none of them has an owner of its own
			return "last_active_owner", a
		case a.below(act.to, act.on), a.depth(act.to)+a.height(act.on) > deepest:
			return "invalid", a
		}
		after.parents[act.on] = act.to
	}
	if act.what != "move" {
		after.names[act.on] = act.name
	}
	return okay, after
}

// treeModel is the tree in the form that porcupine checks histories against.
func treeModel(start tree) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return start },
		Step: func(state, input, output any) (bool, any) {
			a, act, out := state.(tree), input.(treeAct), output.(treeSaid)
			if act.what == "look" {
				return out.unknown || out.parent == a.parents[act.on] && out.name == a.names[act.on], a
			}
			code, after := a.do(act)
			return out.agrees(code), after
		},
		DescribeOperation: func(input, output any) string {
			act, out := input.(treeAct), output.(treeSaid)
			text := fmt.Sprintf("%s %d", act.what, act.on)
			switch act.what {
			case "move":
				text += fmt.Sprintf(" below %d", act.to)
			case "rename":
				text += fmt.Sprintf(" to %d", act.name)
			case "change":
				text += fmt.Sprintf(" below %d, to %d", act.to, act.name)
			case "look":
				if !out.unknown {
					return fmt.Sprintf("%s: below %d, named %d", text, out.parent, out.name)
				}
			}
			if act.owner {
				text = "owner: " + text
			}
			return text + ": " + out.String()
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// moves plays a history about the accounts of a tree.
func (th *theatre) moves(ctx context.Context, t *troupe) error {
	p := &treePlay{theatre: th, t: t}
	var err error
	if p.root, err = th.open(ctx, t, t.people[0]); err != nil {
		return err
	}
	start := twoLines()
	for n := range limbs {
		var opened struct{ ID string }
		if err := th.operator.Post(ctx, "/v1/accounts", M{"name": fmt.Sprint("Limb ", n), "parent": p.id(start.parents[n])}, &opened); err != nil {
			return err
		}
		p.ids[n] = opened.ID
	}
	s := newScene("tree", treeModel(start), callers)
	th.all(t, func(client int, rand *rand.Rand) {
		for range sceneActs {
			client = p.act(ctx, s, client, rand, chooseTreeAct(rand))
		}
	})
	for n := range limbs {
		p.act(ctx, s, 0, t.rand, treeAct{what: "look", on: n})
	}
	return th.judge(s)
}

// treePlay is a history about a tree while it is played.
type treePlay struct {
	*theatre
	t    *troupe
	root string
	ids  [limbs]string
}

func (p *treePlay) id(n int) string {
	switch n {
	case trunk:
		return p.root
	case outside:
		return ""
	}
	return p.ids[n]
}

func chooseTreeAct(rand *rand.Rand) treeAct {
	act := treeAct{owner: rand.IntN(3) == 0, on: rand.IntN(limbs), to: rand.IntN(limbs+1) - 1, name: limbs + rand.IntN(3)}
	if rand.IntN(2) == 0 { // the two lines below each other
		act.on, act.to = 0, 4+rand.IntN(4)
		if rand.IntN(2) == 0 {
			act.on, act.to = 4, rand.IntN(4)
		}
	}
	switch kind := rand.IntN(20); {
	case kind < 10:
		act.what = "move"
		if rand.IntN(12) == 0 {
			act.to = outside
		}
	case kind < 12:
		act.what = "rename"
	case kind < 15:
		act.what = "change"
	case kind < 17:
		act.what, act.on = "open", rand.IntN(limbs)
	default:
		act.what = "look"
	}
	return act
}

func (p *treePlay) act(ctx context.Context, s *scene, client int, rand *rand.Rand, act treeAct) (next int) {
	call := s.now()
	out := p.do(ctx, rand, act)
	return s.note(client, call, act, out, out.unknown)
}

func (p *treePlay) do(ctx context.Context, rand *rand.Rand, act treeAct) (out treeSaid) {
	token := p.operator.Token
	if act.owner {
		token = p.t.people[0].Session
	}
	at := "/v1/accounts/" + p.ids[act.on]
	body := M{}
	switch act.what {
	case "open":
		out.said = p.ask(ctx, rand, token, "POST", "/v1/accounts", M{"name": "Leaf", "parent": p.ids[act.on]}).said
		return out
	case "look":
		r := p.ask(ctx, rand, token, "GET", at, nil)
		out.said = r.said
		parent, _ := r.body["parent"].(string)
		name, _ := r.body["name"].(string)
		out.parent, out.name = outside, outside
		for n := trunk; n < limbs; n++ {
			if p.id(n) == parent {
				out.parent = n
			}
		}
		if _, err := fmt.Sscan(strings.TrimPrefix(name, "Limb "), &out.name); err != nil {
			out.name = outside // no name that anybody gave
		}
		return out
	case "move":
		body["parent"] = p.id(act.to)
	case "rename":
		body["name"] = fmt.Sprint("Limb ", act.name)
	case "change":
		body["parent"], body["name"] = p.id(act.to), fmt.Sprint("Limb ", act.name)
	}
	out.said = p.ask(ctx, rand, token, "PATCH", at, body).said
	return out
}
