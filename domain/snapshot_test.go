package domain

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"roster/events"
)

// kept is a snapshot as its rows are kept: by part and key.
type kept struct {
	head    []byte
	entries map[[17]byte][]byte
}

func placeOf(c Change) (p [17]byte) {
	p[0] = c.Part
	copy(p[1:], c.Key[:])
	return p
}

// save moves what is kept on from one state to another, and checks that a change says what was there.
func (k *kept) save(t interface{ Fatalf(string, ...any) }, from, to Folded) {
	if k.entries == nil {
		k.entries = map[[17]byte][]byte{}
	}
	k.head = to.Head()
	to.Changes(from, func(c Change) {
		p := placeOf(c)
		if was, ok := k.entries[p]; ok != (c.Was != nil) || !bytes.Equal(was, c.Was) {
			t.Fatalf("%x was %x, the change says %x", p, was, c.Was)
		}
		if k.entries[p] = c.Is; c.Is == nil {
			delete(k.entries, p)
		}
	})
	if len(k.entries) != to.Entries() {
		t.Fatalf("%d entries are kept, the state has %d", len(k.entries), to.Entries())
	}
}

func (k *kept) restore(t interface{ Fatalf(string, ...any) }, b events.Boundary) Folded {
	r := Restore(b)
	for p, v := range k.entries {
		r.Entry(p[0], [16]byte(p[1:]), v)
	}
	f, err := r.Done(k.head)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return f
}

// dump is a state as bytes, the same for equal states.
func (k *kept) dump() []byte {
	all := append([]byte{SnapshotFormat}, k.head...)
	for _, p := range slices.SortedFunc(maps.Keys(k.entries), func(a, b [17]byte) int { return bytes.Compare(a[:], b[:]) }) {
		all = fmt.Appendf(all, "%x %x\n", p, k.entries[p])
	}
	return all
}

func dumpOf(t interface{ Fatalf(string, ...any) }, f Folded) []byte {
	var k kept
	k.save(t, Folded{}, f)
	return k.dump()
}

// everyField compares states field by field, whether or not a snapshot knows of them.
func everyField(a, b Folded) string {
	return cmp.Diff(a, b, cmp.Exporter(func(reflect.Type) bool { return true }), cmpopts.EquateEmpty())
}

