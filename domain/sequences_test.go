package domain

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"roster/events"
)

// rights is what somebody may do at a moment, found the long way: role by role from the table of SPEC 3.3.
type rights map[string]bool

func rightsOf(grants []events.Grant, at events.Time) rights {
	r := rights{}
	for _, g := range grants {
		if g.From > at || g.Until != 0 && g.Until <= at {
			continue
		}
		for _, p := range g.Permissions {
			r[p] = true
		}
		for _, row := range table(holds)[1:] {
			for i, role := range []string{Owner, Admin, Manager, Viewer} {
				if row[1+i] == "+" && slices.Contains(g.Roles, role) {
					r[row[0]] = true
				}
			}
		}
		if slices.Contains(g.Roles, Owner) {
			r["(owner)"] = true
		}
	}
	return r
}

func (r rights) beyond(s rights) (more []string) {
	for p := range r {
		if !s[p] {
			more = append(more, p)
		}
	}
	return more
}

// recount counts the owners of an account the long way.
func recount(a Account, at events.Time) (n int) {
	for _, m := range a.members.All() {
		if m.Status == Active && !m.Locked && slices.ContainsFunc(m.Grants, func(g events.Grant) bool {
			return slices.Contains(g.Roles, Owner) && g.Until == 0 && g.From <= at
		}) {
			n++
		}
	}
	return n
}

// people of the random histories.
func people() []string { return []string{"a", "b", "c", "d", "e", "f"} }

// drawGrants draws what one membership gives.
func drawGrants(t *rapid.T, at events.Time) []events.Grant {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) events.Grant {
		g := events.Grant{Roles: []string{rapid.SampledFrom([]string{Owner, Admin, Manager, Viewer}).Draw(t, "role")}}
		if rapid.IntRange(0, 3).Draw(t, "extra") == 0 {
			g.Permissions = []string{rapid.SampledFrom(OwnPermissions()).Draw(t, "permission")}
		}
		g.Inherit = rapid.IntRange(0, 4).Draw(t, "inherit") == 0
		if rapid.IntRange(0, 4).Draw(t, "from") == 0 {
			g.From = at.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t, "begin")) * time.Hour)
		}
		if rapid.IntRange(0, 4).Draw(t, "until") == 0 {
			g.Until = max(at, g.From).Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "end")) * time.Hour)
		}
		return g
	}), 1, 2).Draw(t, "grants")
}

// Whatever is asked for in whatever order, nothing panics, a root account that had an active owner always has one,
// the counter of owners is what a recount finds, and nobody gains what the granter does not hold (SPEC 3.4, 3.7).
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := given(opened(root), member("a", is(Owner)))
		for _, name := range people() {
			for _, p := range registered(name) {
				s.append(p.b, p.by, p.at, p.e)
			}
		}
		at, had, asked := now, 1, []events.InvitationID{}
		for n := range rapid.IntRange(1, 60).Draw(t, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute)
			who, whom := rapid.SampledFrom(people()).Draw(t, "who"), rapid.SampledFrom(people()).Draw(t, "whom")
			actor := by(who)
			switch rapid.IntRange(0, 9).Draw(t, "as") {
			case 0:
				actor, who = operator, ""
			case 1:
				actor, who = system, ""
			}
			u := user(whom)
			var i events.InvitationID
			if len(asked) > 0 {
				i = rapid.SampledFrom(asked).Draw(t, "invitation")
			}
			generation := uint32(rapid.IntRange(1, 2).Draw(t, "generation"))
			cmd := rapid.SampledFrom([]Command{
				ChangeRole{root, u, drawGrants(t, at)}, ChangeRole{root, u, drawGrants(t, at)}, Suspend{Account: root, User: u}, Reactivate{root, u},
				Revoke{Account: root, User: u}, Leave{root}, InviteUsers{Account: root, Invitees: []*Addressee{addressee(whom)}, Grants: drawGrants(t, at)},
				InviteUsers{Account: root, Invitees: []*Addressee{addressee(whom)}, Grants: drawGrants(t, at)},
				ResendInvitation{root, i}, RevokeInvitation{Account: root, Invitation: i}, ExpireInvitation{root, i, generation},
				AcceptInvitation{Account: root, Invitation: i, Generation: generation}, AcceptInvitation{Account: root, Invitation: i, Generation: generation},
				DeclineInvitation{root, i, generation},
				ExpireMembership{root, u}, WarnMembership{root, u}, RemindInvitee{root, i, generation}, AskForLink{root, i, generation},
			}).Draw(t, "command")
			before := s.account(root)
			got := s.when(cmd, Issued{At: at, Actor: actor, ID: func(k int) [16]byte { return hashed("step", fmt.Sprint(n, k)) }})
			if got.err != nil {
				if got.code() == "" {
					t.Fatalf("%T: a fault: %v", cmd, got.err)
				}
				continue
			}
			for _, b := range got.world.Written() {
				s.append(b, actor, at, got.world.Facts(b)...)
			}
			granter := rightsOf(heldBy(before, who), at)
			for _, e := range got.facts() {
				if f, ok := e.(events.InvitationCreated); ok {
					asked = append(asked, f.Invitation)
				}
				checkGain(t, s, before, e, granter, who, at)
			}
			after := s.account(root)
			owners := recount(after, at)
			if after.Owners(at) != owners {
				t.Fatalf("%T: the counter says %d owners, a recount %d", cmd, after.Owners(at), owners)
			}
			if had > 0 && owners == 0 {
				t.Fatalf("SPEC 3.7: %T by %s left no active owner", cmd, who)
			}
			had = max(had, owners)
			checkInvitations(t, after, at)
		}
	})
}

