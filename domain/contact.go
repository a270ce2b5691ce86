package domain

import (
	"slices"
	"strings"

	"roster/events"
)

// Contact is a person whom the account names for certain notifications, and who can never sign in by it (SPEC 1.5).
type Contact struct {
	ID      events.ContactID
	Person  Sealed
	Changed bool // since it was added: then Person stands in a contact.changed
	Roles   []string
	Version uint64
}

func (a Account) withContact(id events.ContactID, box events.Box, roles []string, changed bool, h Happened) Account {
	a.contacts = a.contacts.With(id, Contact{ID: id, Person: sealedAt(h, box), Changed: changed, Roles: roles, Version: h.Pos})
	return a
}

// Contact answers a contact of the account.
func (a Account) Contact(id events.ContactID) (Contact, bool) { return a.contacts.Get(id) }

// ContactsFor are the contacts of the account that have a role.
func (a Account) ContactsFor(role string) (list []Contact) {
	for _, c := range a.contacts.All() {
		if slices.Contains(c.Roles, role) {
			list = append(list, c)
		}
	}
	return list
}

// Owned says whether a fact about a membership is about an owner of the account before it, and whether after it: security
// contacts are told of the difference (SPEC 1.5). The account is as the fact has left it.
func (a Account) Owned(f events.Event) (had, has bool) {
	grants := func(user events.UserID) []events.Grant { m, _ := a.Member(user); return m.Grants }
	//roster:partial no other fact has to do with who is an owner
	switch e := f.(type) {
	case events.MembershipGranted:
		return false, a.protects(e.Grants)
	case events.MembershipRoleChanged:
		return a.protects(e.From), a.protects(e.To)
	case events.MembershipExpired:
		return a.protects(append(slices.Clone(e.Ended), e.Left...)), a.protects(e.Left)
	case events.MembershipReactivated:
		return false, a.protects(grants(e.User))
	case events.MembershipSuspended:
		return a.protects(grants(e.User)), false
	case events.MembershipRevoked:
		return a.protects(grants(e.User)), false
	case events.MembershipLeft:
		return a.protects(grants(e.User)), false
	}
	return false, false
}

// SecurityContact is the role of the contacts that Roster itself mails, when the owners of the account change.
const SecurityContact = "security"

// ContactRoles are what contacts can be for (SPEC 1.5); the portal profile says which of them there are.
func ContactRoles() []string {
	return []string{"billing", "technical", SecurityContact, "legal", "contractual", "marketing"}
}

const maxContacts = 1000

// AskContacts leaves the contacts of an account in the place given.
func AskContacts(account events.AccountID, into *[]Contact) Command {
	return askContacts{MayIn{Account: account, Permission: ContactsRead}, into}
}

type askContacts struct {
	MayIn
	into *[]Contact
}

func (c askContacts) Decide(w *World, is Issued) error {
	if err := c.MayIn.Decide(w, is); err != nil {
		return err
	}
	*c.into = nil
	for _, contact := range w.Account(c.Account).contacts.All() {
		*c.into = append(*c.into, contact)
	}
	return nil
}

// AddContact names a person for notifications. Key is a data key of the contact's own, in the vault already.
type AddContact struct {
	Account events.AccountID
	Key     events.KeyID
	Person  events.ContactPerson
	Roles   []string
}

func (c AddContact) Name() string { return "AddContact" }

func (c AddContact) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c AddContact) Target() (events.AccountID, *events.Subject) { return c.Account, nil }

func (c AddContact) Decide(w *World, is Issued) error {
	a, _, err := w.manages(c.Account, ContactsManage)
	if err != nil {
		return err
	}
	person, roles, err := checkContact(c.Person, c.Roles, w.ProfileOf(c.Account).RolesOfContacts())
	switch {
	case err != nil:
		return err
	case a.contacts.Len() >= maxContacts:
		return invalid("body", "an account has at most %d contacts", maxContacts)
	}
	w.record(events.OfAccount(c.Account), events.ContactAdded{Contact: events.ContactID(is.ID(1)), Person: events.For(c.Key, person), Roles: roles})
	return nil
}

