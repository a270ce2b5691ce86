package faults

import (
	"strings"
	"testing"

	"roster/events"
	"roster/handlers/feed"
)

// told is a log of three commands in one account: the first opens it, the second invites, the third was sent without a
// key. The steps are what their callers were answered.
func told(t *testing.T) (*History, []*Step) {
	t.Helper()
	id := func(n byte) (raw [16]byte) { raw[15] = n; return raw }
	const caller = "user:ann"
	account := events.OfAccount(events.AccountID(id(1)))
	commit := func(pos uint64, key, name string, facts ...events.Event) events.Commit {
		return events.Commit{Pos: pos, Log: events.LogID(id(9)), ID: events.CommitIDOf(account, caller, key, 1), Boundary: account,
			Cmd: events.Cmd{Name: name, MAC: "a request under a key", Part: 1, Parts: 1}, Actor: events.Actor{Type: events.ByUser, ID: "ann"}, Facts: facts}
	}
	h := &History{Commits: []events.Commit{
		commit(1, "k1", "InviteUsers", events.InvitationCreated{Invitation: events.InvitationID(id(2)), Generation: 1, Grants: []events.Grant{{Roles: []string{"viewer"}}}}),
		commit(2, "k2", "RevokeInvitation", events.InvitationRevoked{Invitation: events.InvitationID(id(2))}),
		commit(3, "k3", "Suspend", events.MembershipSuspended{User: events.UserID(id(3))}),
	}}
	for i, c := range h.Commits {
		h.Records = append(h.Records, events.Record{Pos: c.Pos, Boundary: c.Boundary, Payload: []byte{byte(i)}})
		if i > 0 {
			h.Commits[i].Prev = events.Prev{Pos: c.Pos - 1, Hash: h.Records[i-1].Hash()}
		}
		h.Feed = append(h.Feed, Published{feed.EventID(c.ID, 0), c.Pos, 0})
	}
	var steps []*Step
	for i, c := range h.Commits {
		steps = append(steps, &Step{Name: c.Cmd.Name, Caller: caller, Home: account, Key: []string{"k1", "k2", "k3"}[i],
			Tries: []Try{{Outcome: Unknown}, {Outcome: OK, Position: c.Pos, Body: M{"id": "x"}}, {Outcome: OK, Position: c.Pos, Body: M{"id": "x"}}}})
	}
	return h, steps
}

