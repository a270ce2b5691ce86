// Package mailer sends the mails: it reads the feed like anybody else, keeps one row for each event and recipient,
// sends it, tries again what was deferred, and reports by commands what became of it (SPEC 2.3, 2.11, 6.3).
//
// No mail is lost. One is repeated, with the same Message-ID, only if the program dies between the mail server's
// acceptance and noting it.
package mailer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"roster/events"
	"roster/handlers"
)

// Durable is the mailer's name as a subscriber of the feed.
const Durable = "mailer"

// Feed is where events come from.
type Feed interface {
	// Subscribe hands every event under the filters to fn, in order, again until fn succeeds, and keeps the place
	// under the name durable. A new name begins with the oldest event.
	Subscribe(ctx context.Context, durable string, filter []string, fn func(ctx context.Context, attributes map[string]string, data []byte) error) error
	// Reached answers up to which event a durable subscriber has confirmed everything, and whether it exists.
	Reached(ctx context.Context, durable string) (sequence uint64, exists bool, err error)
}

// Row is one mail to one recipient: it stands in the outbox until it is known what became of it. It holds nothing
// personal.
type Row struct {
	Event      string // id of the event that it is sent for; of a digest, the day
	Target     string // which of the event's recipients
	Mail       Kind
	Recipient  events.AnyID // the user or contact who gets it; zero for an invitee
	Subject    events.AnyID // the member whom it is about, or the address that was one's own before, if any
	Account    events.AccountID
	Invitation events.InvitationID
	Generation uint32
	Since      time.Time // when it is due first
	Attempts   int       // that were deferred
	Accepted   bool      // the mail server has it, and that may not have been reported yet
	Claim      events.AnyID
}

// Kind says which mail a row is.
type Kind string

// The mails.
const (
	MailInvitation    Kind = "invitation"     // to the invitee (SPEC 2.3)
	MailReminder      Kind = "reminder"       // the same before it expires (SPEC 2.13)
	MailLinkRequested Kind = "link_requested" // to whoever may send a new link (SPEC 2.12)
	MailDigest        Kind = "digest"         // to the inviter, of what has failed on a day (SPEC 2.13)
	MailAccessEnds    Kind = "access_ends"    // to the member, and to whoever granted it (SPEC 3.10)
	MailRolesChanged  Kind = "roles_changed"  // to the member (RELIABILITY S22)
	MailOwnerWon      Kind = "owner_won"      // to a security contact (SPEC 1.5)
	MailOwnerLost     Kind = "owner_lost"     // to a security contact (SPEC 1.5)

	MailPasswordChanged Kind = "password_changed"    // to the person (SPEC 4.3)
	MailPasswordReset   Kind = "password_reset"      // to the person (SPEC 4.4)
	MailResetLink       Kind = "reset_link"          // to whoever has forgotten their password (SPEC 4.4)
	MailAddressLink     Kind = "address_link"        // to the new address, or to whoever has it already (SPEC 4.2)
	MailAddressAsked    Kind = "address_asked"       // to the old address (SPEC 4.2)
	MailAddressChanged  Kind = "address_changed"     // to the old address (SPEC 4.2)
	MailSignup          Kind = "sign_up"             // to whoever wants to open an account (SPEC 1.3)
	MailUnlinked        Kind = "identity_unlinked"   // to the person (SPEC 7.4)
	MailElsewhere       Kind = "signed_in_elsewhere" // to the person (RELIABILITY S22)
)

// Bulk says that such mails come by the thousand, when thousands are invited or a day's digests are due. Others go before
// them: somebody waits for a link, or has to know at once.
func (k Kind) Bulk() bool { return k.invites() || k == MailDigest || k == MailAccessEnds }

// invites says that the mail is one to an invitee, of which the log is told what became.
func (k Kind) invites() bool { return k == MailInvitation || k == MailReminder }

// message is the left side of the mail's Message-ID, the same at every attempt.
func (r Row) message() string {
	if r.Mail.invites() {
		return r.Event
	}
	return r.Event + "." + r.Target
}

