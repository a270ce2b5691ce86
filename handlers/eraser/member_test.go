package eraser_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/enroll"
	"roster/handlers/eraser"
	"roster/projections"
)

const graceEmail = "grace.canary@guests.example"

// grace is a person with all that one can have.
type grace struct {
	user        events.UserID
	token       string
	accounts    []events.AccountID // where she is a member
	invitations []enroll.Link      // all that her address ever had
	open        []enroll.Link      // those of them that are neither accepted nor declined
	henry       enroll.Link        // whom she has invited
}

// withGrace makes her an admin of the first account, one of two owners of another, invited into a third, invited too
// long ago into a fourth, and of a fifth she wants nothing.
func (r *rig) withGrace() grace {
	r.t.Helper()
	var g grace
	joined := r.invite(r.Owner, r.Account, graceEmail, domain.Admin, 0)
	g.user = r.accept(fromThem(), joined, "Grace", "Canary")
	annex, bo := r.account("Annex", "bo@annex.example")
	second := r.invite(bo, annex, graceEmail, domain.Owner, 0)
	signedIn := fromThem()
	signedIn.Actor = by(g.user)
	r.accept(signedIn, second, "", "")
	fjord, olaf := r.account("Fjord", "olaf@fjord.example")
	live := r.invite(olaf, fjord, graceEmail, domain.Viewer, 0)
	r.Do(handlers.System("mailer"), domain.NoteMail{Account: fjord, Invitation: live.Invitation, Generation: 1, Outcome: "deferred", Reason: "the canary's mailbox is full"})
	late, lars := r.account("Late", "lars@late.example")
	expired := r.invite(lars, late, graceEmail, domain.Viewer, time.Hour)
	r.Later(2 * time.Hour)
	none, nora := r.account("None", "nora@none.example")
	declined := r.invite(nora, none, graceEmail, domain.Viewer, 0)
	if _, err := r.enroll.Decline(r.t.Context(), fromThem(), declined); err != nil {
		r.t.Fatal(err)
	}
	r.Do(r.ByOwner(), domain.Suspend{Account: r.Account, User: g.user, Reason: "a canary on leave"})
	r.Do(r.ByOwner(), domain.Reactivate{Account: r.Account, User: g.user})
	g.henry = r.invite(g.user, r.Account, "henry@guests.example", domain.Viewer, 0)
	g.token = r.signIn(graceEmail)
	if _, err := r.access.SignIn(r.t.Context(), fromThem(), graceEmail, "wrong"); err == nil {
		r.t.Fatal("signed in with a wrong password")
	}
	if _, err := r.App.Do(r.t.Context(), signedIn, domain.ChangeRole{Account: r.Account, User: r.Owner}); err == nil {
		r.t.Fatal("an admin changes an owner's role")
	}
	g.accounts = []events.AccountID{r.Account, annex}
	g.invitations = []enroll.Link{joined, second, live, expired, declined}
	g.open = []enroll.Link{live, expired}
	return g
}

func (g grace) people() []events.AnyID {
	people := []events.AnyID{g.user.Any()}
	for _, l := range g.invitations {
		people = append(people, l.Invitation.Any())
	}
	return people
}

func (g grace) ids() []events.InvitationID {
	var ids []events.InvitationID
	for _, l := range g.invitations {
		ids = append(ids, l.Invitation)
	}
	return ids
}

func sorted[ID ~[16]byte](ids []ID) []ID {
	return slices.SortedFunc(slices.Values(ids), func(a, b ID) int { return bytes.Compare(a[:], b[:]) })
}

