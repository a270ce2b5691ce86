package domain

import (
	"testing"

	"roster/events"
)

func changed(name string, from, to []events.Grant) events.MembershipRoleChanged {
	return events.MembershipRoleChanged{User: user(name), From: from, To: to}
}

func TestChangeRole(t *testing.T) {
	change := func(name string, g ...events.Grant) Command {
		return ChangeRole{Account: root, User: user(name), Grants: g}
	}
	until := events.Grant{Roles: []string{Owner}, Until: now.Add(day)}
	soon := events.Grant{Roles: []string{Owner}, From: now.Add(day)}
	begun := events.Grant{Roles: []string{Owner}, From: now.Add(-day / 2)}
	wide := events.Grant{Roles: []string{Admin}, Inherit: true}
	helper := events.Grant{Permissions: []string{UsersChangeRole, UsersRead}}
	rulings(t, []ruling{
		{"3.4 downwards", acme(), as(by("owner")), change("admin", is(Viewer)), then(changed("admin", roles(Admin), roles(Viewer)))},
		{"3.4 upwards", acme(), as(by("owner")), change("viewer", is(Owner)), then(changed("viewer", roles(Viewer), roles(Owner)))},
		{"3.2 several roles, each once and in one order", acme(), as(by("owner")), change("viewer", events.Grant{Roles: []string{Viewer, Manager, Viewer}}),
			then(changed("viewer", roles(Viewer), roles(Manager, Viewer)))},
		{"3.3 extra permissions, each once and sorted", acme(), as(by("owner")), change("viewer", extra(Viewer, UsersRead, AuditRead, UsersRead)...),
			then(changed("viewer", roles(Viewer), extra(Viewer, AuditRead, UsersRead)))},
		{"3.4 the same is nothing", acme(), as(by("owner")), change("viewer", is(Viewer)), nothing()},
		{"3.4 a suspended member's too", append(acme(), suspended("viewer")), as(by("owner")), change("viewer", is(Manager)), then(changed("viewer", roles(Viewer), roles(Manager)))},

		{"3.4 only owners make owners", acme(), as(by("admin")), change("viewer", is(Owner)), refused(ExceedsOwnAccess)},
		{"3.4 only owners make owners, by an extra grant either", acme(), as(by("admin")), change("viewer", is(Viewer), is(Owner)), refused(ExceedsOwnAccess)},
		{"3.4 only owners change owners", acme(), as(by("admin")), change("owner", is(Viewer)), refused(ExceedsOwnAccess)},
		{"3.4 equal is allowed", append(acme(), member("peer", is(Admin))), as(by("admin")), change("peer", is(Viewer)), then(changed("peer", roles(Admin), roles(Viewer)))},
		{"3.4 nobody grants a permission that they lack", append(acme(), member("helper", helper)), as(by("helper")), change("viewer", is(Viewer)), refused(ExceedsOwnAccess)},
		{"3.4 nor one of the portal's modules", append(acme(), member("helper", events.Grant{Permissions: []string{"users:read", "users:change_role", "roles:read", "policy:read", "keys:read", "contacts:read", "account:read"}}), member("plain", events.Grant{Permissions: []string{UsersRead}})),
			as(by("helper")), change("plain", is(Viewer)), refused(ExceedsOwnAccess)},
		{"3.4 nor changes whoever may do more", append(acme(), member("helper", helper)), as(by("helper")), change("manager", helper), refused(ExceedsOwnAccess)},
		{"3.4 within their own", append(acme(), member("helper", helper), member("plain", events.Grant{Permissions: []string{UsersRead}})), as(by("helper")),
			change("plain", helper), then(changed("plain", []events.Grant{{Permissions: []string{UsersRead}}}, []events.Grant{{Roles: nil, Permissions: helper.Permissions}}))},
		{"3.4 nobody lets reach into sub-accounts what they hold here alone", acme(), as(by("admin")), change("viewer", wide), refused(ExceedsOwnAccess)},
		{"3.4 whoever reaches there may", append(acme(), member("wide", wide)), as(by("wide")), change("viewer", wide), then(changed("viewer", roles(Viewer), []events.Grant{wide}))},
		{"3.7 an owner of a root account reaches there", acme(), as(by("owner")), change("viewer", wide), then(changed("viewer", roles(Viewer), []events.Grant{wide}))},
		{"3.10 an owner no longer is none", append(acme(), member("was", events.Grant{Roles: []string{Owner}, Until: now}, is(Viewer))), as(by("admin")), change("was", is(Viewer)),
			then(changed("was", []events.Grant{{Roles: []string{Owner}, Until: now}, is(Viewer)}, roles(Viewer)))},
		{"3.10 an owner to be is one already for others", append(acme(), member("soon", soon)), as(by("admin")), change("soon", is(Viewer)), refused(ExceedsOwnAccess)},

		{"3.4 lowering oneself needs no permission", acme(), as(by("manager")), change("manager", is(Viewer)), then(changed("manager", roles(Manager), roles(Viewer)))},
		{"3.4 not even to see users", append(acme(), member("keys", extra(Viewer, AuditRead)...), in(root, changed("keys", nil, []events.Grant{{Permissions: []string{"keys:read", "roles:read"}}}))),
			as(by("keys")), change("keys", events.Grant{Permissions: []string{"keys:read"}}),
			then(changed("keys", []events.Grant{{Permissions: []string{"keys:read", "roles:read"}}}, []events.Grant{{Permissions: []string{"keys:read"}}}))},
		{"3.4 raising oneself", acme(), as(by("admin")), change("admin", is(Owner)), refused(ExceedsOwnAccess)},
		{"3.4 raising oneself by time", append(acme(), member("temp", events.Grant{Roles: []string{Admin}, Until: now.Add(day)})), as(by("temp")), change("temp", is(Admin)), refused(ExceedsOwnAccess)},
		{"3.4 raising oneself by beginning earlier", append(acme(), member("soon", is(Viewer), events.Grant{Roles: []string{Admin}, From: now.Add(day)})), as(by("soon")),
			change("soon", is(Admin)), refused(ExceedsOwnAccess)},
		{"3.4 ending one's own sooner is lowering", append(acme(), member("temp", events.Grant{Roles: []string{Admin}, Until: now.Add(day)})), as(by("temp")),
			change("temp", events.Grant{Roles: []string{Admin}, Until: now.Add(day / 2)}),
			then(changed("temp", []events.Grant{{Roles: []string{Admin}, Until: now.Add(day)}}, []events.Grant{{Roles: []string{Admin}, Until: now.Add(day / 2)}}))},
		{"3.4 raising oneself by reach", acme(), as(by("admin")), change("admin", wide), refused(ExceedsOwnAccess)},
		{"3.4 raising oneself here by what comes from above", history(opened(root), openedIn(sub, root), member("boss", events.Grant{Roles: []string{Manager}, Inherit: true}), memberOf(sub, "boss", is(Viewer))),
			as(by("boss")), ChangeRole{Account: sub, User: user("boss"), Grants: roles(Manager)}, refused(ExceedsOwnAccess)},

		{"3.7 the last owner", history(opened(root), member("owner", is(Owner))), as(by("owner")), change("owner", is(Admin)), refused(LastActiveOwner)},
		{"3.7 whoever asks", history(opened(root), member("owner", is(Owner))), as(operator), change("owner", is(Admin)), refused(LastActiveOwner)},
		{"3.7 an owner with an end does not count", history(opened(root), member("owner", is(Owner)), member("temp", until)), as(by("owner")), change("owner", is(Admin)), refused(LastActiveOwner)},
		{"3.7 so nobody puts an end to the last one", history(opened(root), member("owner", is(Owner))), as(by("owner")), change("owner", until), refused(LastActiveOwner)},
		{"3.7 nor a beginning that is still to come", history(opened(root), member("owner", is(Owner))), as(operator), change("owner", soon), refused(LastActiveOwner)},
		{"3.7 a suspended owner does not count", history(opened(root), member("owner", is(Owner)), member("second", is(Owner)), suspended("second")), as(by("owner")), change("owner", is(Admin)), refused(LastActiveOwner)},
		{"3.7 an owner to be does not count yet", history(opened(root), member("owner", is(Owner)), member("soon", soon)), as(by("owner")), change("owner", is(Admin)), refused(LastActiveOwner)},
		{"3.7 but does from that second on", history(opened(root), member("owner", is(Owner)), member("begun", begun)), as(by("owner")), change("owner", is(Admin)), then(changed("owner", roles(Owner), roles(Admin)))},
		{"3.7 an invited owner does not count", history(opened(root), member("owner", is(Owner)), invitation1("new", is(Owner))), as(by("owner")), change("owner", is(Admin)), refused(LastActiveOwner)},
		{"3.7 an owner who is one twice may lose one", history(opened(root), member("owner", is(Owner), until)), as(by("owner")), change("owner", is(Owner)),
			then(changed("owner", []events.Grant{is(Owner), until}, roles(Owner)))},
		{"3.7 a sub-account needs none", history(opened(root), openedIn(sub, root), member("boss", is(Owner)), memberOf(sub, "owner", is(Owner))), as(by("boss")),
			ChangeRole{Account: sub, User: user("owner"), Grants: roles(Viewer)}, then(changed("owner", roles(Owner), roles(Viewer)))},

		{"3.1 who comes from above is changed there", history(opened(root), openedIn(sub, root), member("boss", is(Owner)), member("aide", wide)), as(by("boss")),
			ChangeRole{Account: sub, User: user("aide"), Grants: roles(Viewer)}, refused(Inherited)},
		{"10 an account that one may not see", acme(), as(by("stranger")), change("viewer", is(Viewer)), refused(NotFound)},
		{"10 an account that is none", nil, as(by("owner")), change("viewer", is(Viewer)), refused(NotFound)},
		{"10 nobody may be found by whoever may not see users", append(acme(), member("keys", events.Grant{Permissions: []string{"keys:read"}})), as(by("keys")), change("unknown", is(Viewer)), refused(NotPermitted)},
		{"10 404 before 403", acme(), as(by("viewer")), change("unknown", is(Viewer)), refused(NotFound)},
		{"10 403 before 422", acme(), as(by("viewer")), change("owner"), refused(NotPermitted)},
		{"10 the ceiling before 422", acme(), as(by("admin")), change("viewer", events.Grant{Roles: []string{Owner, "king"}}), refused(ExceedsOwnAccess)},
		{"10 422 before 412", acme(), asOf(by("owner"), 99), change("viewer", is("king")), refused(Invalid)},
		{"10 412 before 409", history(opened(root), member("owner", is(Owner))), asOf(by("owner"), 99), change("owner", is(Admin)), refused(StaleVersion)},
		{"7.1 the version that was read", acme(), asOf(by("owner"), 5), change("viewer", is(Admin)), then(changed("viewer", roles(Viewer), roles(Admin)))},

		{"10 no grant at all", acme(), as(by("owner")), change("viewer"), refused(Invalid)},
		{"10 an empty grant", acme(), as(by("owner")), change("viewer", events.Grant{}), refused(Invalid)},
		{"3.2 a role that nobody has defined", acme(), as(by("owner")), change("viewer", is("king")), refused(Invalid)},
		{"3.2 a role in another case", acme(), as(by("owner")), change("viewer", is("Owner")), refused(Invalid)},
		{"3.3 a permission of no module", acme(), as(by("owner")), change("viewer", extra(Viewer, "flying")...), refused(Invalid)},
		{"3.3 a module that nobody has declared", acme(), as(by("owner")), change("viewer", extra(Viewer, "pricing:read")...), refused(Invalid)},
		{"3.10 an end before the beginning", acme(), as(by("owner")), change("viewer", events.Grant{Roles: []string{Viewer}, From: now.Add(day), Until: now.Add(day)}), refused(Invalid)},
		{"10 more grants than a commit can hold", acme(), as(by("owner")), change("viewer", make([]events.Grant, maxGrants+1)...), refused(Invalid)},
	})
}

