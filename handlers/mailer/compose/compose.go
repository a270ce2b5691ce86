// Package compose writes the mails that Roster sends: data in; subject, text and HTML out.
//
// What people typed (names of people, accounts, roles, the portal) is data, never part of a template, and stands
// in a mail as one line without control characters, invisible characters or characters that turn the direction of
// writing, cut at a length no real name has. The HTML loads nothing and tracks nobody.
package compose

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	"text/template"
	"time"
	"unicode"
)

// Person is somebody with a name, which may be empty, and the address that they sign in with. Zone is their time zone, a
// name of the IANA database; empty for UTC.
type Person struct{ Name, Email, Zone string }

// Grant is what somebody may do in one account: the account's name and the roles' labels.
type Grant struct {
	Account string
	Roles   []string
}

// Invitation is what an invitation mail says.
type Invitation struct {
	PortalName string
	PublicURL  string // of the portal, without the path: https://portal.example
	Link       string // accepts the invitation
	// InviterName and InviterEmail may be empty, where an operator invites or the inviter has been erased: then
	// it is the portal's operator who invites.
	InviterName, InviterEmail string
	Invitee                   Person
	Grants                    []Grant
	ExpiresAt                 time.Time // when the link stops working
	Resent                    bool      // the link replaces one of an earlier mail
	Reminder                  bool      // the link is that of an earlier mail, and stops working soon
}

// Compose writes the mail to the invitee. It names the inviter, the accounts and roles, where and with which
// address to sign in, the link, and when it stops working, in UTC. It refuses an invitation that lacks one of them.
func Compose(in Invitation) (subject, text, html string, err error) {
	v, err := newView(in.PortalName, in.PublicURL)
	if err != nil {
		return "", "", "", fmt.Errorf("invitation mail: %w", err)
	}
	if v.Link, err = webAddress(in.Link); err != nil {
		return "", "", "", fmt.Errorf("invitation mail: the link: %w", err)
	}
	v.Person = name(in.Invitee.Name)
	if v.Email = clean(in.Invitee.Email); v.Email == "" {
		return "", "", "", errors.New("invitation mail: the invitee has no address")
	}
	if in.ExpiresAt.IsZero() {
		return "", "", "", errors.New("invitation mail: the link has no end")
	}
	v.Expires = moment(in.ExpiresAt, in.Invitee)
	for _, g := range in.Grants {
		line := grantLine{Account: cmp.Or(name(g.Account), "an account without a name")}
		for _, r := range g.Roles {
			if r = name(r); r != "" {
				line.Roles = append(line.Roles, r)
			}
		}
		v.Grants = append(v.Grants, line)
	}
	if len(v.Grants) == 0 {
		return "", "", "", errors.New("invitation mail: it grants nothing")
	}
	v.Inviter, v.InviterEmail = name(in.InviterName), clean(in.InviterEmail)
	if v.Inviter == "" {
		v.Inviter, v.InviterEmail = v.InviterEmail, ""
	}
	v.Inviter = cmp.Or(v.Inviter, "The operator of "+v.Portal)
	v.Resent, v.Reminder = in.Resent && !in.Reminder, in.Reminder

	v.Subject = fmt.Sprintf("%s invites you to %s", v.Inviter, v.where())
	switch {
	case v.Reminder:
		v.Subject = fmt.Sprintf("A reminder: %s", v.Subject)
	case v.Resent:
		v.Subject = fmt.Sprintf("A new link: %s", v.Subject)
	}
	return v.write("invitation")
}

// LinkRequested is what the mail says that tells an inviter that somebody asks for a new link, because theirs is
// dead.
type LinkRequested struct {
	PortalName string
	PublicURL  string // of the portal, without the path
	Inviter    Person // who gets this mail
	Invitee    Person // who asks
	Account    string // the account of the invitation
	// Link leads to the invitation in the user list, where it can be sent again.
	Link string
}