// SPEC 5.5: nothing about a person can be read any more, and everything else stays as it is.
func TestEraseAMember(t *testing.T) {
	r := open(t)
	g := r.withGrace()
	u := r.user(g.user)
	henry := enroll.Link{Account: r.Account, Invitation: g.henry.Invitation, Generation: 1}
	r.known()
	before, vault := r.records(), r.vaultEntries()
	theirs := []string{"roster.vault.key." + u.Key.String(), "roster.vault.key." + u.AddressKey.String(), "roster.vault.secret." + u.Password.String()}
	for _, subject := range theirs {
		if vault[subject] == nil || r.inFiles(vault[subject]) == nil {
			t.Fatalf("the vault has no %s, or it is not found in its files", subject)
		}
	}

	r.eraseUser(g.user)
	r.follow()
	r.followed()

	r.erasedFacts(g, u, len(before))
	if _, err := r.access.Authenticate(t.Context(), g.token); err == nil {
		t.Error("her session lives on")
	} else {
		r.wants("a request", err, domain.SignInRequired)
	}
	_, err := r.access.SignIn(t.Context(), handlers.Call{}, graceEmail, goodPassword)
	r.wants("sign in", err, domain.BadCredentials)

	// The vault: what was hers is overwritten, and one address leads to nothing.
	now := r.vaultEntries()
	for subject, entry := range vault {
		switch gone := r.inFiles(entry) == nil; {
		case slices.Contains(theirs, subject):
			if !gone || bytes.Equal(now[subject], entry) || now[subject] == nil {
				t.Errorf("%s: the entry is still in a file, or there is no tombstone", subject)
			}
			delete(vault, subject)
			delete(now, subject)
		case !bytes.Equal(now[subject], entry):
			if !strings.HasPrefix(subject, "roster.vault.address.") || now[subject] != nil || !gone {
				t.Errorf("%s has changed, or is still in a file", subject)
			}
			delete(vault, subject)
		}
	}
	for subject := range now { // of months that the clock has gone into
		if vault[subject] == nil && !strings.HasPrefix(subject, "roster.vault.") {
			t.Errorf("%s is new", subject)
		}
	}
	if _, _, found, err := r.Sealer.FindAddress(t.Context(), graceEmail); found || err != nil {
		t.Error("the address is still found", err)
	}

	// The log: as it was, and whole.
	r.asItWas(before)
	if got := r.feedAbout(g.people()...); !slices.Equal(got, []string{"_." + g.user.String() + ".user.erased"}) {
		t.Errorf("the feed still has %q", got)
	}
	r.forgotten()
	r.readsErased(g)

	// Who invites is gone: the link says so, and names nobody.
	v, err := r.enroll.Look(t.Context(), handlers.Call{}, henry)
	r.wants("look", err, domain.InvitationRevoked)
	if v.InviterName != "" || v.InviterEmail != "" || v.Email != "henry@guests.example" || v.AccountName != "Harbour" {
		t.Errorf("%+v", v)
	}

	// Once more is the same.
	last := len(r.records())
	r.eraseUser(g.user)
	if now := r.records(); len(now) != last {
		t.Errorf("erasing again has written %d commits", len(now)-last)
	}
}

// erasedFacts wants the facts of an erasure, each once.
func (r *rig) erasedFacts(g grace, u domain.User, from int) {
	r.t.Helper()
	want := map[string]int{}
	for _, a := range g.accounts {
		want["membership.revoked "+a.String()]++
	}
	want["invitation.revoked inviter_lost_access "+g.henry.Invitation.String()]++
	for _, l := range g.open {
		want["invitation.revoked erased "+l.Invitation.String()]++
	}
	got := map[string]int{}
	var erased events.UserErased
	for _, rec := range r.records()[from:] {
		c, err := events.Decode(rec)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, f := range c.Facts {
			//roster:partial the facts of an erasure
			switch f := f.(type) {
			case events.MembershipRevoked:
				got["membership.revoked "+c.Boundary.ID.String()]++
			case events.InvitationRevoked:
				got["invitation.revoked "+f.Because+" "+f.Invitation.String()]++
			case events.UserErased:
				erased = f
			default:
				r.t.Errorf("an erasure writes %s", events.KindOf(f))
			}
		}
	}
	if !maps.Equal(got, want) {
		r.t.Errorf("written: %v, want %v", got, want)
	}
	if !slices.Equal(erased.Keys, []events.KeyID{u.Key, u.AddressKey}) || !slices.Equal(erased.Addresses, []events.AddressID{u.Address}) ||
		!slices.Equal(sorted(erased.Invitations), sorted(g.ids())) {
		r.t.Errorf("%+v", erased)
	}
}