func TestMayIn(t *testing.T) {
	wide := events.Grant{Roles: []string{Viewer}, Inherit: true}
	above := history(opened(root), openedIn(sub, root), openedIn(other, sub))
	may := func(a events.AccountID, p Permission) Command { return MayIn{Account: a, Permission: p} }
	temp := events.Grant{Roles: []string{Admin}, From: now, Until: now + 1}
	rulings(t, []ruling{
		{"3.12 a member with the permission", acme(), as(by("viewer")), may(root, UsersRead), nothing()},
		{"3.12 a member without", acme(), as(by("viewer")), may(root, AuditRead), refused(NotPermitted)},
		{"3.12 a stranger", acme(), as(by("stranger")), may(root, UsersRead), refused(NotFound)},
		{"3.12 nobody in particular", acme(), as(nobody), may(root, UsersRead), refused(NotFound)},
		{"3.12 whoever holds a link", acme(), as(link), may(root, UsersRead), refused(NotFound)},
		{"3.12 the operator", acme(), as(operator), may(root, "account:close"), nothing()},
		{"3.12 the operator, of no account", nil, as(operator), may(root, UsersRead), refused(NotFound)},
		{"3.12 an account without an id", nil, as(operator), may(events.AccountID{}, UsersRead), refused(NotFound)},
		{"3.5 a suspended member", append(acme(), suspended("owner")), as(by("owner")), may(root, UsersRead), refused(NotPermitted)},
		{"3.6 a revoked member", append(acme(), revoked("owner")), as(by("owner")), may(root, UsersRead), refused(NotFound)},
		{"3.2 what a grant reaches", history(above, member("up", wide)), as(by("up")), may(other, UsersRead), nothing()},
		{"3.2 what it does not", history(above, member("up", is(Admin))), as(by("up")), may(sub, UsersRead), refused(NotFound)},
		{"3.7 the protected role of a root account always reaches", history(above, member("up", is(Owner))), as(by("up")), may(other, "account:close"), nothing()},
		{"3.7 that of a sub-account does not", history(above, memberOf(sub, "mid", is(Owner))), as(by("mid")), may(other, UsersRead), refused(NotFound)},
		{"3.2 never upwards", history(above, memberOf(sub, "mid", wide)), as(by("mid")), may(root, UsersRead), refused(NotFound)},
		{"3.9 a suspension above reaches too", history(above, member("up", wide), suspended("up")), as(by("up")), may(other, UsersRead), refused(NotFound)},
		{"3.10 from that second", append(acme(), member("temp", temp)), as(by("temp")), may(root, AuditRead), nothing()},
		{"3.10 not before", append(acme(), member("temp", temp)), Issued{At: now - 1, Actor: by("temp")}, may(root, AuditRead), refused(NotFound)},
		{"3.10 until that second", append(acme(), member("temp", temp)), Issued{At: now + 1, Actor: by("temp")}, may(root, AuditRead), refused(NotFound)},
		{"3.10 beside one that lasts", append(acme(), member("temp", is(Viewer), temp)), Issued{At: now + 1, Actor: by("temp")}, may(root, AuditRead), refused(NotPermitted)},
	})
}