// catalogue is a fact of each kind, about few enough people that facts meet.
func catalogue(t *rapid.T) []events.Event {
	who := rapid.SampledFrom(people())
	u, o := user(who.Draw(t, "user")), who.Draw(t, "other")
	i, a := invited(o), address(o)
	box := events.Box{K: key(o), B: []byte(o)}
	g := drawGrants(t, now)
	n := rapid.Uint32Range(1, 2).Draw(t, "generation")
	later := now.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "hours")) * time.Hour)
	return []events.Event{
		events.LogStarted{Incarnation: hashed("log", o), Keyring: o}, events.PortalSetUp{}, events.OperatorKeyAdded{Key: hashed("operator", o), Name: o, Hash: events.Hash{1}},
		events.AccountOpened{Name: o, Parent: other, Profile: standardProfile},
		events.InvitationCreated{Invitation: i, Address: a, Invitee: events.Sealed[events.Invitee]{Box: box}, Grants: g, Generation: n, ExpiresAt: later},
		events.InvitationResent{Invitation: i, Generation: n, To: later}, events.InvitationRevoked{Invitation: i}, events.InvitationDeclined{Invitation: i},
		events.InvitationAccepted{Invitation: i}, events.InvitationExpired{Invitation: i}, events.InvitationLinkRequested{Invitation: i},
		events.InvitationMailSent{Invitation: i, Generation: n}, events.InvitationMailDeferred{Invitation: i, Generation: n}, events.InvitationMailBounced{Invitation: i, Generation: n},
		events.MembershipGranted{User: u, Key: key(o), Address: a, Grants: g}, events.MembershipRoleChanged{User: u, To: g},
		events.MembershipSuspended{User: u}, events.MembershipReactivated{User: u}, events.MembershipRevoked{User: u}, events.MembershipLeft{User: u},
		events.UserRegistered{Address: a, Email: events.Sealed[events.Email]{Box: box}, Profile: events.Sealed[events.PersonName]{Box: box}},
		events.UserJoined{Account: events.AccountID(hashed("account", o))}, events.UserErased{Keys: []events.KeyID{key(o)}}, events.PasswordSet{Secret: secret(o)},
		events.SessionStarted{Session: session(o), TokenHash: events.Hash{2}, ExpiresAt: later, Attempt: commit(uint64(n)), Method: rapid.SampledFrom([]string{MethodPassword, MethodRecovery, events.MethodHandOver, events.MethodOperator}).Draw(t, "method"), Factor: factor(o), Step: int64(n), From: session(who.Draw(t, "from")), Portal: o, Account: root}, events.SessionEnded{Session: session(o)},
		events.AddressClaimed{User: u}, events.AddressErased{}, events.SigninAttempted{}, events.CommandRefused{},
		events.ModulesDeclared{To: []events.Module{{Name: "pricing", Label: o, Actions: []string{"read"}}}}, events.ProfileDefined{Profile: events.ProfileRef{Name: o, Version: int(n)}, Definition: json.RawMessage(`{"name":"x","protected":"boss","roles":[{"name":"boss","permissions":["*"]}]}`)},
		events.TreeOpened{Account: sub, Parent: root}, events.TreeMoved{Account: sub, From: root, To: other}, events.TreeClosed{Account: sub},
		events.AccountRenamed{To: o}, events.AccountMoved{To: other}, events.AccountClosed{},
		events.AccountPolicyChanged{To: events.Policy{Domains: []string{o}, Password: &events.PasswordRule{Length: int(n)}}},
		events.AccountProfileAdopted{To: events.ProfileRef{Name: o, Version: 2, Protected: Admin}},
		events.RoleDefined{Role: o, To: events.RoleDefinition{Label: o, Permissions: []string{UsersRead}}}, events.RoleWithdrawn{Role: o},
		events.ContactAdded{Contact: events.ContactID(hashed("contact", o)), Person: events.Sealed[events.ContactPerson]{Box: box}, Roles: []string{o}},
		events.ContactChanged{Contact: events.ContactID(hashed("contact", o)), Person: events.Sealed[events.ContactPerson]{Box: box}},
		events.ContactRemoved{Contact: events.ContactID(hashed("contact", o))}, events.InvitationReminded{Invitation: i, Generation: n},
		events.MembershipActivated{User: u}, events.MembershipExpired{User: u, Left: g}, events.MembershipReminded{User: u, Until: later},
		events.MembershipUserLocked{User: u}, events.MembershipUserUnlocked{User: u}, events.UserLocked{}, events.UserUnlocked{},
		events.UserProfileChanged{Profile: events.Sealed[events.PersonProfile]{Box: box}}, events.UserPreferencesChanged{To: events.Preferences{Sounds: true, NoMail: []string{o}}},
		events.UserEmailChangeRequested{Address: a, Email: events.Sealed[events.Email]{Box: box}, Generation: n, ExpiresAt: later},
		events.UserEmailChanged{From: a, To: a, Email: events.Sealed[events.Email]{Box: box}}, events.PasswordChanged{Secret: secret(o)},
		events.PasswordResetRequested{Generation: n, ExpiresAt: later}, events.PasswordReset{Secret: secret(o), Generation: n},
		events.FactorEnrolled{Factor: factor(o), Method: events.FactorTOTP, Secret: secret(o), Label: events.Sealed[events.Note]{Box: box}, ExpiresAt: later},
		events.FactorVerified{Factor: factor(o), Step: int64(n)}, events.FactorRemoved{Factor: factor(o)},
		events.FactorReset{}, events.RecoveryCodesIssued{Secret: secret(o), Codes: int(n)}, events.SigninThrottled{Until: later}, events.AddressReleased{User: u},
		events.AddressSignupRequested{Email: events.Sealed[events.Email]{Box: box}, Generation: n, ExpiresAt: later},
		events.KeyCreated{Key: apiKey(o), Name: o, Owner: u, Grants: g, Scopes: []string{UsersRead}, ExpiresAt: later, OnBehalf: n == 1, Hash: events.Hash{3}},
		events.KeyRotated{Key: apiKey(o), Hash: events.Hash{4}, Until: later}, events.KeyRevoked{Key: apiKey(o)},
		events.SSOConnected{To: events.SSO{Issuer: o, JoinRoles: []string{o}}}, events.SSOChanged{To: events.SSO{Issuer: o, Required: true, Secret: secret(o)}}, events.SSODisconnected{},
		events.DomainVerified{Account: root, Domain: o}, events.DomainReleased{Account: root, Domain: o}, events.IdentityLinked{Identity: a, Account: root, User: u}, events.IdentityUnlinked{Identity: a, Account: root, User: u}, events.IdentityUsed{Account: root, Once: commit(uint64(n))}, events.PasswordConfirmed{},
	}
}