// Outbox keeps rows. All its times are those that it is told. What it answers to is durable.
type Outbox interface {
	// Begun says whether there is a record of the mailer; where there is no place for one, it is made.
	Begun(ctx context.Context) (bool, error)
	// Begin makes the record. skipped is the event up to which rows may have been lost with an earlier one; 0: none.
	Begin(ctx context.Context, now time.Time, skipped uint64) error
	// Add keeps a row, due at Since; before those of a bulk where it is none. One that is there already, done or not, stays as it is.
	Add(ctx context.Context, r Row) error
	// Claim takes a row that is due and nobody's until the time given; nil when there is none.
	Claim(ctx context.Context, now, until time.Time) (*Row, error)
	// Extend prolongs a claim.
	Extend(ctx context.Context, r Row, until time.Time) error
	// Accept notes that the mail server has the mail.
	Accept(ctx context.Context, r Row) error
	// Retry gives the row back, due at a time.
	Retry(ctx context.Context, r Row, at time.Time, attempts int) error
	// Done ends the row. outcome is sent, bounced or a reason for which nothing was sent.
	Done(ctx context.Context, r Row, now time.Time, outcome string) error
	// Tidy drops rows that were done before a time.
	Tidy(ctx context.Context, before time.Time) error
}

// ErrNotOurs says that a claim has run out and the row is somebody else's, or done.
var ErrNotOurs = errors.New("the row is not ours any more")

// Lease gives a role to one process at a time. ctx of fn ends when the role is lost.
type Lease interface {
	Hold(ctx context.Context, role string, fn func(ctx context.Context) error) error
}

// Links makes the links that stand in mails: whole addresses.
type Links interface {
	Invitation(account events.AccountID, invitation events.InvitationID, generation uint32) string
	Reset(user events.UserID, generation uint32) string
	Confirmation(user events.UserID, generation uint32) string
	Signup(address events.AddressID, generation uint32) string
}

// Config is what a Mailer is made of.
type Config struct {
	App    *handlers.App
	Feed   Feed
	Outbox Outbox
	Sender Sender
	Links  Links
	Lease  Lease
	Logger *slog.Logger
	// Failed lists at most limit invitations into an account by one user that have expired or bounced between two
	// moments and are open still, as of now at least, and answers how many there are; nil: there are no digests.
	Failed func(ctx context.Context, account events.AccountID, inviter events.UserID, from, to time.Time, limit int) ([]events.InvitationID, int, error)

	PublicURL  string // of the portal
	PortalName string // "" for the host of PublicURL
	From       string // address that mails come from; "" for no-reply@ the host of PublicURL

	Backoff []time.Duration // between attempts, the last one again and again; nil: 1, 5, 15, 30, 60 minutes
	GiveUp  time.Duration   // after which a deferred mail has bounced; 0: 3 days
	Claim   time.Duration   // how long a row stays taken when the program dies; 0: 30 seconds
	Poll    time.Duration   // between two looks for rows that are due again; 0: a second
	Keep    time.Duration   // how long rows are kept when they are done; 0: 60 days, longer than the feed keeps events
	Workers int             // 0: 4
	Grace   time.Duration   // how long a mail on its way may still be handed over when we are told to stop; 0: 10 seconds
}

// Mailer sends the mails.
type Mailer struct {
	Config
	host string // of From: the right side of every Message-ID
	wake chan struct{}

	mu   sync.Mutex
	took map[string]bool // mails that the server has accepted while that could not be noted, by their Message-IDs
}

