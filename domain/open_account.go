package domain

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"roster/events"
)

// Addressee is an e-mail address with its id and key in the vault, and the name that goes with it.
type Addressee struct {
	ID    events.AddressID
	Key   events.KeyID
	Email string
	Name  events.PersonName
}

// NewUser is a person about to become a user. The key and the password's hash stand in the vault already.
type NewUser struct {
	ID       events.UserID
	Key      events.KeyID
	Name     events.PersonName
	Password events.SecretID
}

// OpenAccount makes a root account, by the operator, or a sub-account, by whoever may in the account above; and invites
// its owner, where one is named (SPEC 1.2, 1.3).
type OpenAccount struct {
	AccountName string
	Parent      events.AccountID
	Owner       *Addressee
}

func (c OpenAccount) Name() string { return "OpenAccount" }

func (c OpenAccount) Home(is Issued) events.Boundary {
	return events.OfAccount(events.AccountID(is.ID(0)))
}

func (c OpenAccount) Target() (events.AccountID, *events.Subject) { return c.Parent, nil }

func (c OpenAccount) Decide(w *World, is Issued) error {
	name := strings.TrimSpace(c.AccountName)
	id := events.AccountID(is.ID(0))
	profile := w.Portal().Profile().Ref
	if c.Parent.IsZero() && !is.operator() {
		return refuse(NotPermitted, "only the operator opens root accounts")
	}
	if !c.Parent.IsZero() {
		a, access, err := w.manages(c.Parent, AccountOpenSub)
		if err != nil {
			return err
		}
		profile = a.Profile
		if c.Owner != nil && !access.Owner() {
			return refuse(ExceedsOwnAccess, "only owners make owners")
		}
	}
	if wrong := checkName(name); wrong != "" {
		return invalid("body.name", "%s", wrong)
	}
	if err := w.place(c.Parent, 1); err != nil {
		return err
	}
	if w.Account(id).Opened {
		return nil // an idempotency key older than its memory: what was made under it stands
	}
	w.record(events.OfAccount(id), events.AccountOpened{Name: name, Parent: c.Parent, Profile: profile})
	if !c.Parent.IsZero() {
		w.record(events.Tree(), events.TreeOpened{Account: id, Parent: c.Parent})
		if user := is.Actor.User(); !user.IsZero() {
			w.join(user, id, w.Account(c.Parent))
		}
	}
	if c.Owner != nil {
		a := w.Account(id)
		w.record(events.OfAccount(id), invitation(is, 1, *c.Owner, []events.Grant{{Roles: []string{a.protected()}}}, w.Policy(id).InvitationValidFor))
	}
	return nil
}

func invitation(is Issued, n int, to Addressee, grants []events.Grant, validity time.Duration) events.InvitationCreated {
	return events.InvitationCreated{
		Invitation: events.InvitationID(is.ID(n)),
		Address:    to.ID,
		Invitee:    events.For(to.Key, events.Invitee{Email: to.Email, PersonName: events.PersonName{First: tidy(to.Name.First), Last: tidy(to.Name.Last)}}),
		Grants:     grants,
		Generation: 1,
		ExpiresAt:  is.At.Add(validity),
	}
}

// register records a new user who is a member of accounts, and that the address is theirs.
func (w *World) register(u NewUser, a Addressee, accounts ...events.AccountID) {
	u.Name.First, u.Name.Last = strings.TrimSpace(u.Name.First), strings.TrimSpace(u.Name.Last)
	w.record(events.OfUser(u.ID),
		events.UserRegistered{Address: a.ID, Email: events.For(a.Key, events.Email{Email: a.Email}), Profile: events.For(u.Key, u.Name)},
		events.PasswordSet{Secret: u.Password})
	for _, id := range accounts {
		w.record(events.OfUser(u.ID), events.UserJoined{Account: id})
	}
	w.record(events.OfAddress(a.ID), events.AddressClaimed{User: u.ID})
}

const maxName = 200

// checkName says what is wrong with a name, or nothing: at most 200 characters of text without control characters.
func checkName(name string) string {
	switch {
	case name == "":
		return "say a name"
	case !utf8.ValidString(name):
		return "the name is not valid UTF-8"
	case utf8.RuneCountInString(name) > maxName:
		return "a name has at most 200 characters"
	case strings.ContainsFunc(name, hidden):
		return "a name has no control characters, line breaks or invisible direction marks"
	}
	return ""
}

// tidy makes a name that somebody wrote beside another's address into one that is allowed. Empty is allowed here.
func tidy(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || hidden(r) {
			return -1
		}
		return r
	}, name)
	runes := []rune(strings.TrimSpace(name))
	return strings.TrimSpace(string(runes[:min(len(runes), maxName)]))
}

// hidden are characters that could break out of a line or fake another name: controls, line and paragraph
// separators, bidirectional overrides and isolates, and zero-width characters but the joiners that scripts need.
func hidden(r rune) bool {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029', r == '\u200b', r == '\u200e', r == '\u200f', r == '\ufeff', r == '\u061c',
		'\u202a' <= r && r <= '\u202e', '\u2066' <= r && r <= '\u2069':
		return true
	}
	return false
}

// checkPerson wants a first and a last name.
func checkPerson(location string, n events.PersonName) error {
	var fields []Field
	for _, f := range []struct{ name, value string }{{"first_name", n.First}, {"last_name", n.Last}} {
		if wrong := checkName(strings.TrimSpace(f.value)); wrong != "" {
			fields = append(fields, Field{location + f.name, wrong})
		}
	}
	if fields == nil {
		return nil
	}
	return &Error{Code: Invalid, Detail: "the name is incomplete or not allowed", Fields: fields}
}
