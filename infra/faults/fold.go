package faults

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"roster/events"
	"roster/handlers/feed"
)

// Fold is an account as a naive reader of the log sees it.
type Fold struct {
	Members     map[string]*Folded // by user
	Invitations map[string]*Folded // by invitation
	Facts       map[string]string  // names, by position.index: those that the account's audit trail has to have
	Mails       map[string]Letter  // by the id of the event that asks for them
	Notices     map[string]uint64  // the other messages that facts ask for, and the facts' positions
	Sent        map[string]bool    // messages that are noted as sent
}

// Folded is a member or an invitation.
type Folded struct{ Status, Roles, Delivery string }

// Letter is a mail that an event asks for.
type Letter struct {
	Invitation string
	Generation uint32
	Position   uint64
}

// NewFold is an account before its first fact.
func NewFold() *Fold {
	return &Fold{map[string]*Folded{}, map[string]*Folded{}, map[string]string{}, map[string]Letter{}, map[string]uint64{}, map[string]bool{}}
}

// Add moves the fold on by a commit of the account.
func (f *Fold) Add(c events.Commit) {
	for i, e := range c.Facts {
		name := events.KindOf(e).Name
		if strings.HasPrefix(name, "membership.") || strings.HasPrefix(name, "invitation.") {
			f.Facts[entryID(c.Pos, i)] = name
		}
		f.add(e)
		switch e := e.(type) {
		case events.InvitationCreated:
			f.Mails[feed.EventID(c.ID, i)] = Letter{e.Invitation.String(), e.Generation, c.Pos}
		case events.InvitationResent:
			f.Mails[feed.EventID(c.ID, i)] = Letter{e.Invitation.String(), e.Generation, c.Pos}
		case events.MembershipRoleChanged:
			f.Notices[notice(c, i, e)] = c.Pos
		}
	}
}

// notice is the message that tells a member of other roles.
func notice(c events.Commit, i int, e events.MembershipRoleChanged) string {
	return feed.EventID(c.ID, i) + "." + e.User.String()
}

func (f *Fold) add(e events.Event) {
	invitation := func(id events.InvitationID, change func(*Folded)) {
		if i := f.Invitations[id.String()]; i != nil {
			change(i)
		}
	}
	member := func(id events.UserID, change func(*Folded)) {
		if m := f.Members[id.String()]; m != nil {
			change(m)
		}
	}
	ended := func(status string) func(*Folded) { return func(i *Folded) { i.Status = status } }
	mailed := func(delivery string) func(*Folded) { return func(i *Folded) { i.Delivery = delivery } }
	switch e := e.(type) {
	case events.MembershipGranted:
		f.Members[e.User.String()] = &Folded{"active", rolesIn(e.Grants), ""}
	case events.MembershipRoleChanged:
		member(e.User, func(m *Folded) { m.Roles = rolesIn(e.To) })
	case events.MembershipSuspended:
		member(e.User, func(m *Folded) { m.Status = "suspended" })
	case events.MembershipReactivated:
		member(e.User, func(m *Folded) { m.Status = "active" })
	case events.MembershipRevoked:
		member(e.User, func(m *Folded) { m.Status = "revoked" })
	case events.InvitationCreated:
		f.Invitations[e.Invitation.String()] = &Folded{"pending", rolesIn(e.Grants), "unsent"}
	case events.InvitationResent:
		invitation(e.Invitation, mailed("unsent"))
	case events.InvitationMailSent:
		invitation(e.Invitation, mailed("sent"))
		id, _, _ := strings.Cut(e.Message, "@")
		f.Sent[id] = true
	case events.InvitationMailDeferred:
		invitation(e.Invitation, mailed("deferred"))
	case events.InvitationMailBounced:
		invitation(e.Invitation, mailed("bounced"))
	case events.InvitationRevoked:
		invitation(e.Invitation, ended("revoked"))
	case events.InvitationAccepted:
		invitation(e.Invitation, ended("accepted"))
	}
}

func rolesIn(grants []events.Grant) string {
	var roles []string
	for _, g := range grants {
		roles = append(roles, g.Roles...)
	}
	return strings.Join(roles, ",")
}

// UserList is the user list that the fold gives: members, and the invitations that are open.
func (f *Fold) UserList() map[string]string {
	list := map[string]string{}
	for id, m := range f.Members {
		list[id] = m.Status + " " + m.Roles
	}
	for id, i := range f.Invitations {
		if i.Status == "pending" {
			list[id] = i.Status + " " + i.Roles + " " + i.Delivery
		}
	}
	return list
}

// InvitationList is the list of invitations that the fold gives.
func (f *Fold) InvitationList() map[string]string {
	list := map[string]string{}
	for id, i := range f.Invitations {
		list[id] = i.Status + " " + i.Roles + " " + i.Delivery
	}
	return list
}

// same judges a list by what the log says.
func same(v *Verdict, what string, got, want map[string]string) {
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] {
			v.Differs("%s: %s is %q, the log says %q", what, id, got[id], want[id])
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			v.Differs("%s: %s is %q, the log knows nothing of it", what, id, got[id])
		}
	}
}

// entryID is the id of an entry of the audit trail.
func entryID(position uint64, index int) string {
	return strconv.FormatUint(position, 10) + "." + strconv.Itoa(index)
}

func positionOf(entry string) uint64 {
	text, _, _ := strings.Cut(entry, ".")
	position, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0 // not an id of ours
	}
	return position
}
