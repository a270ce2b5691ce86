package mailer_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"roster/events"
	"roster/handlers/mailer"
	"roster/infra/feedlog/feedtest"
	"roster/infra/keyring"
	"roster/infra/lease"
	"roster/infra/mail"
	"roster/infra/outbox"
	"roster/infra/postgres/launch/pgtest"
)

// The database of pgtest lives as long as the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("roster/infra/postgres/launch.(*Server).supervise"))
}

// received is a mail as the server has accepted it.
type received struct {
	id, to, text string // text: all of it, decoded only where it need not be
}

// server is a real mail server. It answers what script says; nil accepts.
type server struct {
	sender mail.Sender
	script func(n int, to string) error // n counts attempts from 1

	mu       sync.Mutex
	attempts int
	mails    []received
}

type session struct {
	s  *server
	to string
}

func (x *session) Reset()                               {}
func (x *session) Logout() error                        { return nil }
func (x *session) Mail(string, *smtp.MailOptions) error { return nil }
func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.to = to
	return nil
}

func (x *session) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.attempts++
	if x.s.script != nil {
		if err := x.s.script(x.s.attempts, x.to); err != nil {
			return err
		}
	}
	text := strings.ReplaceAll(strings.ReplaceAll(string(body), "=\r\n", ""), "=3D", "=")
	x.s.mails = append(x.s.mails, received{strings.Trim(m.Header.Get("Message-Id"), "<>"), x.to, text})
	return nil
}

func answer(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
}

func (s *server) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

func (s *server) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.attempts
}

func serve(t *testing.T, script func(n int, to string) error) *server {
	t.Helper()
	s := &server{script: script}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{s: s}, nil }))
	srv.Domain, srv.MaxMessageBytes, srv.ErrorLog = "mx.example", 1<<20, quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(srv.Close(), <-done); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	})
	if s.sender, err = mail.SMTP("smtp://" + l.Addr().String() + "?tls=none"); err != nil {
		t.Fatal(err)
	}
	return s
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// Send is the server's sender as the mailer wants one.
func (s *server) Send(ctx context.Context, m mailer.Mail) error {
	err := s.sender.Send(ctx, mail.Message(m))
	if b, ok := errors.AsType[*mail.Bounced](err); ok {
		return &mailer.Bounced{Reason: b.Reason}
	}
	if d, ok := errors.AsType[*mail.Deferred](err); ok {
		return &mailer.Deferred{Reason: d.Reason}
	}
	return err
}

// post is an instance with a database and a mail server.
type post struct {
	*feedtest.Instance
	t      *testing.T
	server *server
	pool   *pgxpool.Pool
	outbox *outbox.Outbox
	keys   *keyring.Keyring
}

func open(t *testing.T, script func(n int, to string) error) *post {
	t.Helper()
	p := &post{Instance: feedtest.Start(t), t: t, server: serve(t, script), pool: database(t)}
	p.outbox = outbox.New(p.pool)
	var err error
	if p.keys, err = keyring.New(rand.Reader, time.Now()); err != nil {
		t.Fatal(err)
	}
	p.Publish()
	return p
}

func database(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// Invitation implements mailer.Links.
func (p *post) Invitation(account events.AccountID, invitation events.InvitationID, generation uint32) string {
	return "https://portal.example/invitations/" + p.keys.MintLink(keyring.Link{Purpose: keyring.Invitation,
		Scope: account, Subject: invitation, Generation: generation})
}

// Reset, Confirmation and Signup implement mailer.Links.
func (p *post) Reset(user events.UserID, generation uint32) string {
	return "https://portal.example/reset/" + p.keys.MintLink(keyring.Link{Purpose: keyring.PasswordReset, Subject: user, Generation: generation})
}

func (p *post) Confirmation(user events.UserID, generation uint32) string {
	return "https://portal.example/confirm/" + p.keys.MintLink(keyring.Link{Purpose: keyring.EmailConfirmation, Subject: user, Generation: generation})
}

func (p *post) Signup(address events.AddressID, generation uint32) string {
	return "https://portal.example/sign-up/" + p.keys.MintLink(keyring.Link{Purpose: keyring.Signup, Subject: address, Generation: generation})
}

// mailer makes a mailer that hurries; change may make it another one.
func (p *post) mailer(change func(*mailer.Config)) *mailer.Mailer {
	p.t.Helper()
	c := mailer.Config{App: p.App, Feed: p.Feed, Outbox: p.outbox, Sender: p.server, Links: p, Lease: lease.New(p.pool, feedtest.Quiet()),
		Logger: feedtest.Quiet(), PublicURL: "https://portal.example", PortalName: "Harbour Portal",
		Backoff: []time.Duration{20 * time.Millisecond}, Poll: 20 * time.Millisecond, Claim: 500 * time.Millisecond}
	if change != nil {
		change(&c)
	}
	m, err := mailer.New(c)
	if err != nil {
		p.t.Fatal(err)
	}
	return m
}

// run runs a mailer until stop is called.
func (p *post) run(m *mailer.Mailer) (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			p.t.Error(err)
		}
	}
}

// settled waits until nothing is due or waiting any more.
func (p *post) settled(rows int) {
	p.t.Helper()
	feedtest.Eventually(p.t, "all mails are done", func() bool {
		var all, open int
		err := p.pool.QueryRow(p.t.Context(), `SELECT count(*), count(*) FILTER (WHERE done_at IS NULL) FROM roster.outbox`).Scan(&all, &open)
		return err == nil && all == rows && open == 0
	})
}

func (p *post) outcomes() map[string]int {
	p.t.Helper()
	rows, err := p.pool.Query(p.t.Context(), `SELECT outcome, count(*) FROM roster.outbox WHERE done_at IS NOT NULL GROUP BY outcome`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	m := map[string]int{}
	for rows.Next() {
		var outcome string
		var n int
		if err := rows.Scan(&outcome, &n); err != nil {
			p.t.Fatal(err)
		}
		m[outcome] = n
	}
	return m
}

func (p *post) delivery(id events.InvitationID) string {
	p.t.Helper()
	a, _, err := p.App.Account(p.t.Context(), p.Account)
	if err != nil {
		p.t.Fatal(err)
	}
	i, _ := a.Invitation(id)
	return i.Delivery
}

// noted lists the facts about mails in the log, opened.
func (p *post) noted() (list []events.Event) {
	p.t.Helper()
	last, err := p.Log.Last(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	records, err := p.Log.Read(p.t.Context(), 0, int(last))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, r := range records {
		c, err := events.Decode(r)
		if err != nil {
			p.t.Fatal(err)
		}
		if c.Cmd.Name != "NoteMail" {
			continue
		}
		if c.Cause == "" || c.Actor.ID != "mailer" {
			p.t.Errorf("reported by %v because of %q", c.Actor, c.Cause)
		}
		o, err := p.Sealer.OpenCommit(p.t.Context(), c)
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, o.Facts...)
	}
	return list
}
