package faults

import (
	"io"
	"log"
	"net"
	"net/mail"
	"strings"
	"sync"

	"github.com/emersion/go-smtp"

	"roster/events"
	"roster/handlers/feed"
)

// Mails is a mail server that accepts everything and counts.
type Mails struct {
	// URL is what --smtp is given.
	URL string

	server *smtp.Server

	mu       sync.Mutex
	accepted map[string]int // by message: the id of the event that the mail is about and, but for one to an invitee, who gets it
}

// newMails starts the mail server on a free port of this machine.
func newMails() (*Mails, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &Mails{URL: "smtp://" + l.Addr().String() + "?tls=none", accepted: map[string]int{}}
	m.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return session{m}, nil }))
	m.server.Domain = "localhost"
	m.server.ErrorLog = log.New(io.Discard, "", 0) // connections that break off, when the program is killed
	go func() { _ = m.server.Serve(l) }()          // it ends with Close
	return m, nil
}

func (m *Mails) close() error { return m.server.Close() }

// Accepted is how often a mail about each event was accepted.
func (m *Mails) Accepted() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]int, len(m.accepted))
	for id, n := range m.accepted {
		all[id] = n
	}
	return all
}

// repeated is how many mails came again.
func (m *Mails) repeated() (n int) {
	for _, times := range m.Accepted() {
		n += times - 1
	}
	return n
}

// check judges the mails: each that is noted as sent was accepted, and there is none that no fact asks for. One may
// come twice where the program died in between: those are counted.
func (m *Mails) check(v *Verdict, f *Fold, h *History) {
	accepted := m.Accepted()
	asked := map[string]bool{} // by whatever account
	for _, c := range h.Commits {
		for i, f := range c.Facts {
			if e, ok := f.(events.MembershipRoleChanged); ok {
				asked[notice(c, i, e)] = true
			} else {
				asked[feed.EventID(c.ID, i)] = true
			}
		}
	}
	repeated := 0
	for id := range f.Sent {
		if accepted[id] == 0 {
			v.Lost("the mail of %s is noted as sent and never came", id)
		}
	}
	for id, n := range accepted {
		if !asked[id] {
			v.Phantom("a mail came for %s, and no such fact asks for one", id)
		}
		repeated += n - 1
	}
	v.Count("mails sent", len(f.Sent))
	v.Count("mails repeated", repeated)
}

type session struct{ *Mails }

func (session) Mail(string, *smtp.MailOptions) error { return nil }
func (session) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (session) Reset()                               {}
func (session) Logout() error                        { return nil }

// Data implements smtp.Session.
func (s session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, m.Body); err != nil {
		return err
	}
	id, _, _ := strings.Cut(strings.Trim(m.Header.Get("Message-Id"), "<> "), "@")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accepted[id]++
	return nil
}