// asItWas wants that every commit has its old bytes and hash, can be read, and stands so in the archive.
func (r *rig) asItWas(before []events.Record) {
	r.t.Helper()
	now := r.records()
	for i, old := range before {
		if sha256.Sum256(old.Payload) != sha256.Sum256(now[i].Payload) || old.Hash() != now[i].Hash() {
			r.t.Errorf("position %d has changed", old.Pos)
		}
	}
	r.current()
	archived, err := projections.ArchivedRange(r.t.Context(), r.models, 0, len(now)+1)
	if err != nil || len(archived) != len(now) {
		r.t.Fatalf("%d commits of %d are archived: %v", len(archived), len(now), err)
	}
	hashes := map[events.Boundary]events.Hash{}
	for i, rec := range now {
		c, err := events.Decode(rec)
		if err != nil {
			r.t.Fatal(err)
		}
		if c.Prev.Hash != hashes[c.Boundary] {
			r.t.Errorf("position %d does not follow its boundary's last", rec.Pos)
		}
		hashes[c.Boundary] = rec.Hash()
		if a := archived[i]; !bytes.Equal(a.Payload, rec.Payload) || a.Hash != rec.Hash() || a.Pos != rec.Pos {
			r.t.Errorf("position %d is archived otherwise", rec.Pos)
		}
	}
}