func heldBy(a Account, who string) []events.Grant {
	m, ok := a.Member(user(who))
	if !ok || m.Status != Active {
		return nil
	}
	return m.Grants
}

// checkGain compares what a fact gives with what whoever asked held before.
func checkGain(t *rapid.T, s *store, before Account, e events.Event, granter rights, who string, at events.Time) {
	var gives, had []events.Grant
	switch f := e.(type) {
	case events.MembershipRoleChanged:
		m, _ := before.Member(f.User)
		gives, had = f.To, m.Grants
		if f.User == user(who) { // what one gives oneself is measured at every hour to come
			for h := range 6 {
				later := at.Add(time.Duration(h) * time.Hour)
				if more := rightsOf(gives, later).beyond(rightsOf(had, later)); more != nil {
					t.Fatalf("SPEC 3.4: %s raised themselves by %v in %d hours", who, more, h)
				}
			}
			return
		}
	case events.MembershipReactivated:
		m, _ := before.Member(f.User)
		gives = m.Grants
	case events.InvitationCreated:
		gives = f.Grants
	case events.MembershipGranted:
		i, _ := s.account(root).Invitation(f.Invitation)
		if granter = rightsOf(heldBy(before, nameOf(i.By)), at); i.By.Type == events.ByOperator {
			return
		}
		gives = f.Grants
	default:
		return
	}
	if who == "" {
		return
	}
	for _, g := range gives {
		one := g
		one.From, one.Until = 0, 0
		if g.Until != 0 && g.Until <= at {
			continue
		}
		if more := rightsOf([]events.Grant{one}, at).beyond(granter); more != nil {
			t.Fatalf("SPEC 3.4: %T by %s gives %s, which the granter does not hold", e, who, strings.Join(more, " "))
		}
	}
}

func nameOf(a events.Actor) string {
	for _, name := range people() {
		if by(name).ID == a.ID {
			return name
		}
	}
	return ""
}

// checkInvitations: never more than one live invitation per address (SPEC 2.8), and none of a member.
func checkInvitations(t *rapid.T, a Account, at events.Time) {
	live := map[events.AddressID]int{}
	for _, i := range a.invitations.All() {
		if i.Status == Pending && i.ExpiresAt > at {
			live[i.Address]++
		}
		if i.Status == Pending && i.By.Type == events.ByUser {
			if open, _ := a.open.Get(inviterOf(i.By)); open.Len() == 0 {
				t.Fatalf("invitation %s is missing among its inviter's open ones", i.ID)
			}
		}
	}
	for address, n := range live {
		if n > 1 {
			t.Fatalf("SPEC 2.8: %d live invitations of %s", n, address)
		}
	}
}

