package domain

import (
	"fmt"
	"testing"

	"roster/events"
)

// managing: what everybody may do with an account, its roles, its policy and its contacts (SPEC 1.3, 1.4, 1.5, 3.2, 3.3).
// There is another owner, and a sub-account in which only the owners of the root have access: a role that the root
// defines would give there what its admins do not hold there.
const managing = `
command    owner admin manager viewer none suspended operator
rename     +     +     P       P      N    P         +
move       +     P     P       P      N    P         +
close      +     P     P       P      N    P         +
opensub    +     +     P       P      N    P         +
openroot   P     P     P       P      P    P         +
define     +     X     P       P      N    P         +
redefine   +     X     P       P      N    P         +
withdraw   +     +     P       P      N    P         +
withdraw?  N     N     P       P      N    P         N
policy     +     +     P       P      N    P         +
contact    +     +     +       P      N    P         +
uncontact  +     +     +       P      N    P         +
modules    P     P     P       P      P    P         +
profile    P     P     P       P      P    P         +
adopt      P     P     P       P      P    P         .
lock       P     P     P       P      P    P         +
bulk       +     +     P       P      N    P         +
bulkowner  +     .     P       P      N    P         +
access     +     +     P       P      N    P         +
accessup   +     X     P       P      N    P         +
add        +     +     P       P      N    P         +
addowner   +     X     P       P      N    P         +
`

func accountCommand(name string) Command {
	contact := events.ContactID(hashed("contact", "c"))
	to, above := "Other", other
	switch name {
	case "rename":
		return ChangeAccount{Account: root, To: &to}
	case "move":
		return ChangeAccount{Account: sub, Parent: &above}
	case "close":
		return CloseAccount{Account: root}
	case "opensub":
		return OpenAccount{AccountName: "New", Parent: root}
	case "openroot":
		return OpenAccount{AccountName: "New"}
	case "define":
		return DefineRole{Account: root, Role: "clerk", Permissions: []Permission{ContactsRead}}
	case "redefine":
		return DefineRole{Account: root, Role: "helper", Permissions: []Permission{ContactsRead}}
	case "withdraw":
		return WithdrawRole{Account: root, Role: "helper"}
	case "withdraw?":
		return WithdrawRole{Account: root, Role: "unknown"}
	case "policy":
		n := int64(7200)
		return ChangePolicy{Account: root, Policy: events.Policy{InvitationValidFor: &n}}
	case "contact":
		return AddContact{Account: root, Key: key("c"), Person: events.ContactPerson{Name: "C", Email: "c@example.com"}, Roles: []string{"legal"}}
	case "uncontact":
		return RemoveContact{Account: root, Contact: contact}
	case "modules":
		return DeclareModules{Modules: []events.Module{{Name: "pricing", Actions: []string{"read"}}}}
	case "profile":
		return DefineProfile{masterUser()}
	case "adopt":
		return AdoptProfile{root}
	case "lock":
		return LockUser{User: user("target")}
	case "bulk":
		return Bulk{Account: root, Action: BulkSuspend, All: []events.UserID{user("target")}, To: 1}
	case "bulkowner":
		return Bulk{Account: root, Action: BulkSuspend, All: []events.UserID{user("second")}, To: 1}
	case "access":
		return ChangeAccess{From: root, User: user("target"), Changes: []AccessChange{{root, roles(Manager)}}}
	case "accessup":
		return ChangeAccess{From: root, User: user("target"), Changes: []AccessChange{{root, roles(Owner)}}}
	case "add":
		return AddUser{Account: root, User: user("known"), Grants: roles(Viewer)}
	}
	return AddUser{Account: root, User: user("known"), Grants: roles(Owner)}
}

func TestMatrixOfAccounts(t *testing.T) {
	rows := table(managing)
	for _, row := range rows[1:] {
		for i, mark := range row[1:] {
			who := rows[0][1+i]
			own, actor := caller(who)
			past := history(opened(root), openedIn(sub, root), openedIn(other, root), on(events.Tree(), events.TreeOpened{Account: sub, Parent: root}),
				on(events.Tree(), events.TreeOpened{Account: other, Parent: root}), member("keeper", is(Owner)), member("second", is(Owner)), member("target", is(Viewer)), own,
				registered("target"), of(user("target"), events.UserJoined{Account: root}), registered("known"), of(user("known"), events.UserJoined{Account: sub}),
				memberOf(sub, "known", is(Viewer)), memberOf(sub, "caller", is(Admin)),
				in(root, events.RoleDefined{Role: "helper", To: events.RoleDefinition{Label: "Helper", Permissions: []string{UsersRead}}}),
				in(root, events.ContactAdded{Contact: events.ContactID(hashed("contact", "c")), Person: events.Sealed[events.ContactPerson]{Box: events.Box{K: key("c"), B: []byte{1}}}, Roles: []string{"legal"}}))
			if row[0] == "move" { // in the sub-account the caller is what they are in the root
				past = append(past, in(sub, events.MembershipRevoked{User: user("caller")}), in(other, events.MembershipRevoked{User: user("caller")}))
				if who == "admin" || who == "manager" || who == "viewer" {
					past = append(past, memberOf(sub, "caller", is(who)))
				}
				if who == "suspended" {
					past = append(past, memberOf(sub, "caller", is(Owner)), in(sub, events.MembershipSuspended{User: user("caller")}))
				}
			}
			cell(t, fmt.Sprintf("SPEC 1, 3: %s does %s", who, row[0]), mark, past, actor, accountCommand(row[0]))
		}
	}
	t.Logf("%d cells", (len(rows)-1)*(len(rows[0])-1))
}