// readsErased wants that lists and trail name her "erased".
func (r *rig) readsErased(g grace) {
	r.t.Helper()
	query := func(model string, ask func(ctx context.Context, schema string, q projections.Querier) error) {
		r.t.Helper()
		if err := r.models.Query(r.t.Context(), model, ask); err != nil {
			r.t.Fatal(err)
		}
	}
	for _, account := range g.accounts {
		query("user_list", func(ctx context.Context, schema string, q projections.Querier) error {
			item, _, err := projections.UserItemRead(ctx, q, schema, account, g.user.Any(), r.App.Now().Std())
			if err == nil && (item == nil || item.Name != projections.ErasedName || item.Email != nil || item.Status != projections.StatusRevoked) {
				r.t.Errorf("the list has %+v", item)
			}
			return err
		})
	}
	for _, l := range g.invitations {
		query("invitations", func(ctx context.Context, schema string, q projections.Querier) error {
			i, _, err := projections.InvitationRead(ctx, q, schema, l.Account, l.Invitation, r.App.Now().Std())
			if err == nil && (i == nil || i.Name != projections.ErasedName || i.Email != nil || i.DeliveryReason != nil ||
				slices.Contains(g.open, l) != (i.Status == projections.StatusRevoked)) {
				r.t.Errorf("invitation: %+v", i)
			}
			return err
		})
	}
	query("invitations", func(ctx context.Context, schema string, q projections.Querier) error {
		i, _, err := projections.InvitationRead(ctx, q, schema, r.Account, g.henry.Invitation, r.App.Now().Std())
		if err == nil && (i == nil || i.InvitedBy == nil || i.InvitedBy.Name != projections.ErasedName) {
			r.t.Errorf("whom she invited: %+v", i)
		}
		return err
	})
	page, err := projections.ReadAudit(r.t.Context(), r.models, projections.AuditQuery{Operator: true, Limit: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	n := 0
	for _, e := range page.Entries {
		acts := e.Actor.ID == g.user.String() || e.Actor.Type == string(events.ByLink) && slices.Contains(g.ids(), linkOf(e.Actor.ID))
		about := e.Target != nil && slices.ContainsFunc(g.people(), func(id events.AnyID) bool { return id.String() == e.Target.ID })
		if acts && (e.Actor.Name != projections.ErasedName || e.IP != "" || e.Device != "") || about && (e.Target.Name != projections.ErasedName || e.Reason != "") {
			r.t.Errorf("the trail has %+v, %+v", e, e.Target)
		}
		if acts || about {
			n++
		}
	}
	if n < 20 {
		r.t.Errorf("only %d entries of the trail are about her", n)
	}
}

func linkOf(actor string) (id events.InvitationID) {
	text, _, _ := strings.Cut(actor, ".")
	_ = id.UnmarshalText([]byte(text)) // that of the setup link is none
	return id
}

// SPEC 3.7 holds for erasures too, in every account, before anything is written.
func TestTheLastOwnerIsNotErased(t *testing.T) {
	r := open(t)
	_, bo := r.account("Annex", "bo@annex.example")
	other := r.user(bo).Accounts()[0]
	third, olaf := r.account("Fjord", "olaf@fjord.example")
	fourth := r.invite(olaf, third, "bo@annex.example", domain.Owner, 0)
	r.accept(handlers.Call{Actor: by(bo)}, fourth, "", "")
	r.Do(by(bo), domain.Revoke{Account: third, User: olaf})
	last := len(r.records())

	for what, erase := range map[string]func() (handlers.Result, error){
		"by id": func() (handlers.Result, error) { return r.eraser().EraseUser(t.Context(), r.byOperator(), bo) },
		"by address": func() (handlers.Result, error) {
			return r.eraser().EraseEmail(t.Context(), r.byOperator(), "Bo@Annex.example")
		},
	} {
		_, err := erase()
		refusal := r.wants(what, err, domain.LastActiveOwner)
		if !slices.Equal(refusal.Accounts, sorted([]events.AccountID{other, third})) {
			t.Errorf("%s: %v, want %v and %v", what, refusal.Accounts, other, third)
		}
	}
	if now := r.records(); len(now) != last || r.user(bo).Erased {
		t.Errorf("%d commits were written", len(now)-last)
	}
	r.signIn("bo@annex.example")

	// With another owner in both it goes through.
	for _, account := range []events.AccountID{other, third} {
		l := r.invite(bo, account, "nora@none.example", domain.Owner, 0)
		var call handlers.Call
		if account == third {
			nora, _, err := r.access.Holder(t.Context(), "nora@none.example")
			if err != nil {
				t.Fatal(err)
			}
			call.Actor = by(nora.ID)
		}
		r.accept(call, l, "Nora", "Dahl")
	}
	r.eraseUser(bo)
	if !r.user(bo).Erased {
		t.Error("not erased")
	}
}

// Only the operator erases, and only who is there.
func TestWhoMayErase(t *testing.T) {
	r := open(t)
	l := r.invite(r.Owner, r.Account, graceEmail, domain.Viewer, 0)
	grace := r.accept(fromThem(), l, "Grace", "Canary")
	last := len(r.records())
	_, err := r.eraser().EraseUser(t.Context(), r.byOperator(), newID[events.UserID]())
	r.wants("nobody", err, domain.NotFound)
	without := eraser.New(r.App, r.Sealer, nil)
	for what, email := range map[string]string{"unknown": "who@guests.example", "no address": "who", "": ""} {
		_, err := without.EraseEmail(t.Context(), r.byOperator(), email)
		r.wants(what, err, domain.NotFound)
	}
	_, err = r.eraser().EraseUser(t.Context(), handlers.Call{Actor: by(grace)}, r.Owner)
	r.wants("a member", err, domain.NotPermitted)
	for _, rec := range r.records()[last:] {
		if rec.Boundary.Kind != events.AttemptsBoundary {
			t.Errorf("written to %s", rec.Boundary)
		}
	}
}