// TestOracleBites: what is wrong in a log, or in what was answered, is found and called by its name.
func TestOracleBites(t *testing.T) {
	t.Parallel()
	for _, one := range []struct {
		name string
		harm func(h *History, steps []*Step)
		want string // how what is found begins; "" for nothing
	}{
		{"all is well", func(*History, []*Step) {}, ""},
		{"nobody knows, and it was done", func(_ *History, s []*Step) { s[1].Tries = s[1].Tries[:1] }, ""},
		{"nobody knows, and it was not done", func(h *History, s []*Step) {
			s[2].Tries = s[2].Tries[:1]
			h.Commits, h.Records, h.Feed = h.Commits[:2], h.Records[:2], h.Feed[:2]
		}, ""},
		{"acknowledged and gone", func(h *History, _ []*Step) { h.Commits, h.Records, h.Feed = h.Commits[:2], h.Records[:2], h.Feed[:2] }, "lost: Suspend"},
		{"all gone", func(h *History, _ []*Step) { *h = History{} }, "lost: the log ends at 0"},
		{"refused and there", func(_ *History, s []*Step) { s[2].Tries = []Try{{Outcome: Refused, Code: "forbidden"}} }, "phantom: Suspend"},
		{"asked for by nobody", func(_ *History, s []*Step) { s[2].Key = "another"; s[2].Tries = s[2].Tries[:1] }, "phantom: position 3"},
		{"there twice", func(h *History, _ []*Step) { h.Commits[2].ID = h.Commits[1].ID }, "doubled: commit"},
		{"as another command", func(h *History, _ []*Step) { h.Commits[2].Cmd.Name = "Revoke" }, "phantom: Suspend"},
		{"at another position", func(_ *History, s []*Step) { s[2].Tries[1].Position = 2 }, "different: Suspend"},
		{"refused when it was sent again", func(_ *History, s []*Step) { s[2].Tries[1] = Try{Outcome: Refused, Code: "not_found"} }, "different: Suspend"},
		{"answered otherwise when it was sent again", func(_ *History, s []*Step) { s[0].Tries[2].Body = M{"id": "y"} }, "different: InviteUsers"},
		{"a chain that breaks", func(h *History, _ []*Step) { h.Commits[2].Prev.Hash[0]++ }, "different: position 3"},
		{"a batch in part", func(h *History, _ []*Step) { h.Commits[2].Batch = &events.Batch{ID: h.Commits[2].ID, N: 1, Of: 2} }, "lost: of batch"},
		{"a feed that ends early", func(h *History, _ []*Step) { h.Feed = h.Feed[:2] }, "lost: the feed ends"},
		{"a feed that skips", func(h *History, _ []*Step) { h.Feed = append(h.Feed[:1], h.Feed[2:]...) }, "different: message 2 of the feed"},
		{"a feed that repeats", func(h *History, _ []*Step) { h.Feed = append(h.Feed, h.Feed[2]) }, "phantom: the feed"},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			h, steps := told(t)
			one.harm(h, steps)
			v := &Verdict{}
			h.CheckChain(v)
			h.CheckFeed(v, 3)
			h.CheckSteps(v, steps, 0)
			err := v.Err()
			if one.want == "" && err != nil || one.want != "" && (err == nil || !strings.Contains(err.Error(), one.want)) {
				t.Errorf("found %v, want %q", err, one.want)
			}
		})
	}
}

// TestListsAreFolded: a list, an audit trail, or "it was so already", that the log does not bear out is found.
func TestListsAreFolded(t *testing.T) {
	t.Parallel()
	invitation := events.InvitationID{15: 2}.String()
	whole := func() seen {
		return seen{users: list{3, map[string]string{}}, invitations: list{1, map[string]string{invitation: "pending viewer unsent"}},
			audit: map[string]string{"1.0": "invitation.created", "2.0": "invitation.revoked", "3.0": "membership.suspended"}}
	}
	so := func(status string, at uint64) []*Step {
		return []*Step{{Name: "RevokeInvitation", Tries: []Try{{Outcome: OK, Position: at}}, isSo: func(f *Fold) bool { return f.Invitations[invitation].Status == status }}}
	}
	for _, one := range []struct {
		name string
		harm func(*seen) []*Step
		want string
	}{
		{"all is well", func(*seen) []*Step { return so("revoked", 2) }, ""},
		{"a list that is behind", func(s *seen) []*Step { s.invitations.position = 2; return nil }, "different: invitations"},
		{"somebody who is no member", func(s *seen) []*Step { s.users.items["x"] = "active viewer"; return nil }, "different: user list"},
		{"an entry that is missing", func(s *seen) []*Step { delete(s.audit, "1.0"); return nil }, "different: audit trail: 1.0"},
		{"an entry of nothing", func(s *seen) []*Step { s.audit["7.0"] = "membership.granted"; return nil }, "different: audit trail: 7.0"},
		{"not so then", func(*seen) []*Step { return so("revoked", 1) }, "lost: RevokeInvitation"},
	} {
		t.Run(one.name, func(t *testing.T) {
			t.Parallel()
			h, _ := told(t)
			s, v := whole(), &Verdict{}
			h.checkLists(v, one.harm(&s), s, events.AccountID(h.Commits[0].Boundary.ID))
			err := v.Err()
			if one.want == "" && err != nil || one.want != "" && (err == nil || !strings.Contains(err.Error(), one.want)) {
				t.Errorf("found %v, want %q", err, one.want)
			}
		})
	}
}