// New makes a Mailer.
func New(c Config) (*Mailer, error) {
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.From == "" {
		host, err := hostOf(c.PublicURL)
		if err != nil {
			return nil, fmt.Errorf("mailer: %w", err)
		}
		c.From = "no-reply@" + host
	}
	_, host, ok := strings.Cut(c.From, "@")
	if !ok {
		return nil, errors.New("mailer: the address that mails come from is none")
	}
	if c.Backoff == nil {
		c.Backoff = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour}
	}
	orElse := func(d *time.Duration, standard time.Duration) {
		if *d <= 0 {
			*d = standard
		}
	}
	orElse(&c.GiveUp, 3*24*time.Hour)
	orElse(&c.Claim, 30*time.Second)
	orElse(&c.Poll, time.Second)
	orElse(&c.Grace, 10*time.Second)
	orElse(&c.Keep, 60*24*time.Hour)
	if c.Workers <= 0 {
		c.Workers = 4
	}
	return &Mailer{Config: c, host: host, wake: make(chan struct{}, c.Workers), took: map[string]bool{}}, nil
}

// Run sends mails whenever this process holds the role "mailer", until ctx ends; then it returns nil. Whatever is
// away is tried again for ever.
func (m *Mailer) Run(ctx context.Context) error {
	wait := minWait
	for {
		began := time.Now()
		err := m.Lease.Hold(ctx, "mailer", m.Serve)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(began) > maxWait { // it has worked for a while
			wait = minWait
		}
		m.Logger.Warn("the mailer pauses", "err", err, "for", wait)
		if pause(ctx, wait) != nil {
			return nil
		}
		wait = min(2*wait, maxWait)
	}
}

const (
	minWait = 100 * time.Millisecond
	maxWait = 10 * time.Second
	wrapUp  = 10 * time.Second // for noting what has happened when we are told to stop
)

// Serve sends mails without asking for the role, until ctx ends or something fails. Two that serve share the rows.
func (m *Mailer) Serve(ctx context.Context) error {
	if err := m.begin(ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var all sync.WaitGroup
	run := func(f func(context.Context) error) {
		all.Go(func() { stop(f(ctx)) })
	}
	run(func(ctx context.Context) error {
		return m.Feed.Subscribe(ctx, Durable, filter(), m.heard)
	})
	run(m.tidy)
	for range m.Workers {
		run(m.work)
	}
	all.Wait()
	return context.Cause(ctx)
}

// begin finds out whether we know what has been sent. The place in the feed lives with the log, the rows in the
// database: where only the rows are gone, what was handed over and not sent yet is lost, and that is said.
func (m *Mailer) begin(ctx context.Context) error {
	begun, err := m.Outbox.Begun(ctx)
	if err != nil || begun {
		return err
	}
	skipped, _, err := m.Feed.Reached(ctx, Durable)
	if err != nil {
		return err
	}
	if skipped > 0 {
		m.Logger.Warn("the mailer finds no record of itself, as after the loss of its database: it starts at the present. Invitations that still say unsent or deferred may have to be sent again",
			"skipped_up_to_event", skipped)
	}
	return m.Outbox.Begin(ctx, m.now(), skipped)
}

// work sends what is due, row by row.
func (m *Mailer) work(ctx context.Context) error {
	for failures := 0; ctx.Err() == nil; {
		now := m.now()
		row, err := m.Outbox.Claim(ctx, now, now.Add(m.Claim))
		switch {
		case err != nil:
			if failures++; failures == 1 && ctx.Err() == nil {
				m.Logger.Warn("the outbox cannot be read: mails wait", "err", err)
			}
			_ = pause(ctx, min(minWait<<min(failures, 10), maxWait)) // an end is noticed above
		case row != nil:
			failures = 0
			m.deliver(ctx, *row)
		default:
			failures = 0
			idle := time.NewTimer(m.Poll)
			select {
			case <-m.wake:
			case <-idle.C:
			case <-ctx.Done():
			}
			idle.Stop()
		}
	}
	return ctx.Err()
}

func (m *Mailer) tidy(ctx context.Context) error {
	for {
		if err := m.Outbox.Tidy(ctx, m.now().Add(-m.Keep)); err != nil && ctx.Err() == nil {
			m.Logger.Warn("old rows of the outbox are not dropped", "err", err)
		}
		if err := pause(ctx, time.Hour); err != nil {
			return err
		}
	}
}

func (m *Mailer) now() time.Time { return m.App.Now().Std() }

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
