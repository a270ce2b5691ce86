package domain

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"roster/events"
)

func hash(n byte) events.Hash { return events.Hash{n} }

// keyOf is a key of the root account.
func keyOf(name string, grants ...events.Grant) events.KeyCreated {
	return events.KeyCreated{Key: apiKey(name), Name: name, Grants: grants, Hash: hash(1)}
}

func scoped(k events.KeyCreated, scopes ...string) events.KeyCreated { k.Scopes = scopes; return k }
func ownedBy(name string, k events.KeyCreated) events.KeyCreated     { k.Owner = user(name); return k }
func keyed(k events.KeyCreated) past                                 { return in(root, k) }

// throughKey is a person who asks by a key.
func throughKey(person, key string) Issued {
	return Issued{At: now, Actor: by(person), Through: apiKey(key)}
}

// fresher is somebody whose session has used a factor a moment ago.
func fresher(name string) ([]past, Issued) {
	who := by(name)
	who.Session = session(name)
	return []past{of(user(name), events.SessionStarted{Session: session(name), Method: MethodPassword, Factor: factor("f"), ExpiresAt: now.Add(day)}).ago(time.Minute)}, as(who)
}

func TestCreateKey(t *testing.T) {
	create := func(scopes []string, grants ...events.Grant) CreateKey {
		return CreateKey{Account: root, Key: apiKey("bot"), Hash: hash(1), KeyName: " bot ", Grants: grants, Scopes: scopes}
	}
	onBehalf := create(nil, is(Viewer))
	onBehalf.OnBehalf = true
	permitted := keyOf("bot", is(Viewer))
	permitted.OnBehalf = true
	past1 := create(nil, is(Viewer))
	past1.ExpiresAt = now
	nameless := create(nil, is(Viewer))
	nameless.KeyName = " "
	admin := keyOf("root-bot", is(Admin))
	rulings(t, []ruling{
		{"7.5 an owner makes one", acme(), as(by("owner")), create(nil, is(Admin)), then(keyOf("bot", is(Admin)))},
		{"7.5 with scopes, in order, each once", acme(), as(by("owner")), create([]string{UsersRead, AuditRead, UsersRead}, is(Admin)), then(scoped(keyOf("bot", is(Admin)), AuditRead, UsersRead))},
		{"7.5 an admin makes one like themselves", acme(), as(by("admin")), create(nil, is(Admin)), then(keyOf("bot", is(Admin)))},
		{"3.3 a manager makes none", acme(), as(by("manager")), create(nil, is(Viewer)), refused(NotPermitted)},
		{"3.3 nor does a viewer", acme(), as(by("viewer")), create(nil, is(Viewer)), refused(NotPermitted)},
		{"10 nor a stranger, who is told nothing", acme(), as(by("stranger")), create(nil, is(Viewer)), refused(NotFound)},
		{"7.5 the operator may", acme(), as(operator), create(nil, is(Admin)), then(keyOf("bot", is(Admin)))},
		{"3.4 nobody gives a key more than they hold", history(acme(), member("keys", extra(Viewer, KeysManage)...)), as(by("keys")), create(nil, is(Manager)), refused(ExceedsOwnAccess)},
		{"3.4 nor below the account what they hold in it", acme(), as(by("admin")), create(nil, events.Grant{Roles: []string{Viewer}, Inherit: true}), refused(ExceedsOwnAccess)},
		{"3.7 a key is no owner, whoever makes it", acme(), as(by("owner")), create(nil, is(Owner)), refused(Invalid)},
		{"3.7 not even the operator makes one", acme(), as(operator), create(nil, is(Owner)), refused(Invalid)},
		{"7.5 a scope that the roles do not give", acme(), as(by("owner")), create([]string{UsersInvite}, is(Viewer)), refused(Invalid)},
		{"7.5 a scope that there is not", acme(), as(by("owner")), create([]string{"users:fly"}, is(Admin)), refused(Invalid)},
		{"7.5 a scope may be a pattern", acme(), as(by("owner")), create([]string{"*:read", "users:*"}, is(Admin)), then(scoped(keyOf("bot", is(Admin)), "*:read", "users:*"))},
		{"7.5 nothing is taken out by a scope", acme(), as(by("owner")), create([]string{"!users:*"}, is(Admin)), refused(Invalid)},
		{"7.5 no role", acme(), as(by("owner")), create(nil), refused(Invalid)},
		{"7.5 no name", acme(), as(by("owner")), nameless, refused(Invalid)},
		{"7.5 an end that is past", acme(), as(by("owner")), past1, refused(Invalid)},
		{"7.1 acting on behalf is the operator's to give", acme(), as(by("owner")), onBehalf, refused(NotPermitted)},
		{"7.1 which it may", acme(), as(operator), onBehalf, then(permitted)},
		{"1.1 not in a closed account", history(acme(), in(root, events.AccountClosed{})), as(by("owner")), create(nil, is(Viewer)), refused(AccountClosed)},
		{"7.5 a key makes one like itself", history(acme(), keyed(admin)), as(byKey("root-bot")), create(nil, is(Admin)), then(keyOf("bot", is(Admin)))},
		{"7.5 but none that its scopes do not cover", history(acme(), keyed(scoped(admin, KeysManage, UsersRead))), as(byKey("root-bot")), create([]string{UsersRead}, is(Viewer)), refused(ExceedsOwnAccess)},
		{"7.5 but one that they do", history(acme(), keyed(scoped(admin, KeysManage, UsersRead))), as(byKey("root-bot")), create(nil, events.Grant{Permissions: []string{UsersRead}}), then(keyOf("bot", events.Grant{Permissions: []string{UsersRead}}))},
		{"7.5 a key without the scope makes none", history(acme(), keyed(scoped(admin, UsersRead))), as(byKey("root-bot")), create(nil, is(Viewer)), refused(NotPermitted)},
	})
}