// ChangeContact replaces what is known of a contact. Was is what the caller has found there.
type ChangeContact struct {
	Account events.AccountID
	Contact events.ContactID
	Was     events.ContactPerson
	Person  events.ContactPerson
	Roles   []string
}

func (c ChangeContact) Name() string { return "ChangeContact" }

func (c ChangeContact) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c ChangeContact) Target() (events.AccountID, *events.Subject) {
	return c.Account, &events.Subject{Type: "contact", ID: c.Contact.Any()}
}

func (c ChangeContact) Decide(w *World, is Issued) error {
	a, _, err := w.manages(c.Account, ContactsManage)
	if err != nil {
		return err
	}
	old, ok := a.Contact(c.Contact)
	if !ok {
		return refuse(NotFound, "no such contact")
	}
	person, roles, err := checkContact(c.Person, c.Roles, w.ProfileOf(c.Account).RolesOfContacts())
	if err != nil {
		return err
	}
	if err := is.stale(old.Version); err != nil || person == c.Was && slices.Equal(roles, old.Roles) {
		return err
	}
	key := old.Person.Box.K
	w.record(events.OfAccount(c.Account), events.ContactChanged{Contact: c.Contact, Was: events.For(key, c.Was), Person: events.For(key, person),
		From: old.Roles, To: roles})
	return nil
}

// RemoveContact takes a contact from the account.
type RemoveContact struct {
	Account events.AccountID
	Contact events.ContactID
}

func (c RemoveContact) Name() string { return "RemoveContact" }

func (c RemoveContact) Home(_ Issued) events.Boundary { return events.OfAccount(c.Account) }

func (c RemoveContact) Target() (events.AccountID, *events.Subject) {
	return c.Account, &events.Subject{Type: "contact", ID: c.Contact.Any()}
}

func (c RemoveContact) Decide(w *World, is Issued) error {
	a, _, err := w.manages(c.Account, ContactsManage)
	if err != nil {
		return err
	}
	old, ok := a.Contact(c.Contact)
	if !ok {
		return refuse(NotFound, "no such contact")
	}
	if err := is.stale(old.Version); err != nil {
		return err
	}
	w.record(events.OfAccount(c.Account), events.ContactRemoved{Contact: c.Contact})
	return nil
}

const maxPhone = 40

// checkContact puts a contact into the form in which it is written. The address has been normalised by the caller.
func checkContact(p events.ContactPerson, roles, known []string) (events.ContactPerson, []string, error) {
	var fields []Field
	wrong := func(location, message string) { fields = append(fields, Field{"body." + location, message}) }
	p.Name, p.Phone = strings.TrimSpace(p.Name), strings.TrimSpace(p.Phone)
	if message := checkName(p.Name); message != "" {
		wrong("name", message)
	}
	if p.Email == "" {
		wrong("email", "not an e-mail address: want name@example.com")
	}
	if len(p.Phone) > maxPhone || strings.Trim(p.Phone, "+0123456789 ()-./") != "" {
		wrong("phone", "a phone number has digits, spaces and + ( ) - . / only")
	}
	var ordered []string
	for _, role := range known {
		if slices.Contains(roles, role) {
			ordered = append(ordered, role)
		}
	}
	for i, role := range roles {
		if !slices.Contains(known, role) {
			wrong(location("roles", i), "no such contact role: known are "+strings.Join(known, ", "))
		}
	}
	if len(roles) == 0 {
		wrong("roles", "a contact has at least one of "+strings.Join(known, ", "))
	}
	if fields != nil {
		return p, nil, &Error{Code: Invalid, Detail: "the contact is incomplete or not allowed", Fields: fields}
	}
	return p, ordered, nil
}
