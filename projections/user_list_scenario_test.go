package projections

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"roster/events"
)

var updateLists = flag.Bool("update-lists", false, "write what the user list and the invitations answer into their scenarios")

// A scenario is a text of lines:
//
//	A operator:op invitation.created id=i1 email=bea@x.example   a commit in a boundary (A to Z: an account, a1: an
//	                                                             address, else a user): boundary, actor, fact, its fields
//	+ fact …                                                     one more fact of the same commit
//	& boundary actor fact …                                      one more commit of the same batch
//	wait 8d                                                      time passes, beside the minute before each commit
//	users A, invitations A, due, clock                           a question; lines with "|" are its answer
//	# a comment
//
// Whatever has been erased by the end, the whole scenario is applied again as a rebuild would read it, commit by
// commit and all at once: the tables answer the same.
type scenario struct {
	erased map[string]bool // whose keys have been destroyed
	now    time.Time
	pos    uint64
}

func (s *scenario) fields(words []string) map[string]string {
	m := map[string]string{}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		m[k] = strings.ReplaceAll(v, "_", " ")
	}
	return m
}

func sealedFor[T any](s *scenario, owner string, v T) events.Sealed[T] {
	if s.erased[owner] {
		return events.Sealed[T]{Box: events.Box{B: []byte{1}}, Erased: true}
	}
	return events.For(events.KeyID{1}, v)
}

func (s *scenario) in(f map[string]string, field string) events.Time {
	if f[field] == "" {
		return 0
	}
	return events.TimeOf(s.now.Add(period(f[field])))
}