func TestCreateMyKey(t *testing.T) {
	create := func(name string, scopes ...string) CreateMyKey {
		return CreateMyKey{Account: root, User: user(name), Key: apiKey("own"), Hash: hash(1), KeyName: "own", Scopes: scopes}
	}
	mine := ownedBy("viewer", events.KeyCreated{Key: apiKey("own"), Name: "own", Hash: hash(1)})
	session, who := fresher("viewer")
	people := history(acme(), registered("viewer"), session)
	stale := who
	stale.At = now.Add(time.Hour)
	through := who
	through.Through = apiKey("own")
	var many []past
	for i := range maxOwnKeys {
		k := mine
		k.Key = events.KeyRefID(fresh(100 + i))
		many = append(many, in(root, k))
	}
	rulings(t, []ruling{
		{"7.5 whoever is a member makes one", people, who, create("viewer"), then(mine)},
		{"7.5 cut down to scopes", people, who, create("viewer", UsersRead), then(scoped(mine, UsersRead))},
		{"3.4 no scope beyond one's own", people, who, create("viewer", UsersInvite), refused(Invalid)},
		{"4.5 it asks for a fresh sign-in", people, stale, create("viewer"), refused(ReauthenticationRequired)},
		{"7.5 not by a key", history(people, keyed(mine)), through, create("viewer"), refused(NotPermitted)},
		{"7.5 nor for somebody else", people, who, create("admin"), refused(NotPermitted)},
		{"7.5 nor by the operator", people, as(operator), create("viewer"), refused(NotPermitted)},
		{"10 nor where one is nobody", history(opened(root), registered("viewer"), session), who, create("viewer"), refused(NotFound)},
		{"7.5 an account below has the key of the one above", history(opened(root), openedIn(sub, root), member("viewer", events.Grant{Roles: []string{Viewer}, Inherit: true}), registered("viewer"), session), who,
			CreateMyKey{Account: sub, User: user("viewer"), Key: apiKey("own"), KeyName: "own"}, refused(Inherited)},
		{"7.5 not without end", history(people, many), who, create("viewer"), refused(Invalid)},
	})
}