// What an access says of itself.
func TestAccess(t *testing.T) {
	var got Access
	ask := func(who events.Actor) error {
		return given(append(acme(), member("helper", extra(Viewer, UsersInvite, AuditRead)...))...).when(AskMayIn(root, UsersRead, &got), as(who)).err
	}
	if err := ask(by("helper")); err != nil {
		t.Fatal(err)
	}
	seen := map[Permission]bool{}
	for _, p := range got.Permissions() {
		if seen[p] || !got.Holds(p) {
			t.Errorf("%s is listed twice or not held: %v", p, got.Permissions())
		}
		seen[p] = true
	}
	if !seen[UsersInvite] || !seen[AuditRead] || seen[UsersRevoke] || got.Owner() || got.None() || len(got.Roles()) != 1 {
		t.Errorf("%v %v", got.Roles(), got.Permissions())
	}
	if err := ask(operator); err != nil || !got.Owner() || len(got.Permissions()) != len(OwnPermissions()) {
		t.Errorf("operator: %v, %v", got.Permissions(), err)
	}
	if err := ask(by("stranger")); err == nil || !got.None() {
		t.Errorf("stranger: %v, %v", got, err)
	}
}

// A walk up the tree ends, even in a circle that could never have been written.
func TestWalkEnds(t *testing.T) {
	circle := history(openedIn(root, sub), openedIn(sub, root), memberOf(sub, "up", events.Grant{Roles: []string{Viewer}, Inherit: true}))
	if got := given(circle...).when(MayIn{Account: root, Permission: UsersRead}, as(by("up"))); got.err != nil {
		t.Error(got.err)
	}
}
