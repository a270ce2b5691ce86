package projections

import (
	"bytes"
	"fmt"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/events"
)

// naiveList is the user list as plainly as it can be said: everything in memory, every change by a walk over all.
type naiveList struct {
	rows   map[place]*UserItem
	mails  map[place]uint32 // generations
	where  map[place]events.AddressID
	people map[events.AnyID]*naivePerson
}

type naivePerson struct {
	name, email string
	signIn      *time.Time
	erased      bool
}

func (n *naiveList) person(id events.AnyID) *naivePerson {
	if n.people[id] == nil {
		n.people[id] = &naivePerson{}
	}
	return n.people[id]
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (n *naiveList) give(i *UserItem, grants []events.Grant) {
	i.Roles, i.Permissions, i.ValidUntil = grants[0].Roles, []string{}, nil
	if !grants[0].Until.IsZero() {
		until := grants[0].Until.Std()
		i.ValidUntil = &until
	}
}

func (n *naiveList) fact(c Opened, e events.Event) {
	at := func(id events.AnyID) place { return place{c.Boundary.ID, id} }
	mail := func(id events.InvitationID, generation uint32, delivery, reason string) {
		if r := n.rows[at(id.Any())]; r != nil && n.mails[at(id.Any())] == generation {
			r.Delivery, r.DeliveryReason = &delivery, text(reason)
		}
	}
	status := func(user events.UserID, s string) {
		if r := n.rows[at(user.Any())]; r != nil {
			r.Status = s
		}
	}
	eraseAddress := func(id events.AddressID) {
		for p, r := range n.rows {
			if n.where[p] == id && r.User == nil {
				r.Erased, r.Name, r.Email, r.DeliveryReason = true, ErasedName, nil, nil
			}
		}
	}
	switch f := e.(type) {
	case events.InvitationCreated:
		id, expires, delivery, v := f.Invitation, f.ExpiresAt.Std(), "unsent", f.Invitee.Value()
		r := &UserItem{Invitation: &id, Name: v.Full(), Email: text(v.Email), Status: StatusPending, Since: c.At.Std(),
			ExpiresAt: &expires, Delivery: &delivery, Inviter: &Who{Type: string(c.Actor.Type), ID: c.Actor.ID}}
		n.give(r, f.Grants)
		n.rows[at(id.Any())], n.mails[at(id.Any())], n.where[at(id.Any())] = r, f.Generation, f.Address
	case events.InvitationResent:
		if r := n.rows[at(f.Invitation.Any())]; r != nil {
			expires, delivery := f.To.Std(), "unsent"
			r.ExpiresAt, r.Delivery, r.DeliveryReason = &expires, &delivery, nil
			n.mails[at(f.Invitation.Any())] = f.Generation
		}
	case events.InvitationMailSent:
		mail(f.Invitation, f.Generation, "sent", "")
	case events.InvitationMailBounced:
		if r := n.rows[at(f.Invitation.Any())]; r != nil && r.Erased {
			mail(f.Invitation, f.Generation, "bounced", "")
		} else {
			mail(f.Invitation, f.Generation, "bounced", f.Reason.Value().Text)
		}
	case events.InvitationRevoked:
		delete(n.rows, at(f.Invitation.Any()))
	case events.InvitationDeclined:
		delete(n.rows, at(f.Invitation.Any()))
	case events.MembershipGranted:
		user := f.User
		r := &UserItem{User: &user, Status: StatusActive, Since: c.At.Std()}
		if was := n.rows[at(f.Invitation.Any())]; was != nil {
			r.Inviter = was.Inviter
			delete(n.rows, at(f.Invitation.Any()))
		}
		n.give(r, f.Grants)
		n.rows[at(user.Any())] = r
	case events.MembershipRoleChanged:
		if r := n.rows[at(f.User.Any())]; r != nil {
			n.give(r, f.To)
		}
	case events.MembershipSuspended:
		status(f.User, StatusSuspended)
	case events.MembershipReactivated:
		status(f.User, StatusActive)
	case events.MembershipRevoked:
		status(f.User, StatusRevoked)
	case events.UserRegistered:
		p := n.person(c.Boundary.ID)
		if !p.erased {
			p.name, p.email = f.Profile.Value().Full(), f.Email.Value().Email
		}
	case events.SessionStarted:
		minute := c.At.Std().Truncate(time.Minute)
		n.person(c.Boundary.ID).signIn = &minute
	case events.UserErased:
		p := n.person(c.Boundary.ID)
		p.name, p.email, p.erased = "", "", true
		eraseAddress(f.Addresses[0])
	case events.AddressErased:
		eraseAddress(events.AddressID(c.Boundary.ID))
	}
}

// list is what the list of an account must answer, by since.
func (n *naiveList) list(account events.AnyID, now time.Time) []UserItem {
	var items []UserItem
	var keys []events.AnyID
	for p, r := range n.rows {
		if p.account != account {
			continue
		}
		i := *r
		if i.User != nil {
			who := n.person(p.key)
			i.Name, i.Email, i.LastSignIn, i.Erased = who.name, text(who.email), who.signIn, who.erased
			if i.Erased {
				i.Name = ErasedName
			}
		}
		if i.Inviter != nil {
			w := *i.Inviter
			var id events.AnyID
			if err := id.UnmarshalText([]byte(w.ID)); err == nil && n.people[id] != nil {
				if w.Name = n.people[id].name; n.people[id].erased {
					w.Name = ErasedName
				}
			}
			i.Inviter = &w
		}
		if i.Status == StatusPending && !i.ExpiresAt.After(now) {
			i.Status = StatusExpired
		}
		i.Label = strings.ToUpper(i.Status[:1]) + i.Status[1:]
		at, _ := slices.BinarySearchFunc(items, i, func(a, b UserItem) int {
			if order := a.Since.Compare(b.Since); order != 0 {
				return order
			}
			return bytes.Compare(keyOf(a), keyOf(b))
		})
		items, keys = slices.Insert(items, at, i), append(keys, p.key)
	}
	return items
}

func keyOf(i UserItem) []byte {
	if i.User != nil {
		return i.User[:]
	}
	return i.Invitation[:]
}

// randomBatches is what may happen to a few people in a few accounts, and much that may not.
func randomBatches(r *rand.Rand, n int) (batches [][]Opened, end time.Time) {
	pick := func(kind string, of int) string { return fmt.Sprintf("%s%d", kind, r.Intn(of)) }
	now, invitations := listEpoch, 1
	for pos := uint64(1); len(batches) < n; {
		now = now.Add(time.Duration(r.Intn(90)) * time.Second)
		account := events.OfAccount(events.AccountID(named(pick("account", 3))))
		name := pick("user", 6)
		user, actor := events.UserID(named(name)), events.Actor{Type: events.ByUser, ID: named(pick("user", 6)).String()}
		invitation := events.InvitationID(named(pick("invitation", invitations)))
		grants := []events.Grant{{Roles: []string{pick("role", 4)}}}
		if r.Intn(4) == 0 {
			grants[0].Until = events.TimeOf(now.Add(time.Hour))
		}
		expires := events.TimeOf(now.Add(time.Duration(r.Intn(60)) * time.Minute))
		address, generation := events.AddressID(named("address"+pick("", 6))), uint32(r.Intn(3))
		var batch []Opened
		add := func(b events.Boundary, facts ...events.Event) {
			batch = append(batch, commitOf(pos, b, now, actor, facts...))
			pos++
		}
		switch r.Intn(14) {
		case 0, 1, 2:
			name := fmt.Sprintf("invitation%d", invitations)
			invitations++
			add(account, events.InvitationCreated{Invitation: events.InvitationID(named(name)), Address: address, Grants: grants, ExpiresAt: expires,
				Invitee: events.For(events.KeyID{1}, events.Invitee{Email: name + "@x.example", PersonName: events.PersonName{Last: "Ü" + name}})})
		case 3:
			add(account, events.InvitationResent{Invitation: invitation, Generation: generation, To: expires})
		case 4:
			add(account, events.InvitationMailSent{Invitation: invitation, Generation: generation})
		case 5:
			add(account, events.InvitationMailBounced{Invitation: invitation, Generation: generation,
				Reason: events.For(events.KeyID{1}, events.Note{Text: "no such user"})})
		case 6:
			add(account, events.InvitationRevoked{Invitation: invitation}, events.InvitationDeclined{Invitation: invitation})
		case 7, 8:
			add(account, events.InvitationAccepted{Invitation: invitation, User: user},
				events.MembershipGranted{User: user, Grants: grants, Invitation: invitation})
			add(events.OfUser(user), events.UserRegistered{Email: events.For(events.KeyID{1}, events.Email{Email: name + "@y.example"}),
				Profile: events.For(events.KeyID{1}, events.PersonName{First: name})})
		case 9:
			add(account, events.MembershipRoleChanged{User: user, To: grants})
		case 10:
			add(account, events.MembershipSuspended{User: user}, events.MembershipRoleChanged{User: user, To: grants})
		case 11:
			add(account, events.MembershipReactivated{User: user})
			add(events.OfAccount(events.AccountID(named(pick("account", 3)))), events.MembershipRevoked{User: user})
		case 12:
			add(events.OfUser(user), events.SessionStarted{})
		case 13:
			switch r.Intn(6) {
			case 0:
				add(events.OfUser(user), events.UserErased{Addresses: []events.AddressID{address}})
			case 1:
				add(events.OfAddress(address), events.AddressErased{})
			default:
				continue
			}
		}
		batches = append(batches, batch)
	}
	return batches, now
}

// Whatever happens, and wherever the pages are cut, the list is what a walk over all facts says, and the counts
// are those of its rows.
func TestUserListIsTheFold(t *testing.T) {
	conn := connectLists(t)
	for seed := range int64(12) {
		r := rand.New(rand.NewSource(seed))
		one := makeList(t, conn, UserList(), fmt.Sprintf("one_%d", seed))
		cut := makeList(t, conn, UserList(), fmt.Sprintf("cut_%d", seed))
		inv1 := makeList(t, conn, Invitations(), fmt.Sprintf("invone_%d", seed))
		inv2 := makeList(t, conn, Invitations(), fmt.Sprintf("invcut_%d", seed))
		naive := naiveList{map[place]*UserItem{}, map[place]uint32{}, map[place]events.AddressID{}, map[events.AnyID]*naivePerson{}}
		batches, now := randomBatches(r, 150)
		var page []Opened
		for i, b := range batches {
			one.apply(b...)
			inv1.apply(b...)
			for _, c := range b {
				for _, f := range c.Facts {
					naive.fact(c, f)
				}
			}
			if page = append(page, b...); r.Intn(20) == 0 || i == len(batches)-1 {
				cut.apply(page...)
				inv2.apply(page...)
				page = nil
			}
		}
		for a := range 3 {
			account := named(fmt.Sprintf("account%d", a))
			want := naive.list(account, now)
			counts := map[string]int{StatusPending: 0, StatusExpired: 0, StatusActive: 0, StatusSuspended: 0, StatusRevoked: 0}
			for _, i := range want {
				counts[i.Status]++
			}
			for _, d := range []listDB{one, cut} {
				got := d.users(UserListQuery{Account: events.AccountID(account), Now: now, Sort: "since", Limit: 500})
				if !reflect.DeepEqual(got.Items, append([]UserItem{}, want...)) {
					t.Fatalf("seed %d, %s, account %d:\n%s\nwant\n%s", seed, d.schema, a, lines(got.Items), lines(want))
				}
				if !reflect.DeepEqual(got.Counts, counts) {
					t.Fatalf("seed %d, %s, account %d: counts %v, want %v", seed, d.schema, a, got.Counts, counts)
				}
			}
			q := InvitationsQuery{Account: events.AccountID(account), Now: now, Limit: 500}
			if x, y := inv1.invitations(q), inv2.invitations(q); !reflect.DeepEqual(x, y) {
				t.Fatalf("seed %d, account %d: invitations\n%+v\nwant\n%+v", seed, a, y, x)
			}
		}
	}
}

func lines(items []UserItem) string {
	var b strings.Builder
	for _, i := range items {
		fmt.Fprintf(&b, "%s %x %q %s %v %s %s %s %s\n", i.Status, keyOf(i), i.Name, dash(i.Email), i.Roles, dash(i.Delivery), dash(i.DeliveryReason), since(i.LastSignIn), whoText(i.Inviter))
	}
	return b.String()
}