func TestRotateKey(t *testing.T) {
	rotate := func(overlap time.Duration) RotateKey {
		return RotateKey{Account: root, Key: apiKey("bot"), Hash: hash(2), Overlap: overlap}
	}
	rotated := func(overlap time.Duration) events.KeyRotated {
		return events.KeyRotated{Key: apiKey("bot"), Hash: hash(2), Until: now.Add(overlap)}
	}
	bot := history(acme(), keyed(keyOf("bot", is(Admin))))
	small := history(acme(), keyed(keyOf("bot", is(Viewer))), member("keys", extra(Viewer, KeysManage)...))
	ended := keyOf("bot", is(Admin))
	ended.ExpiresAt = now
	session, who := fresher("viewer")
	own := history(acme(), registered("viewer"), session, keyed(ownedBy("viewer", keyOf("bot"))))
	stale := who
	stale.At = now.Add(time.Hour)
	mine := rotate(time.Hour)
	mine.User = user("viewer")
	rulings(t, []ruling{
		{"7.5 the one before lives on for a while", bot, as(by("owner")), rotate(day), then(rotated(day))},
		{"7.5 or not", bot, as(by("owner")), rotate(0), then(rotated(0))},
		{"7.5 a week at most", bot, as(by("owner")), rotate(7*day + 1), refused(Invalid)},
		{"7.5 not less than nothing", bot, as(by("owner")), rotate(-1), refused(Invalid)},
		{"3.4 whose key it may be", small, as(by("keys")), rotate(day), then(rotated(day))},
		{"3.4 nobody takes over a key that may do more", history(bot, member("keys", extra(Viewer, KeysManage)...)), as(by("keys")), rotate(day), refused(ExceedsOwnAccess)},
		{"3.3 a viewer does not", bot, as(by("viewer")), rotate(day), refused(NotPermitted)},
		{"10 a stranger is told nothing", bot, as(by("stranger")), rotate(day), refused(NotFound)},
		{"10 no such key", acme(), as(by("owner")), rotate(day), refused(NotFound)},
		{"7.5 an expired one stays so", history(acme(), keyed(ended)), as(by("owner")), rotate(day), refused(Invalid)},
		{"7.5 a key rotates itself", bot, as(byKey("bot")), rotate(day), then(rotated(day))},
		{"7.5 a personal one only its owner", own, as(by("owner")), rotate(day), refused(NotPermitted)},
		{"7.5 who does", own, who, mine, then(rotated(time.Hour))},
		{"4.5 freshly signed in", own, stale, mine, refused(ReauthenticationRequired)},
		{"7.1 one is not changed over a newer version", bot, asOf(by("owner"), 1), rotate(day), refused(StaleVersion)},
	})
}

func TestRevokeKey(t *testing.T) {
	revoke := RevokeKey{Account: root, Key: apiKey("bot")}
	done := events.KeyRevoked{Key: apiKey("bot")}
	bot := history(acme(), keyed(keyOf("bot", is(Admin))))
	own := history(acme(), keyed(ownedBy("viewer", keyOf("bot"))))
	owners := history(acme(), keyed(ownedBy("owner", keyOf("bot"))))
	session, who := fresher("viewer")
	mine := revoke
	mine.User = user("viewer")
	rulings(t, []ruling{
		{"7.5 whoever may manage keys", bot, as(by("admin")), revoke, then(done)},
		{"7.5 not who may not", bot, as(by("manager")), revoke, refused(NotPermitted)},
		{"3.4 not one that may do more", history(bot, member("keys", extra(Viewer, KeysManage)...)), as(by("keys")), revoke, refused(ExceedsOwnAccess)},
		{"7.5 somebody's personal one, too", own, as(by("admin")), revoke, then(done)},
		{"3.4 not that of somebody who may do more", owners, as(by("admin")), revoke, refused(ExceedsOwnAccess)},
		{"7.5 one's own", history(own, registered("viewer"), session), who, mine, then(done)},
		{"10 but no other by that way", history(bot, registered("viewer"), session), who, mine, refused(NotFound)},
		{"2.10 its invitations are dead with it", history(bot, invitation1("new", is(Viewer)).from(byKey("bot")), invitation1("else", is(Viewer)).from(by("admin"))), as(by("admin")), revoke,
			then(done, events.InvitationRevoked{Invitation: invited("new"), Because: events.BecauseInviterLostAccess})},
		{"3.6 a membership takes personal keys along", history(own, keyed(keyOf("other", is(Viewer)))), as(by("admin")), Revoke{Account: root, User: user("viewer")},
			then(events.MembershipRevoked{User: user("viewer")}, events.KeyRevoked{Key: apiKey("bot"), Because: "membership_ended"})},
		{"3.4 leaving does", own, as(by("viewer")), Leave{Account: root}, then(events.MembershipLeft{User: user("viewer")}, events.KeyRevoked{Key: apiKey("bot"), Because: "membership_ended"})},
		{"4.10 a lock does", history(own, registered("viewer"), of(user("viewer"), events.UserJoined{Account: root})), as(operator), LockUser{User: user("viewer")},
			then(events.MembershipUserLocked{User: user("viewer")}, events.KeyRevoked{Key: apiKey("bot"), Because: "user_locked"}, events.UserLocked{})},
		{"3.5 a suspension does not: it is lifted", own, as(by("admin")), Suspend{Account: root, User: user("viewer")}, then(events.MembershipSuspended{User: user("viewer")})},
		{"3.11 making one is undone so", bot, as(by("owner")), Undo{Account: root, Deeds: []Deed{{Account: root, Pos: uint64(len(bot)), Event: keyOf("bot", is(Admin))}}}, then(done)},
		{"3.11 not once it has been rotated", history(bot, in(root, events.KeyRotated{Key: apiKey("bot")})), as(by("owner")), Undo{Account: root, Deeds: []Deed{{Account: root, Pos: uint64(len(bot)), Event: keyOf("bot", is(Admin))}}}, refused(ChangedSince)},
		{"3.11 nor is a revocation", bot, as(by("owner")), Undo{Account: root, Deeds: []Deed{{Account: root, Event: done}}}, refused(Invalid)},
	})
}