func everyBoundary() []events.Boundary {
	return []events.Boundary{events.OfAccount(root), events.OfUser(user("a")), events.OfAddress(address("a")), events.OfAttempts(user("a").Any()),
		events.Tree(), events.Portal(), events.System()}
}

// F20: whatever has happened in whatever boundary, and wherever the snapshot was made of it, the snapshot moved on by
// the facts behind it is the full fold; and so is one that was itself moved on from an earlier one.
func TestSnapshotAndTailAreTheFullFold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SampledFrom(everyBoundary()).Draw(t, "boundary")
		full, tail := Folded{State: Empty(b)}, Folded{State: Empty(b)}
		var k kept
		var saved Folded
		for n := range rapid.IntRange(0, 80).Draw(t, "commits") {
			h := Happened{Commit: commit(uint64(n)), Cause: commit(uint64(n / 2)), Pos: uint64(n + 1), At: now.Add(time.Duration(n) * time.Hour), By: by("a")}
			h.Event = rapid.SampledFrom(catalogue(t)).Draw(t, "fact")
			keyed := rapid.Bool().Draw(t, "keyed")
			for _, f := range []*Folded{&full, &tail} {
				f.State = Evolve(f.State, h)
				if keyed {
					f.Keys = f.Keys.With(h.Commit, Keyed{h.Pos, h.At}, h.At.Add(-20*time.Hour))
				}
			}
			if rapid.IntRange(0, 9).Draw(t, "cut") == 0 {
				k.save(t, saved, tail)
				saved = tail
				tail = k.restore(t, b)
				if rapid.Bool().Draw(t, "loaded") { // as a process does that finds the snapshot: what it moves on is what it read
					saved = tail
				}
			}
		}
		if !bytes.Equal(dumpOf(t, full), dumpOf(t, tail)) {
			t.Fatalf("the bytes differ: %s", everyField(full, tail))
		}
		if diff := everyField(full, tail); diff != "" {
			t.Fatalf("(-full fold +snapshot and tail)\n%s", diff)
		}
	})
}

// A field that is added to a state and not to its snapshot is lost on the way.
func TestSnapshotHoldsEveryField(t *testing.T) {
	for _, b := range everyBoundary() {
		state := reflect.New(reflect.TypeOf(Empty(b))).Elem()
		n := 0
		fill(t, state, &n)
		f := Folded{State: state.Interface().(State)}
		f.Keys = f.Keys.With(commit(1), Keyed{Pos: 7, At: 8}, 0)
		if a, ok := f.State.(*Account); ok {
			a.open = pmap[events.AnyID, pmap[events.InvitationID, struct{}]]{} // found among the invitations again, of which none is pending here
			f.State = a
		}
		if tree, ok := f.State.(Tree); ok { // the children are found among the parents again
			tree.children = (&Tree{parents: tree.parents}).value().(Tree).children
			f.State = tree
		}
		var k kept
		k.save(t, Folded{}, f)
		if diff := everyField(f, k.restore(t, b)); diff != "" {
			t.Errorf("%s (-state +restored)\n%s", b, diff)
		}
	}
}

