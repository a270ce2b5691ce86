package domain

import (
	"fmt"
	"strings"
	"testing"

	"roster/events"
)

// The tables below are written from SPEC 3.3 to 3.7 and 10, cell by cell:
//
//   - done   . already so, nothing happens   P not_permitted   X exceeds_own_access   N not_found   L last_active_owner
var cells = map[string]Code{"+": "", ".": "", "P": NotPermitted, "X": ExceedsOwnAccess, "N": NotFound, "L": LastActiveOwner}

// onOthers: what each caller may do to somebody else, by that one's role and status. There is another owner.
const onOthers = `
caller    command    active: owner admin manager viewer   suspended: owner admin manager viewer   revoked unknown
owner     =owner             .     +     +       +                   .     +     +       +        N       N
owner     =admin             +     .     +       +                   +     .     +       +        N       N
owner     =manager           +     +     .       +                   +     +     .       +        N       N
owner     =viewer            +     +     +       .                   +     +     +       .        N       N
owner     suspend            +     +     +       +                   .     .     .       .        N       N
owner     reactivate         .     .     .       .                   +     +     +       +        N       N
owner     revoke             +     +     +       +                   +     +     +       +        N       N
admin     =owner             X     X     X       X                   X     X     X       X        N       N
admin     =admin             X     .     +       +                   X     .     +       +        N       N
admin     =manager           X     +     .       +                   X     +     .       +        N       N
admin     =viewer            X     +     +       .                   X     +     +       .        N       N
admin     suspend            X     +     +       +                   X     .     .       .        N       N
admin     reactivate         X     .     .       .                   X     +     +       +        N       N
admin     revoke             X     +     +       +                   X     +     +       +        N       N
manager   =owner             P     P     P       P                   P     P     P       P        N       N
manager   =admin             P     P     P       P                   P     P     P       P        N       N
manager   =manager           P     P     P       P                   P     P     P       P        N       N
manager   =viewer            P     P     P       P                   P     P     P       P        N       N
manager   suspend            P     P     P       P                   P     P     P       P        N       N
manager   reactivate         P     P     P       P                   P     P     P       P        N       N
manager   revoke             P     P     P       P                   P     P     P       P        N       N
viewer    =owner             P     P     P       P                   P     P     P       P        N       N
viewer    =admin             P     P     P       P                   P     P     P       P        N       N
viewer    =manager           P     P     P       P                   P     P     P       P        N       N
viewer    =viewer            P     P     P       P                   P     P     P       P        N       N
viewer    suspend            P     P     P       P                   P     P     P       P        N       N
viewer    reactivate         P     P     P       P                   P     P     P       P        N       N
viewer    revoke             P     P     P       P                   P     P     P       P        N       N
none      =owner             N     N     N       N                   N     N     N       N        N       N
none      =viewer            N     N     N       N                   N     N     N       N        N       N
none      suspend            N     N     N       N                   N     N     N       N        N       N
none      reactivate         N     N     N       N                   N     N     N       N        N       N
none      revoke             N     N     N       N                   N     N     N       N        N       N
suspended =owner             P     P     P       P                   P     P     P       P        P       P
suspended =viewer            P     P     P       P                   P     P     P       P        P       P
suspended suspend            P     P     P       P                   P     P     P       P        P       P
suspended reactivate         P     P     P       P                   P     P     P       P        P       P
suspended revoke             P     P     P       P                   P     P     P       P        P       P
operator  =owner             .     +     +       +                   .     +     +       +        N       N
operator  =admin             +     .     +       +                   +     .     +       +        N       N
operator  =manager           +     +     .       +                   +     +     .       +        N       N
operator  =viewer            +     +     +       .                   +     +     +       .        N       N
operator  suspend            +     +     +       +                   .     .     .       .        N       N
operator  reactivate         .     .     .       .                   +     +     +       +        N       N
operator  revoke             +     +     +       +                   +     +     +       +        N       N
`

// onSelf: what everybody may do to themselves. There is another owner.
const onSelf = `
command     owner admin manager viewer none suspended
=owner      .     X     X       X      N    P
=admin      +     .     X       X      N    P
=manager    +     +     .       X      N    P
=viewer     +     +     +       .      N    P
suspend     P     P     P       P      N    P
reactivate  .     .     P       P      N    P
revoke      P     P     P       P      N    P
leave       +     +     +       +      N    P
`