// What a key may do is decided by the rules for people (SPEC 3.4, 7.5).
func TestKeyActs(t *testing.T) {
	suspend := Suspend{Account: root, User: user("viewer")}
	done := then(events.MembershipSuspended{User: user("viewer")})
	with := func(k events.KeyCreated, more ...past) []past { return history(acme(), keyed(k), more) }
	admin := keyOf("bot", is(Admin))
	ended, owners := admin, ownedBy("owner", keyOf("bot"))
	ended.ExpiresAt = now
	later := ended
	later.ExpiresAt = now + 1
	behalf := scoped(keyOf("bot", is(Viewer)))
	behalf.OnBehalf = true
	below := history(with(keyOf("bot", events.Grant{Roles: []string{Admin}, Inherit: true})), openedIn(sub, root), memberOf(sub, "viewer", is(Viewer)))
	demote := ChangeRole{Account: root, User: user("owner"), Grants: roles(Viewer)}
	rulings(t, []ruling{
		{"7.5 as its roles allow", with(admin), as(byKey("bot")), suspend, done},
		{"7.5 and its scopes", with(scoped(admin, UsersSuspend, "*:read")), as(byKey("bot")), suspend, done},
		{"7.5 no further than its scopes", with(scoped(admin, UsersRead)), as(byKey("bot")), suspend, refused(NotPermitted)},
		{"3.4 on nobody who may do more than it", with(scoped(admin, UsersSuspend, "*:read")), as(byKey("bot")), Suspend{Account: root, User: user("manager")}, refused(ExceedsOwnAccess)},
		{"3.4 on no owner", with(admin), as(byKey("bot")), Suspend{Account: root, User: user("owner")}, refused(ExceedsOwnAccess)},
		{"7.5 until the second it expires", with(later), as(byKey("bot")), suspend, done},
		{"7.5 and no longer", with(ended), as(byKey("bot")), suspend, refused(NotFound)},
		{"3.10 nor beyond the time of what it was granted", with(keyOf("bot", events.Grant{Roles: []string{Admin}, Until: now})), as(byKey("bot")), suspend, refused(NotFound)},
		{"3.10 or before it", with(keyOf("bot", events.Grant{Roles: []string{Admin}, From: now + 1})), as(byKey("bot")), suspend, refused(NotFound)},
		{"7.1 on nobody's behalf below its account, unless it extends there", history(with(behalf), openedIn(sub, root), memberOf(sub, "admin", is(Admin)), memberOf(sub, "viewer", is(Viewer))), throughKey("admin", "bot"), Suspend{Account: sub, User: user("viewer")}, refused(NotFound)},
		{"7.5 nor once revoked", with(admin, in(root, events.KeyRevoked{Key: apiKey("bot")})), as(byKey("bot")), suspend, refused(NotFound)},
		{"10 in no other account", history(with(admin), opened(other), memberOf(other, "viewer", is(Viewer))), as(byKey("bot")), Suspend{Account: other, User: user("viewer")}, refused(NotFound)},
		{"3.2 below its account where it extends there", below, as(byKey("bot")), Suspend{Account: sub, User: user("viewer")}, done},
		{"3.2 and nowhere else", history(with(admin), openedIn(sub, root), memberOf(sub, "viewer", is(Viewer))), as(byKey("bot")), Suspend{Account: sub, User: user("viewer")}, refused(NotFound)},
		{"1.1 nor in an account that has moved away", history(below, in(sub, events.AccountMoved{From: root})), as(byKey("bot")), Suspend{Account: sub, User: user("viewer")}, refused(NotFound)},
		{"3.7 it counts for no last owner", with(admin), as(operator), demote, refused(LastActiveOwner)},
		{"7.5 a personal key as its owner", with(ownedBy("admin", keyOf("bot"))), throughKey("admin", "bot"), suspend, done},
		{"7.5 a personal key of another person's", with(ownedBy("owner", keyOf("bot"))), throughKey("admin", "bot"), suspend, refused(NotFound)},
		{"7.5 no further than its scopes, either", with(scoped(ownedBy("admin", keyOf("bot")), UsersRead)), throughKey("admin", "bot"), suspend, refused(NotPermitted)},
		{"3.5 nor while its owner is suspended", with(ownedBy("admin", keyOf("bot")), suspended("admin")), throughKey("admin", "bot"), suspend, refused(NotPermitted)},
		{"3.6 nor ever after they have left", with(ownedBy("admin", keyOf("bot")), revoked("admin")), throughKey("admin", "bot"), suspend, refused(NotFound)},
		{"3.4 by a key nobody is an owner", with(owners, member("second", is(Owner))), throughKey("owner", "bot"), Suspend{Account: root, User: user("second")}, refused(ExceedsOwnAccess)},
		{"3.4 nor lowers themselves without the permission", with(scoped(ownedBy("viewer", keyOf("bot")), UsersRead)), throughKey("viewer", "bot"), ChangeRole{Account: root, User: user("viewer"), Grants: []events.Grant{{Permissions: []string{UsersRead}}}}, refused(NotPermitted)},
		{"7.5 nor leaves", with(ownedBy("viewer", keyOf("bot"))), throughKey("viewer", "bot"), Leave{Account: root}, refused(NotPermitted)},
		{"7.5 nor signs out", history(with(ownedBy("viewer", keyOf("bot"))), registered("viewer")), throughKey("viewer", "bot"), EndMySessions{User: user("viewer"), Current: true}, refused(NotPermitted)},
		{"7.5 nor accepts", history(with(ownedBy("viewer", keyOf("bot")), invitation1("viewer", is(Viewer))), registered("viewer")), throughKey("viewer", "bot"), AcceptInvitation{Account: root, Invitation: invited("viewer"), Generation: 1}, refused(NotPermitted)},
		{"7.1 a permitted key with a person's rights", with(behalf), throughKey("admin", "bot"), suspend, done},
		{"7.1 and no more than they", with(behalf), throughKey("viewer", "bot"), Suspend{Account: root, User: user("manager")}, refused(NotPermitted)},
		{"7.1 on an owner's behalf it is one", history(with(behalf), member("second", is(Owner))), throughKey("second", "bot"), demote, then(events.MembershipRoleChanged{User: user("owner"), From: roles(Owner), To: roles(Viewer)})},
		{"7.1 in its account alone", history(with(behalf), opened(other), memberOf(other, "admin", is(Admin)), memberOf(other, "viewer", is(Viewer))), throughKey("admin", "bot"), Suspend{Account: other, User: user("viewer")}, refused(NotFound)},
		{"7.1 not by a key that is not permitted", with(admin), throughKey("admin", "bot"), suspend, refused(NotFound)},
	})
}