func period(text string) time.Duration {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		if err != nil {
			panic(err)
		}
		return 24 * d
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return d
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

func (s *scenario) grants(f map[string]string) []events.Grant {
	return []events.Grant{{Roles: list(f["roles"]), Permissions: list(f["permissions"]), Until: s.in(f, "until")}}
}

func (s *scenario) fact(t *testing.T, name string, f map[string]string) events.Event {
	t.Helper()
	invitation, user := events.InvitationID(named(f["id"])), events.UserID(named(f["user"]))
	var generation uint32
	if _, err := fmt.Sscan(f["gen"]+" ", &generation); err != nil {
		generation = 1
	}
	note := sealedFor(s, f["address"], events.Note{Text: f["reason"]})
	switch name {
	case "invitation.created":
		return events.InvitationCreated{Invitation: invitation, Address: events.AddressID(named(f["address"])), Grants: s.grants(f),
			Invitee:    sealedFor(s, f["address"], events.Invitee{Email: f["email"], PersonName: events.PersonName{First: f["name"]}}),
			Generation: generation, ExpiresAt: s.in(f, "expires")}
	case "invitation.resent":
		return events.InvitationResent{Invitation: invitation, Generation: generation, To: s.in(f, "expires")}
	case "invitation.mail_sent":
		return events.InvitationMailSent{Invitation: invitation, Generation: generation}
	case "invitation.mail_deferred":
		return events.InvitationMailDeferred{Invitation: invitation, Generation: generation, Reason: note}
	case "invitation.mail_bounced":
		return events.InvitationMailBounced{Invitation: invitation, Generation: generation, Reason: note}
	case "invitation.revoked":
		return events.InvitationRevoked{Invitation: invitation}
	case "invitation.declined":
		return events.InvitationDeclined{Invitation: invitation}
	case "invitation.accepted":
		return events.InvitationAccepted{Invitation: invitation, User: user}
	case "invitation.expired":
		return events.InvitationExpired{Invitation: invitation, Generation: generation}
	case "invitation.reminded":
		return events.InvitationReminded{Invitation: invitation, Generation: generation}
	case "invitation.link_requested":
		return events.InvitationLinkRequested{Invitation: invitation, Generation: generation}
	case "membership.granted":
		g := events.MembershipGranted{User: user, Grants: s.grants(f), Pending: f["pending"] != ""}
		if f["id"] != "" {
			g.Invitation = invitation
		}
		return g
	case "membership.role_changed":
		return events.MembershipRoleChanged{User: user, To: s.grants(f)}
	case "membership.suspended":
		return events.MembershipSuspended{User: user, Reason: note}
	case "membership.reactivated":
		return events.MembershipReactivated{User: user}
	case "membership.revoked":
		return events.MembershipRevoked{User: user}
	case "membership.left":
		return events.MembershipLeft{User: user}
	case "membership.expired":
		if f["roles"] != "" {
			return events.MembershipExpired{User: user, Left: s.grants(f)}
		}
		return events.MembershipExpired{User: user}
	case "membership.reminded":
		return events.MembershipReminded{User: user, Until: s.in(f, "until")}
	case "membership.activated":
		return events.MembershipActivated{User: user}
	case "membership.user_locked":
		return events.MembershipUserLocked{User: user}
	case "membership.user_unlocked":
		return events.MembershipUserUnlocked{User: user}
	case "user.registered":
		return events.UserRegistered{Email: sealedFor(s, f["user"], events.Email{Email: f["email"]}),
			Profile: sealedFor(s, f["user"], events.PersonName{First: f["name"], Last: f["last"]})}
	case "user.profile_changed":
		return events.UserProfileChanged{Profile: sealedFor(s, f["user"], events.PersonProfile{PersonName: events.PersonName{First: f["name"], Last: f["last"]}})}
	case "user.email_changed":
		return events.UserEmailChanged{Email: sealedFor(s, f["user"], events.Email{Email: f["email"]})}
	case "user.joined":
		return events.UserJoined{}
	case "user.erased":
		s.erased[f["user"]], s.erased[f["address"]] = true, true
		return events.UserErased{Addresses: []events.AddressID{events.AddressID(named(f["address"]))}}
	case "address.erased":
		s.erased[f["address"]] = true
		return events.AddressErased{}
	case "address.claimed":
		return events.AddressClaimed{User: user}
	case "session.started":
		return events.SessionStarted{Method: "password"}
	case "session.ended":
		return events.SessionEnded{}
	case "password.set":
		return events.PasswordSet{}
	case "account.opened":
		return events.AccountOpened{Name: f["name"]}
	case "portal.operator_key_added":
		return events.OperatorKeyAdded{Key: named(f["key"]), Name: f["name"]}
	}
	t.Fatalf("scenario: no fact %q", name)
	return nil
}

func (s *scenario) boundary(name string) events.Boundary {
	switch {
	case name == "portal":
		return events.Portal()
	case strings.HasPrefix(name, "address:"):
		return events.OfAddress(events.AddressID(named(strings.TrimPrefix(name, "address:"))))
	case name == strings.ToUpper(name):
		return events.OfAccount(events.AccountID(named(name)))
	}
	return events.OfUser(events.UserID(named(name)))
}

func actorOf(text string) events.Actor {
	kind, id, _ := strings.Cut(text, ":")
	a := events.Actor{Type: events.ActorType(kind), ID: id}
	if kind == "user" || kind == "operator" {
		a.ID = named(id).String()
	}
	return a
}

// run goes through the lines. do is handed each batch; ask answers a question.
func (s *scenario) run(t *testing.T, lines []string, do func([]Opened), ask func(words []string) []string) (out []string) {
	var batch []Opened
	flush := func() {
		if len(batch) > 0 {
			do(batch)
		}
		batch = nil
	}
	for _, line := range lines {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			out = append(out, line)
			continue
		}
		switch words[0] {
		case "|":
			continue
		case "+":
			c := &batch[len(batch)-1]
			c.Facts = append(c.Facts, s.fact(t, words[1], s.fields(words[2:])))
		case "users", "invitations", "due", "clock":
			flush()
			out = append(append(out, line), ask(words)...)
			continue
		case "wait":
			flush()
			s.now = s.now.Add(period(words[1]))
		default:
			if words[0] == "&" {
				words = words[1:]
			} else {
				flush()
				s.now = s.now.Add(time.Minute)
			}
			s.pos++
			batch = append(batch, commitOf(s.pos, s.boundary(words[0]), s.now, actorOf(words[1]), s.fact(t, words[2], s.fields(words[3:]))))
		}
		out = append(out, line)
	}
	flush()
	return out
}

func since(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Sub(listEpoch).String()
}

func dash(s *string) string {
	if s == nil {
		return "-"
	}
	return *s
}

func whoText(w *Who) string {
	if w == nil {
		return "-"
	}
	return fmt.Sprintf("%s(%s)", w.Type, w.Name)
}

func TestUserListScenarios(t *testing.T)    { scenarios(t, "user_list") }
func TestInvitationsScenarios(t *testing.T) { scenarios(t, "invitations") }

func scenarios(t *testing.T, dir string) {
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runScenario(t, file) })
	}
}