// onLast: what everybody may do to the last active owner; the owner's column is the owner themselves.
const onLast = `
command     owner admin manager viewer none suspended operator
=owner      .     X     P       P      N    P         .
=admin      L     X     P       P      N    P         L
=manager    L     X     P       P      N    P         L
=viewer     L     X     P       P      N    P         L
suspend     P     X     P       P      N    P         L
reactivate  .     X     P       P      N    P         .
revoke      P     X     P       P      N    P         L
leave       L
`

// inviting: whom everybody may invite, and what they may do with an open invitation.
const inviting = `
command         owner admin manager viewer none suspended operator
invite=owner    +     X     P       P      N    P         +
invite=admin    +     +     P       P      N    P         +
invite=manager  +     +     P       P      N    P         +
invite=viewer   +     +     P       P      N    P         +
resend          +     +     P       P      N    P         +
withdraw        +     +     P       P      N    P         +
resend?         N     N     N       N      N    P         N
withdraw?       N     N     N       N      N    P         N
`

// ofKeys: who may make and end API keys; admin-key and viewer-key are such keys (SPEC 3.3, 3.4, 7.5).
const ofKeys = `
command        owner admin manager viewer none suspended operator admin-key viewer-key
key=admin      +     +     P       P      N    P         +        +         P
key=manager    +     +     P       P      N    P         +        +         P
key=viewer     +     +     P       P      N    P         +        +         P
rotate-key     +     +     P       P      N    P         +        +         P
revoke-key     +     +     P       P      N    P         +        +         P
rotate-key?    N     N     P       P      N    P         N        N         P
revoke-key?    N     N     P       P      N    P         N        N         P
`

// caller is somebody of a role; suspended ones are owners, so that nothing but the suspension stands in their way.
func caller(role string) (history []past, who events.Actor) {
	switch role {
	case "operator":
		return nil, operator
	case "none":
		return nil, by("caller")
	case "admin-key", "viewer-key":
		return []past{keyed(keyOf("caller", is(strings.TrimSuffix(role, "-key"))))}, byKey("caller")
	case "suspended":
		return []past{member("caller", is(Owner)), suspended("caller")}, by("caller")
	}
	return []past{member("caller", is(role))}, by("caller")
}

func command(name, target string) Command {
	u := user(target)
	if role, ok := strings.CutPrefix(name, "="); ok {
		return ChangeRole{Account: root, User: u, Grants: roles(role)}
	}
	if role, ok := strings.CutPrefix(name, "invite="); ok {
		return InviteUsers{Account: root, Invitees: []*Addressee{addressee("new")}, Grants: roles(role)}
	}
	if role, ok := strings.CutPrefix(name, "key="); ok {
		return CreateKey{Account: root, Key: apiKey("new"), KeyName: "new", Grants: roles(role)}
	}
	switch name {
	case "rotate-key":
		return RotateKey{Account: root, Key: apiKey("open")}
	case "revoke-key":
		return RevokeKey{Account: root, Key: apiKey("open")}
	case "rotate-key?":
		return RotateKey{Account: root, Key: apiKey("unknown")}
	case "revoke-key?":
		return RevokeKey{Account: root, Key: apiKey("unknown")}
	case "suspend":
		return Suspend{Account: root, User: u}
	case "reactivate":
		return Reactivate{Account: root, User: u}
	case "revoke":
		return Revoke{Account: root, User: u}
	case "leave":
		return Leave{Account: root}
	case "resend":
		return ResendInvitation{Account: root, Invitation: invited("open")}
	case "withdraw":
		return RevokeInvitation{Account: root, Invitation: invited("open")}
	case "resend?":
		return ResendInvitation{Account: root, Invitation: invited("unknown")}
	}
	return RevokeInvitation{Account: root, Invitation: invited("unknown")}
}

func cell(t *testing.T, name, want string, past []past, who events.Actor, cmd Command) {
	t.Helper()
	code, known := cells[want]
	got := given(past...).when(cmd, as(who))
	done := got.err == nil && len(got.facts()) > 0
	if !known || got.code() != code || got.err != nil && code == "" || done != (want == "+") {
		t.Errorf("%s: want %s, got %v and %d facts", name, want, got.err, len(got.facts()))
	}
}