// fill gives every field, exported or not, a value of its own that is not zero.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	if !v.CanSet() {
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem()
	}
	if with := v.MethodByName("With"); with.IsValid() && with.Type().NumIn() == 2 {
		k, e := reflect.New(with.Type().In(0)).Elem(), reflect.New(with.Type().In(1)).Elem()
		fill(t, k, n)
		fill(t, e, n)
		v.Set(with.Call([]reflect.Value{k, e})[0])
		return
	}
	if v.Type() == reflect.TypeFor[*Profile]() { // what a definition makes of it
		v.Set(reflect.ValueOf(readProfile(events.ProfileRef{Name: "master-user", Version: *n, Protected: "master"}, definitionOf(t, masterUser()))))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n) << 33)
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	default:
		t.Fatalf("a field of type %s: snapshots cannot hold it, or this test has to learn it", v.Type())
	}
}

func definitionOf(t interface{ Fatal(...any) }, d Definition) []byte {
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// What folding makes of a fixed history is pinned for the version of the format: when this fails, what a fact does or
// how it is written has changed, and snapshots made before are wrong. Count SnapshotFormat up, and pin the new one.
func TestSnapshotFormatIsPinned(t *testing.T) {
	const format, pinned = 8, "49e615dac9c7aaf1"
	h := sha256.New()
	var drawn [60][]events.Event
	for n := range drawn {
		drawn[n] = rapid.Custom(catalogue).Example(n) // the same for the same n and version of rapid
	}
	for _, b := range everyBoundary() {
		f := Folded{State: Empty(b)}
		for n, list := range drawn {
			for i, e := range list {
				hp := Happened{Event: e, Commit: commit(uint64(n)), Cause: commit(uint64(n / 2)), Index: i, Pos: uint64(n + 1), At: now.Add(time.Duration(n) * time.Hour), By: by(people()[n%6])}
				if (n*31+i*17)%7 < 3 {
					f.State = Evolve(f.State, hp)
				}
			}
			f.Keys = f.Keys.With(commit(uint64(n)), Keyed{uint64(n), now}, now)
			h.Write(dumpOf(t, f))
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)[:8]); format != SnapshotFormat || got != pinned {
		t.Errorf("format %d folds to %s; pinned is %s for format %d", SnapshotFormat, got, pinned, format)
	}
}

// Reading ends with a state or an error, whatever the bytes are.
func FuzzRestore(f *testing.F) {
	full := given(acme()...)
	f.Add(byte(0), byte(1), Folded{State: full.state(events.OfAccount(root))}.Head(), []byte{1, 2, 3})
	f.Fuzz(func(_ *testing.T, boundary, number byte, head, value []byte) {
		all := everyBoundary()
		r := Restore(all[int(boundary)%len(all)])
		r.Entry(number, [16]byte{1}, value)
		if got, err := r.Done(head); err == nil {
			got.Head()
			got.Changes(Folded{}, func(Change) {})
		}
	})
}

// The cost of what has changed, in an account of 100,000 members, and of taking it all out and in.
func BenchmarkSnapshot(b *testing.B) {
	s := given(acme()...)
	for i := range 100_000 {
		p := member(fmt.Sprint("member", i), is(Viewer))
		s.append(p.b, p.by, p.at, p.e)
	}
	before := Folded{State: s.state(events.OfAccount(root))}
	for i := range 64 {
		s.append(events.OfAccount(root), operator, now, events.MembershipRoleChanged{User: user(fmt.Sprint("member", i*99)), To: roles(Manager)})
	}
	after := Folded{State: s.state(events.OfAccount(root))}
	var k kept
	k.save(b, Folded{}, after)
	b.Run("changes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			if after.Changes(before, func(Change) { n++ }); n != 64 {
				b.Fatal(n)
			}
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			after.Changes(Folded{}, func(Change) {})
		}
	})
	b.Run("restore", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k.restore(b, events.OfAccount(root))
		}
	})
}