// ComposeLinkRequested writes the mail to the inviter. It names who asks, for which account, and where to send the
// invitation again; nothing is done by the mail itself.
func ComposeLinkRequested(in LinkRequested) (subject, text, html string, err error) {
	v, err := newView(in.PortalName, in.PublicURL)
	if err != nil {
		return "", "", "", fmt.Errorf("mail about a requested link: %w", err)
	}
	if v.Link, err = webAddress(in.Link); err != nil {
		return "", "", "", fmt.Errorf("mail about a requested link: the link: %w", err)
	}
	if v.Email = clean(in.Invitee.Email); v.Email == "" {
		return "", "", "", errors.New("mail about a requested link: the invitee has no address")
	}
	v.Inviter = name(in.Inviter.Name)
	v.Person = name(in.Invitee.Name)
	v.Grants = []grantLine{{Account: cmp.Or(name(in.Account), "an account without a name")}}
	v.Subject = fmt.Sprintf("%s asks for a new invitation link", cmp.Or(v.Person, v.Email))
	return v.write("link_requested")
}

// view is what the templates see: everything in it is one harmless line.
type view struct {
	Subject, Portal, SignIn, Link string
	Inviter, InviterEmail         string
	Person, Email                 string
	Grants                        []grantLine
	Expires                       string
	Resent, Reminder              bool
	Notice                        notice
}

// moment is a time as mails say it: in the reader's own time zone, with the offset (SPEC 4.8).
func moment(t time.Time, reader Person) string {
	zone, err := time.LoadLocation(reader.Zone)
	if err != nil { // one that has been taken out of the database since
		zone = time.UTC
	}
	return t.In(zone).Format("Monday, 2 January 2006, 15:04 (UTC-07:00)")
}

type grantLine struct {
	Account string
	Roles   []string
}

func (g grantLine) RoleList() string { return strings.Join(g.Roles, ", ") }

func newView(portal, publicURL string) (view, error) {
	base, err := webAddress(publicURL)
	if err != nil {
		return view{}, fmt.Errorf("the portal's address: %w", err)
	}
	v := view{Portal: name(portal), SignIn: strings.TrimRight(base, "/") + "/sign-in"}
	if v.Portal == "" {
		u, err := url.Parse(base)
		if err != nil {
			return view{}, err
		}
		v.Portal = u.Host
	}
	return v, nil
}

// where is the account that the mail is about, or the portal when there are several.
func (v view) where() string {
	if len(v.Grants) == 1 {
		return v.Grants[0].Account
	}
	return fmt.Sprintf("%d accounts of %s", len(v.Grants), v.Portal)
}

func (v view) write(mail string) (subject, text, html string, err error) {
	var t, h strings.Builder
	if err := textMails.ExecuteTemplate(&t, mail+".txt", v); err != nil {
		return "", "", "", err
	}
	if err := htmlMails.ExecuteTemplate(&h, mail+".html", v); err != nil {
		return "", "", "", err
	}
	return v.Subject, t.String(), h.String(), nil
}

//go:embed *.txt *.html
var files embed.FS

var (
	textMails = template.Must(template.ParseFS(files, "*.txt"))
	htmlMails = htmltemplate.Must(htmltemplate.ParseFS(files, "*.html"))
)

// webAddress is s if it is a web address that can stand in a mail as it is.
func webAddress(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || clean(s) != s ||
		strings.ContainsAny(s, " <>\"") {
		return "", errors.New("not an http(s) address") // not repeated: a link is a secret
	}
	return s, nil
}

// maxName is longer than any name that is one.
const maxName = 120

// name is clean, cut at maxName characters.
func name(s string) string {
	s = clean(s)
	if runes := []rune(s); len(runes) > maxName {
		s = strings.TrimSpace(string(runes[:maxName-1])) + "…"
	}
	return s
}

// clean makes one harmless line of what somebody typed.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r): // line breaks of every kind, too
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r): // Cf: bidi, zero width, soft hyphen, tags
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(s), " ")
}