// An invitation lives as long as the key that has made it may make it (SPEC 2.10).
func TestInvitationOfAKey(t *testing.T) {
	invite := func(k events.KeyCreated, more ...past) []past {
		return history(acme(), keyed(k), invitation1("new", is(Viewer)).from(byKey("bot")), more)
	}
	expires := keyOf("bot", is(Admin))
	expires.ExpiresAt = now + 1
	for _, c := range []struct {
		name  string
		given []past
		at    events.Time
		want  Status
	}{
		{"as long as the key may", invite(expires), now, Pending},
		{"dead once the key has expired", invite(expires), now + 1, Revoked},
		{"dead once it is revoked", invite(expires, in(root, events.KeyRevoked{Key: apiKey("bot")})), now, Revoked},
		{"dead where its scopes do not allow it", invite(scoped(expires, UsersRead)), now, Revoked},
		{"dead where it could not grant it", history(invite(scoped(expires, UsersInvite)), suspended("viewer")), now, Revoked},
		{"a personal key's is its owner's", history(acme(), keyed(ownedBy("admin", keyOf("bot"))), invitation1("new", is(Viewer)).from(by("admin")), in(root, events.KeyRevoked{Key: apiKey("bot")})), now, Pending},
	} {
		t.Run("SPEC 2.10 "+c.name, func(t *testing.T) {
			s := given(c.given...)
			w := NewWorld(Issued{At: c.at, Actor: system}, func(b events.Boundary) (State, bool) { return s.state(b), true })
			i, _ := s.account(root).Invitation(invited("new"))
			if got := w.StatusOf(root, i); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// A key's token is good for as long as the key is, and a personal one as long as its owner has access (SPEC 7.5).
func TestKeyStatus(t *testing.T) {
	mine := ownedBy("viewer", keyOf("bot"))
	brief := keyOf("bot", is(Viewer))
	brief.ExpiresAt = now + 1
	ending := in(root, events.MembershipRoleChanged{User: user("viewer"), From: roles(Viewer), To: []events.Grant{{Roles: []string{Viewer}, Until: now + 1}}})
	for _, c := range []struct {
		name  string
		given []past
		at    events.Time
		want  Status
	}{
		{"before it expires", history(acme(), keyed(brief)), now, Active},
		{"from then on", history(acme(), keyed(brief)), now + 1, Expired},
		{"a member's", history(acme(), keyed(mine)), now + 1, Active},
		{"of one who is suspended", history(acme(), keyed(mine), suspended("viewer")), now, Suspended},
		{"of one who is locked", history(acme(), keyed(mine), in(root, events.MembershipUserLocked{User: user("viewer")})), now, Suspended},
		{"of one whose access has not ended yet", history(acme(), keyed(mine), ending), now, Active},
		{"of one whose access has ended", history(acme(), keyed(mine), ending), now + 1, Suspended},
	} {
		a := given(c.given...).account(root)
		k, ok := a.Key(apiKey("bot"))
		if got := a.KeyStatus(k, c.at); !ok || got != c.want {
			t.Errorf("SPEC 7.5 %s: %s, want %s", c.name, got, c.want)
		}
	}
}

// After a rotation both secrets work until the second at which the overlap ends (SPEC 7.5).
func TestHashesOfAKey(t *testing.T) {
	s := given(history(acme(), keyed(keyOf("bot", is(Viewer))), in(root, events.KeyRotated{Key: apiKey("bot"), Hash: hash(2), Until: now.Add(time.Hour)}))...)
	k, ok := s.account(root).Key(apiKey("bot"))
	if !ok || !slices.Equal(k.Hashes(now.Add(time.Hour)-1), []events.Hash{hash(2), hash(1)}) || !slices.Equal(k.Hashes(now.Add(time.Hour)), []events.Hash{hash(2)}) {
		t.Errorf("%+v, %v", k, ok)
	}
}

// What a portal profile keeps from plain users it keeps from keys as well (SPEC 9, modules).
func TestKeyOfModules(t *testing.T) {
	var d Definition
	for _, p := range Profiles() {
		if p.Name == "modules" {
			d = p
		}
	}
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	ref := events.ProfileRef{Name: d.Name, Version: 1, Protected: d.protectedRoles()}
	portal := history(on(events.Portal(), events.ProfileDefined{Profile: ref, Definition: raw}),
		on(events.Portal(), events.ModulesDeclared{To: []events.Module{{Name: "payment", Actions: []string{"read"}}, {Name: "messaging", Actions: []string{"send"}}}}),
		in(root, events.AccountOpened{Name: "Acme", Profile: ref}), member("owner", is("admin")))
	create := func(p ...string) CreateKey {
		return CreateKey{Account: root, Key: apiKey("bot"), Hash: hash(1), KeyName: "bot", Grants: extra("user", p...)}
	}
	rulings(t, []ruling{
		{"9 a plain one is made", portal, as(by("owner")), create("messaging:send"), then(keyOf("bot", extra("user", "messaging:send")...))},
		{"9 without payment", portal, as(by("owner")), create("payment:read"), refused(ModuleNotAllowed)},
		{"9 without user management", portal, as(by("owner")), create(KeysManage), refused(ModuleNotAllowed)},
		{"9 and never as admin", portal, as(by("owner")), CreateKey{Account: root, Key: apiKey("bot"), KeyName: "bot", Grants: roles("admin")}, refused(Invalid)},
	})
}
