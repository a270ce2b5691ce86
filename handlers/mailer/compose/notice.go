package compose

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// notice is a mail of a sentence, a list, and what to do.
type notice struct {
	Lead, More, Then string
	Rows             []noticeRow
	Stranger         bool // who gets it has no user of the portal
}

type noticeRow struct{ What, How string }

// Portal is where a mail comes from: the portal's name, and its address without the path.
type Portal struct{ Name, URL string }

// AccessEnds is what the mail says that warns of the end of temporary access.
type AccessEnds struct {
	Portal  Portal
	To      Person
	Member  Person // whose access ends: To, or somebody else
	Account string
	Roles   []string
	Until   time.Time
}

// ComposeAccessEnds writes the mail to the person whose access ends, or to whoever granted it.
func ComposeAccessEnds(in AccessEnds) (subject, text, html string, err error) {
	v, err := in.Portal.view(in.To)
	if err != nil {
		return "", "", "", fmt.Errorf("mail about the end of access: %w", err)
	}
	if in.Until.IsZero() {
		return "", "", "", errors.New("mail about the end of access: there is none")
	}
	account, whose := accountName(in.Account), "Your access"
	v.Notice.Then = "If you still need it, ask whoever manages the users of this account."
	if in.Member != in.To {
		whose = "The access of " + in.Member.both()
		v.Notice.Then = "You have granted it. If it is to go on, give it a new end."
	}
	as := ""
	if roles := names(in.Roles); len(roles) > 0 {
		as = " as " + strings.Join(roles, ", ")
	}
	v.Subject = fmt.Sprintf("%s to %s ends soon", whose, account)
	v.Notice.Lead = fmt.Sprintf("%s to %s on %s%s ends on %s.", whose, account, v.Portal, as, moment(in.Until, in.To))
	return v.write("notice")
}

// RolesChanged is what the mail says that tells a member of a change of their roles.
type RolesChanged struct {
	Portal  Portal
	To      Person
	By      Person // who did it; zero where that is no person, or the member
	Account string
	Roles   []Held // since then
	At      time.Time
}

// Held is a role that somebody has, until a moment or, where that is zero, without end.
type Held struct {
	Role  string
	Until time.Time
}

// ComposeRolesChanged writes the mail to the member.
func ComposeRolesChanged(in RolesChanged) (subject, text, html string, err error) {
	v, err := in.Portal.view(in.To)
	if err != nil {
		return "", "", "", fmt.Errorf("mail about roles: %w", err)
	}
	if in.At.IsZero() {
		return "", "", "", errors.New("mail about roles: it has no time")
	}
	account, by := accountName(in.Account), ""
	if in.By != (Person{}) {
		by = " by " + in.By.both()
	}
	v.Subject = fmt.Sprintf("Your roles in %s were changed", account)
	v.Notice.Lead = fmt.Sprintf("Your roles in %s on %s were changed on %s%s. You have now:", account, v.Portal, moment(in.At, in.To), by)
	for _, held := range in.Roles {
		until := ""
		if !held.Until.IsZero() {
			until = "until " + moment(held.Until, in.To)
		}
		v.Notice.Rows = append(v.Notice.Rows, noticeRow{name(held.Role), until})
	}
	v.Notice.Then = "If you did not expect that, ask whoever manages the users of this account."
	return v.write("notice")
}

// OwnerChanged is what the mail says that tells a security contact that somebody has become, or is no longer, an owner.
type OwnerChanged struct {
	Portal  Portal
	To      Person
	Member  Person
	Account string
	Won     bool
}

// ComposeOwnerChanged writes the mail to the contact.
func ComposeOwnerChanged(in OwnerChanged) (subject, text, html string, err error) {
	v, err := in.Portal.view(in.To)
	if err != nil {
		return "", "", "", fmt.Errorf("mail about an owner: %w", err)
	}
	what := "is no longer an owner of"
	if in.Won {
		what = "is now an owner of"
	}
	v.Notice.Stranger = true
	account := accountName(in.Account)
	v.Subject = fmt.Sprintf("%s %s %s", cmp.Or(name(in.Member.Name), clean(in.Member.Email), nobody), what, account)
	v.Notice.Lead = fmt.Sprintf("%s %s %s on %s.", in.Member.both(), what, account, v.Portal)
	v.Notice.Then = "You get this mail as a security contact of the account. If nobody there knows of it, look into it at once: the account's audit trail says who did it, when and from where."
	return v.write("notice")
}

// Digest is what the mail says that lists an inviter's invitations that have failed.
type Digest struct {
	Portal  Portal
	To      Person
	Account string
	Failed  []Failed
	More    int    // that are not listed
	Link    string // to the account's users
}

// Failed is an invitation that has expired, or whose mail could not be delivered.
type Failed struct {
	Invitee Person
	Bounced bool
}

// ComposeDigest writes the mail to the inviter.
func ComposeDigest(in Digest) (subject, text, html string, err error) {
	v, err := in.Portal.view(in.To)
	if err != nil {
		return "", "", "", fmt.Errorf("digest: %w", err)
	}
	if v.Link, err = webAddress(in.Link); err != nil {
		return "", "", "", fmt.Errorf("digest: the link: %w", err)
	}
	if len(in.Failed) == 0 {
		return "", "", "", errors.New("digest: nothing has failed")
	}
	account := accountName(in.Account)
	v.Subject = fmt.Sprintf("Invitations to %s that were not answered", account)
	v.Notice.Lead = fmt.Sprintf("These people whom you have invited to %s on %s have not joined:", account, v.Portal)
	for _, f := range in.Failed {
		how := "the invitation has expired"
		if f.Bounced {
			how = "the mail could not be delivered"
		}
		v.Notice.Rows = append(v.Notice.Rows, noticeRow{f.Invitee.both(), how})
	}
	if in.More > 0 {
		v.Notice.More = fmt.Sprintf("And %d more.", in.More)
	}
	v.Notice.Then = "You can send them a new link, or invite another address, here:"
	return v.write("notice")
}

func (p Portal) view(to Person) (view, error) {
	v, err := newView(p.Name, p.URL)
	v.Person, v.Email = name(to.Name), clean(to.Email)
	if err == nil && v.Email == "" {
		err = errors.New("nobody gets it")
	}
	return v, err
}

const nobody = "Somebody whose data has been erased"

// both is name and address, as far as they are known.
func (p Person) both() string {
	name, email := name(p.Name), clean(p.Email)
	switch {
	case name == "":
		return cmp.Or(email, nobody)
	case email == "":
		return name
	}
	return fmt.Sprintf("%s (%s)", name, email)
}

func accountName(s string) string { return cmp.Or(name(s), "an account without a name") }

// names are those of the list that say something, each as one harmless line.
func names(list []string) (kept []string) {
	for _, s := range list {
		if s = name(s); s != "" {
			kept = append(kept, s)
		}
	}
	return kept
}
