package domain

import (
	"strings"
	"time"

	"roster/events"
)

// signupValid is how long a link to open an account by works.
const signupValid = 24 * time.Hour

func errNoSignUp() error {
	return refuse(NotAvailable, "nobody opens an account by themselves here")
}

// RequestSignUp sends a link to whoever wants to open an account of their own, where the portal lets them (SPEC 1.3). It is
// written whoever has the address: what the mail says depends on that, the answer does not.
type RequestSignUp struct {
	To Addressee
}

func (c RequestSignUp) Name() string { return "RequestSignUp" }

func (c RequestSignUp) Home(_ Issued) events.Boundary { return events.OfAddress(c.To.ID) }

func (c RequestSignUp) Decide(w *World, is Issued) error {
	a := w.Address(c.To.ID)
	switch {
	case !w.Portal().Profile().SignUp:
		return errNoSignUp()
	case a.Erased, flooded(a.signups, is.At):
		return nil
	}
	w.record(events.OfAddress(c.To.ID), events.AddressSignupRequested{Email: events.For(c.To.Key, events.Email{Email: c.To.Email}),
		Generation: a.Signup.Generation + 1, ExpiresAt: is.At.Add(signupValid)})
	return nil
}

// LookAtSignUp refuses as SignUp would for the link, and records nothing.
type LookAtSignUp struct {
	Address    events.AddressID
	Generation uint32
}

func (c LookAtSignUp) Name() string { return "LookAtSignUp" }

func (c LookAtSignUp) Home(_ Issued) events.Boundary { return events.OfAddress(c.Address) }

func (c LookAtSignUp) Decide(w *World, _ Issued) error {
	_, err := w.maySignUp(c.Address, c.Generation)
	return err
}

func (w *World) maySignUp(address events.AddressID, generation uint32) (Address, error) {
	a := w.Address(address)
	switch {
	case !w.Portal().Profile().SignUp:
		return a, errNoSignUp()
	case a.Erased:
		return a, refuse(NotFound, "no such address")
	case !a.User.IsZero() && a.Signup.Generation >= generation && generation > 0:
		return a, refuse(InvitationUsed, "there is a user with this address: sign in")
	}
	return a, a.Signup.alive(generation, w.is.At)
}

// SignUp makes a user, a root account and its owner, by whoever holds the link that was sent to the address: all or
// nothing. Email is the address as it was asked for, opened.
type SignUp struct {
	Address     events.AddressID
	Generation  uint32
	Email       string
	AccountName string
	User        NewUser
}

func (c SignUp) Name() string { return "SignUp" }

func (c SignUp) Home(_ Issued) events.Boundary { return events.OfAddress(c.Address) }

func (c SignUp) Decide(w *World, is Issued) error {
	a, err := w.maySignUp(c.Address, c.Generation)
	if err != nil {
		return err
	}
	name := strings.TrimSpace(c.AccountName)
	var fields []Field
	for _, f := range []struct{ location, value string }{{"body.account.name", name}, {"body.first_name", strings.TrimSpace(c.User.Name.First)}, {"body.last_name", strings.TrimSpace(c.User.Name.Last)}} {
		if wrong := checkName(f.value); wrong != "" {
			fields = append(fields, Field{f.location, wrong})
		}
	}
	switch {
	case fields != nil:
		return &Error{Code: Invalid, Detail: "a name is incomplete or not allowed", Fields: fields}
	case c.Email == "":
		return refuse(NotFound, "no such address")
	}
	account, profile := events.AccountID(is.ID(0)), w.Portal().Profile()
	w.record(events.OfAccount(account),
		events.AccountOpened{Name: name, Profile: profile.Ref},
		events.MembershipGranted{User: c.User.ID, Key: c.User.Key, Address: c.Address, Grants: []events.Grant{{Roles: []string{profile.Protected}}}})
	w.register(c.User, Addressee{ID: c.Address, Key: a.Email.Box.K, Email: c.Email}, account)
	return nil
}

// CheckAccountName says what is wrong with the name of an account, or nothing.
func CheckAccountName(name string) string { return checkName(strings.TrimSpace(name)) }