// Evolve takes any fact in any order in any boundary, however little sense it makes.
func TestEvolveNeverPanics(t *testing.T) {
	all := []events.Event{
		events.LogStarted{}, events.PortalSetUp{}, events.OperatorKeyAdded{}, events.AccountOpened{}, events.InvitationCreated{}, events.InvitationResent{},
		events.InvitationRevoked{}, events.InvitationDeclined{}, events.InvitationAccepted{}, events.InvitationExpired{}, events.InvitationLinkRequested{},
		events.InvitationMailSent{}, events.InvitationMailDeferred{}, events.InvitationMailBounced{}, events.MembershipGranted{Grants: roles(Owner)},
		events.MembershipRoleChanged{To: roles(Owner)}, events.MembershipSuspended{}, events.MembershipReactivated{}, events.MembershipRevoked{}, events.MembershipLeft{},
		events.UserRegistered{}, events.UserJoined{}, events.UserErased{}, events.PasswordSet{}, events.SessionStarted{Attempt: commit(1)}, events.SessionEnded{},
		events.AddressClaimed{}, events.AddressErased{}, events.SigninAttempted{}, events.CommandRefused{},
		events.ModulesDeclared{}, events.ProfileDefined{}, events.TreeOpened{}, events.TreeMoved{}, events.TreeClosed{}, events.AccountRenamed{},
		events.AccountMoved{}, events.AccountClosed{}, events.AccountPolicyChanged{}, events.AccountProfileAdopted{}, events.RoleDefined{},
		events.RoleWithdrawn{}, events.ContactAdded{}, events.ContactChanged{}, events.ContactRemoved{}, events.InvitationReminded{},
		events.MembershipActivated{}, events.MembershipExpired{}, events.MembershipReminded{}, events.MembershipUserLocked{},
		events.MembershipUserUnlocked{}, events.UserLocked{}, events.UserUnlocked{},
		events.UserProfileChanged{}, events.UserPreferencesChanged{}, events.UserEmailChangeRequested{}, events.UserEmailChanged{}, events.PasswordChanged{},
		events.PasswordResetRequested{}, events.PasswordReset{}, events.FactorEnrolled{}, events.FactorVerified{}, events.FactorRemoved{},
		events.FactorReset{}, events.RecoveryCodesIssued{}, events.SigninThrottled{}, events.AddressReleased{}, events.AddressSignupRequested{},
		events.KeyCreated{}, events.KeyRotated{}, events.KeyRevoked{},
		events.SSOConnected{}, events.SSOChanged{}, events.SSODisconnected{}, events.DomainVerified{}, events.DomainReleased{}, events.IdentityLinked{}, events.IdentityUnlinked{}, events.IdentityUsed{}, events.PasswordConfirmed{},
	}
	if len(all) != len(events.Kinds()) {
		t.Errorf("%d facts here, %d in the catalog", len(all), len(events.Kinds()))
	}
	boundaries := []events.Boundary{events.OfAccount(root), events.OfUser(user("a")), events.OfAddress(address("a")), events.OfAttempts(user("a").Any()), events.Tree(), events.Portal(), events.System()}
	rapid.Check(t, func(t *rapid.T) {
		s := given()
		b := rapid.SampledFrom(boundaries).Draw(t, "boundary")
		for range rapid.IntRange(0, 80).Draw(t, "facts") {
			s.append(b, by("a"), now, rapid.SampledFrom(all).Draw(t, "fact"))
		}
		if a, ok := s.state(b).(*Account); ok && a.Owners(now) != recount(*a, now) {
			t.Fatalf("%d owners, a recount finds %d", a.Owners(now), recount(*a, now))
		}
	})
}

// A decision costs the same in an account of ten and of 100,000 members (DESIGN 3).
func BenchmarkChangeRole(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := given(acme()...)
			for i := range n - 4 {
				p := member(fmt.Sprint("member", i), is(Viewer))
				s.append(p.b, p.by, p.at, p.e)
			}
			issued := as(by("owner"))
			issued.ID = fresh
			state := s.state(events.OfAccount(root))
			cmd := ChangeRole{Account: root, User: user("viewer"), Grants: roles(Manager)}
			b.ReportAllocs()
			for b.Loop() {
				w := NewWorld(issued, func(events.Boundary) (State, bool) { return state, true })
				if err := cmd.Decide(w, issued); err != nil || len(w.Written()) != 1 {
					b.Fatal(err)
				}
			}
		})
	}
}