func runScenario(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	conn := connectLists(t)
	make2 := func(suffix string) (listDB, listDB) {
		return makeList(t, conn, UserList(), "list_"+suffix), makeList(t, conn, Invitations(), "inv_"+suffix)
	}
	users, invitations := make2("live")
	s := &scenario{erased: map[string]bool{}, now: listEpoch}
	do := func(batch []Opened) { users.apply(batch...); invitations.apply(batch...) }
	got := s.run(t, lines, do, func(words []string) []string { return answer(users, invitations, words, s.now) })

	again := func(suffix string) (*scenario, []Opened) {
		s2 := &scenario{erased: s.erased, now: listEpoch}
		var all []Opened
		u, i := make2(suffix)
		s2.run(t, lines, func(b []Opened) {
			all = append(all, b...)
			if suffix == "rebuilt" {
				u.apply(b...)
				i.apply(b...)
			}
		}, func([]string) []string { return nil })
		if suffix != "rebuilt" {
			u.apply(all...)
			i.apply(all...)
		}
		for account := 'A'; account <= 'C'; account++ {
			id := events.AccountID(named(string(account)))
			q, qi := UserListQuery{Account: id, Now: s.now, Limit: 500}, InvitationsQuery{Account: id, Now: s.now, Limit: 500}
			if a, b := users.users(q), u.users(q); !reflect.DeepEqual(a, b) {
				t.Errorf("%s, account %c:\n%+v\nlive:\n%+v", suffix, account, b, a)
			}
			if a, b := invitations.invitations(qi), i.invitations(qi); !reflect.DeepEqual(a, b) {
				t.Errorf("%s, invitations of %c:\n%+v\nlive:\n%+v", suffix, account, b, a)
			}
		}
		return s2, all
	}
	again("rebuilt")
	again("onepage")

	want := strings.Join(lines, "\n")
	if have := strings.Join(got, "\n"); have != want {
		if *updateLists {
			if err := os.WriteFile(file, []byte(have+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("%s answers otherwise:\n%s", file, have)
	}
}

func answer(users, invitations listDB, words []string, now time.Time) (out []string) {
	switch words[0] {
	case "users":
		page := users.users(UserListQuery{Account: events.AccountID(named(words[1])), Now: now, Limit: 100, Sort: "since"})
		for _, i := range page.Items {
			entry := "member"
			if i.User == nil {
				entry = "invitation"
			}
			out = append(out, fmt.Sprintf("| %-9s %-10s %q %s roles=%v permissions=%v since=%s signin=%s expires=%s until=%s delivery=%s reason=%s by=%s",
				i.Status, entry, i.Name, dash(i.Email), i.Roles, i.Permissions, since(&i.Since), since(i.LastSignIn), since(i.ExpiresAt), since(i.ValidUntil),
				dash(i.Delivery), dash(i.DeliveryReason), whoText(i.Inviter)))
		}
		out = append(out, fmt.Sprintf("| %v position=%d", page.Counts, page.Position))
	case "invitations":
		page := invitations.invitations(InvitationsQuery{Account: events.AccountID(named(words[1])), Now: now, Limit: 100})
		for _, i := range page.Items {
			out = append(out, fmt.Sprintf("| %-9s %q %s roles=%v gen=%d created=%s sent=%s expires=%s delivery=%s reason=%s by=%s",
				i.Status, i.Name, dash(i.Email), i.Roles, i.Generation, since(&i.CreatedAt), since(i.SentAt), since(&i.ExpiresAt),
				i.Delivery, dash(i.DeliveryReason), whoText(i.InvitedBy)))
		}
		out = append(out, fmt.Sprintf("| position=%d", page.Position))
	case "due":
		due, err := InvitationsDue(invitations.Context(), invitations.Conn, invitations.schema, now, 10)
		if err != nil {
			invitations.Fatal(err)
		}
		for _, d := range due {
			out = append(out, fmt.Sprintf("| due gen=%d expired=%s", d.Generation, since(&d.At)))
		}
	case "clock":
		out = clock(users, invitations, now)
	}
	return out
}

// clock asks for all else that the clock says, two at a time.
func clock(users, invitations listDB, now time.Time) (out []string) {
	ended, err := MembershipsEnded(users.Context(), users.Conn, users.schema, now, 10)
	if err != nil {
		users.Fatal(err)
	}
	for _, d := range ended {
		out = append(out, "| ended since="+since(&d.At))
	}
	all := func(what string, next func(after Due) ([]Due, error)) {
		for after := (Due{}); ; {
			page, err := next(after)
			if err != nil {
				users.Fatal(err)
			}
			for _, d := range page {
				out, after = append(out, fmt.Sprintf("| %s gen=%d since=%s", what, d.Generation, since(&d.At))), d
			}
			if len(page) < 2 {
				return
			}
		}
	}
	all("warn", func(after Due) ([]Due, error) {
		return MembershipsToWarn(users.Context(), users.Conn, users.schema, now, after, 2)
	})
	all("remind", func(after Due) ([]Due, error) {
		return InvitationsToRemind(invitations.Context(), invitations.Conn, invitations.schema, now, after, 2)
	})
	return out
}