func table(text string) [][]string {
	var rows [][]string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		rows = append(rows, strings.Fields(line))
	}
	return rows
}

func TestMatrixOnOthers(t *testing.T) {
	n := 0
	for _, row := range table(onOthers)[1:] {
		who, name, marks := row[0], row[1], row[2:]
		for i, mark := range marks {
			past, actor := caller(who)
			past = history(opened(root), member("keeper", is(Owner)), past)
			what := "unknown"
			switch {
			case i < 8:
				role := []string{Owner, Admin, Manager, Viewer}[i%4]
				past = append(past, member("target", is(role)))
				if what = role; i >= 4 {
					past, what = append(past, suspended("target")), "suspended "+role
				}
			case i == 8:
				past, what = append(past, member("target", is(Viewer)), revoked("target")), "revoked"
			}
			cell(t, fmt.Sprintf("SPEC 3.4: %s does %s to %s", who, name, what), mark, past, actor, command(name, "target"))
			n++
		}
		if len(marks) != 10 {
			t.Errorf("%s %s has %d cells", who, name, len(marks))
		}
	}
	t.Logf("%d cells", n)
}

func byCaller(t *testing.T, text, target string, past func(who string, own []past) []past) {
	t.Helper()
	rows := table(text)
	for _, row := range rows[1:] {
		for i, mark := range row[1:] {
			who := rows[0][1+i]
			own, actor := caller(who)
			to := target
			if target == "last" && who == "owner" {
				to = "caller"
			}
			cell(t, fmt.Sprintf("%s does %s", who, row[0]), mark, past(who, own), actor, command(row[0], to))
		}
	}
}

func TestMatrixOnSelf(t *testing.T) {
	byCaller(t, onSelf, "caller", func(_ string, own []past) []past {
		return history(opened(root), member("keeper", is(Owner)), own)
	})
}

func TestMatrixOnTheLastOwner(t *testing.T) {
	byCaller(t, onLast, "last", func(who string, own []past) []past {
		if who == "owner" {
			return history(opened(root), own)
		}
		return history(opened(root), member("last", is(Owner)), own)
	})
}

func TestMatrixOfInvitations(t *testing.T) {
	byCaller(t, inviting, "", func(_ string, own []past) []past {
		return history(opened(root), member("keeper", is(Owner)), own, invitation1("open", is(Viewer)))
	})
}

func TestMatrixOfKeys(t *testing.T) {
	byCaller(t, ofKeys, "", func(_ string, own []past) []past {
		return history(opened(root), member("keeper", is(Owner)), own, keyed(keyOf("open", is(Admin))))
	})
}

// holds: which role gives which of Roster's own permissions, and what it gives of a portal's module (SPEC 3.3).
const holds = `
permission           owner admin manager viewer
users:read           +     +     +       +
users:invite         +     +     P       P
users:change_role    +     +     P       P
users:suspend        +     +     P       P
users:revoke         +     +     P       P
users:reset_factor   +     +     P       P
roles:read           +     +     +       +
roles:define         +     +     P       P
audit:read           +     +     +       P
audit:export         +     +     P       P
policy:read          +     +     +       +
policy:change        +     +     P       P
keys:read            +     +     +       +
keys:manage          +     +     P       P
contacts:read        +     +     +       +
contacts:manage      +     +     +       P
account:read         +     +     +       +
account:change       +     +     P       P
account:open_sub     +     +     P       P
account:close        +     +     P       P
pricing:read         +     +     +       +
pricing:change       +     +     +       P
`

func TestMatrixOfPermissions(t *testing.T) {
	rows := table(holds)
	if len(rows)-1 != len(OwnPermissions())+2 {
		t.Errorf("%d rows for %d permissions", len(rows)-1, len(OwnPermissions()))
	}
	for _, row := range rows[1:] {
		for i, mark := range row[1:] {
			role := rows[0][1+i]
			got := given(opened(root), member("caller", is(role))).when(MayIn{Account: root, Permission: row[0]}, as(by("caller")))
			if got.code() != cells[mark] {
				t.Errorf("SPEC 3.3: %s holds %s: want %s, got %v", role, row[0], mark, got.err)
			}
			if standard.role(nil, role).Holds(row[0]) != (mark == "+") {
				t.Errorf("%s holds %s", role, row[0])
			}
		}
	}
}
