// Package mail gives a finished mail to somebody who delivers it: a mail server over SMTP, or, on a developer's
// machine, a folder with a page to look at.
//
// A Sender makes one attempt and says how it went; when to try again is decided by its caller. What a person
// typed (names, subjects) can neither add a header nor a recipient nor end the mail: control characters are taken
// out here, whatever was checked before.
package mail

import (
	"context"
	"fmt"
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Message is one mail to one person.
type Message struct {
	// ID is the local part of the Message-ID. It is the same at every attempt, so that a receiver (and the Inbox)
	// recognises a repetition: letters, digits, and . - _ = + only, at most 200 of them.
	ID string
	// To and From are plain addresses in ASCII (a domain in its A-label form); the names are any text.
	To, ToName, From, FromName string
	Subject                    string
	// Text and HTML are two forms of the same content. HTML may be empty.
	Text, HTML string
}

// Sender makes one attempt to deliver a mail.
//
// nil says that the server has accepted it. *Bounced says that it refused for good: another attempt is useless.
// *Deferred is everything else: the same mail may be accepted later, or may even have been accepted when the
// connection broke, for which the Message-ID stays the same.
type Sender interface {
	Send(ctx context.Context, m Message) error
}

// Deferred says that a mail was not accepted now, and that another attempt is worth making: the server answered
// 4xx, could not be reached, did not let us in, or this program is set up wrongly.
type Deferred struct {
	// Reason is one line for people, without control characters.
	Reason string
}

func (e *Deferred) Error() string { return "mail deferred: " + e.Reason }

// Bounced says that a mail was refused for good: the server answered 5xx, or the address is none.
type Bounced struct {
	// Reason is one line for people, without control characters.
	Reason string
}

func (e *Bounced) Error() string { return "mail bounced: " + e.Reason }

const (
	maxID      = 200
	maxName    = 200
	maxSubject = 400
	maxReason  = 300
)

// checked is the mail with names and subject cleaned, or why it cannot be sent.
func (m Message) checked() (Message, error) {
	if !validID(m.ID) {
		return m, &Deferred{"the mail has no usable Message-ID: a fault of this program"}
	}
	if why := wrongAddress(m.To); why != "" {
		return m, &Bounced{"the recipient's address " + why}
	}
	if why := wrongAddress(m.From); why != "" {
		return m, &Deferred{"the sender's address " + why}
	}
	m.ToName, m.FromName = line(m.ToName, maxName), line(m.FromName, maxName)
	m.Subject = line(m.Subject, maxSubject)
	return m, nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxID || id[0] == '.' || id[len(id)-1] == '.' || strings.Contains(id, "..") {
		return false
	}
	return strings.IndexFunc(id, func(r rune) bool {
		return (r < 'a' || 'z' < r) && (r < 'A' || 'Z' < r) && (r < '0' || '9' < r) && !strings.ContainsRune(".-_=+", r)
	}) < 0
}

// wrongAddress says what is wrong with an address, and nothing if it can be put into an envelope as it is. The
// address itself is not repeated: the answer ends up in lists and logs.
func wrongAddress(a string) string {
	switch {
	case a == "":
		return "is missing"
	case strings.IndexFunc(a, func(r rune) bool { return r <= ' ' || r >= utf8.RuneSelf || r == 0x7f }) >= 0:
		return "holds blanks, control characters or letters outside ASCII"
	}
	local, domain, found := strings.Cut(a, "@")
	parsed, err := mail.ParseAddress(a)
	if err != nil || parsed.Name != "" || parsed.Address != a || !found || len(local) > 64 || len(domain) > 253 {
		return "is not an address"
	}
	return ""
}

// line makes one harmless line of any text: controls, line breaks of every kind, invisible characters and those
// that turn the direction of writing are taken out or become a blank; it is cut at max characters.
func line(s string, max int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t' || r == '\v' || r == '\f' || r == 0x85 || r == 0x2028 || r == 0x2029:
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > max {
		s = strings.TrimSpace(string(runes[:max-1])) + "…"
	}
	return s
}

func reason(format string, args ...any) string { return line(fmt.Sprintf(format, args...), maxReason) }
