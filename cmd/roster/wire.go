package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"path"
	"time"

	"roster/events"
	"roster/handlers/api"
	"roster/handlers/enroll"
	"roster/handlers/eraser"
	"roster/handlers/expirer"
	"roster/handlers/feed"
	"roster/handlers/mailer"
	"roster/handlers/origin"
	"roster/handlers/web"
	"roster/infra/keyring"
	"roster/infra/mail"
	"roster/infra/outbox"
	"roster/projections"
)

// links mints and reads the tokens of links.
type links struct {
	keys      *keyring.Keyring
	publicURL string
}

// Mint answers a link's token.
func (l links) Mint(purpose byte, scope, subject [16]byte, generation uint32) string {
	return l.keys.MintLink(keyring.Link{Purpose: purpose, Scope: scope, Subject: subject, Generation: generation})
}

// Read answers what a token stands for.
func (l links) Read(token string) (purpose byte, scope, subject [16]byte, generation uint32, err error) {
	k, err := l.keys.ReadLink(token, time.Now())
	return k.Purpose, k.Scope, k.Subject, k.Generation, err
}

// Invitation answers the address of an invitation's page.
func (l links) Invitation(account events.AccountID, invitation events.InvitationID, generation uint32) string {
	return l.publicURL + "/invitations/" + l.Mint(keyring.Invitation, account, invitation, generation)
}

// Reset answers the address of the page where a new password is chosen.
func (l links) Reset(user events.UserID, generation uint32) string {
	return l.publicURL + "/reset/" + l.Mint(keyring.PasswordReset, [16]byte{}, user, generation)
}

// Confirmation answers the address of the page where a new e-mail address is confirmed.
func (l links) Confirmation(user events.UserID, generation uint32) string {
	return l.publicURL + "/confirm/" + l.Mint(keyring.EmailConfirmation, [16]byte{}, user, generation)
}

// Signup answers the address of the page where somebody opens an account of their own.
func (l links) Signup(address events.AddressID, generation uint32) string {
	return l.publicURL + "/sign-up/" + l.Mint(keyring.Signup, [16]byte{}, address, generation)
}

// setup answers the address of the one page that makes the first account.
func (l links) setup() string {
	return l.publicURL + "/setup/" + l.Mint(keyring.Setup, [16]byte{}, [16]byte{}, 1)
}

func (p *program) links() links { return links{p.keys, p.options.PublicURL} }

// readModels answers what parts that write ask of the read models.
type readModels struct{ *program }

// OfAddress finds every invitation of an address, as of all that has been acknowledged.
func (r readModels) OfAddress(ctx context.Context, address events.AddressID) ([]eraser.Invited, error) {
	last, err := r.app.Last(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := r.models.WaitFor(ctx, "invitations", last); err != nil {
		return nil, err
	}
	var found []eraser.Invited
	err = r.models.Query(ctx, "invitations", func(ctx context.Context, schema string, q projections.Querier) error {
		list, err := projections.InvitationsOfAddress(ctx, q, schema, address)
		found = nil
		for _, i := range list {
			found = append(found, eraser.Invited(i))
		}
		return err
	})
	return found, err
}

// due asks a read model for what has ended and of which the log has not been told.
func (r readModels) due(model string, read func(context.Context, projections.Querier, string, time.Time, int) ([]projections.Due, error)) func(context.Context, time.Time, int) ([]projections.Due, error) {
	return func(ctx context.Context, now time.Time, limit int) (due []projections.Due, err error) {
		err = r.models.Query(ctx, model, func(ctx context.Context, schema string, q projections.Querier) error {
			due, err = read(ctx, q, schema, now, limit)
			return err
		})
		return due, err
	}
}

// dueAfter asks a read model for a page of what somebody is to be told of.
func (r readModels) dueAfter(model string, read func(context.Context, projections.Querier, string, time.Time, projections.Due, int) ([]projections.Due, error)) func(context.Context, time.Time, projections.Due, int) ([]projections.Due, error) {
	return func(ctx context.Context, now time.Time, after projections.Due, limit int) ([]projections.Due, error) {
		return r.due(model, func(ctx context.Context, q projections.Querier, schema string, now time.Time, limit int) ([]projections.Due, error) {
			return read(ctx, q, schema, now, after, limit)
		})(ctx, now, limit)
	}
}

// PendingIn lists the pending invitations into an account, as of a position of the log at least.
func (r readModels) PendingIn(ctx context.Context, account events.AccountID, position uint64) (pending []expirer.Invitation, err error) {
	if err := r.models.WaitFor(ctx, "invitations", position); err != nil {
		return nil, err
	}
	query := projections.InvitationsQuery{Account: account, Now: r.app.Now().Std(), Status: []string{projections.StatusPending}, Limit: 500}
	for {
		var page projections.InvitationsPage
		err := r.models.Query(ctx, "invitations", func(ctx context.Context, schema string, q projections.Querier) error {
			page, err = projections.InvitationsRead(ctx, q, schema, query)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, i := range page.Items {
			pending = append(pending, expirer.Invitation{Account: account, Invitation: i.ID})
		}
		if query.After = page.Next; page.Next == nil {
			return pending, nil
		}
	}
}

// Failed lists the open invitations of somebody that have expired or bounced, as of all that has been acknowledged.
func (r readModels) Failed(ctx context.Context, account events.AccountID, inviter events.UserID, from, to time.Time, limit int) (list []events.InvitationID, all int, err error) {
	last, err := r.app.Last(ctx)
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := r.models.WaitFor(ctx, "invitations", last); err != nil {
		return nil, 0, err
	}
	err = r.models.Query(ctx, "invitations", func(ctx context.Context, schema string, q projections.Querier) error {
		list, all, err = projections.InvitationsFailed(ctx, q, schema, account, inviter, from, to, limit)
		return err
	})
	return list, all, err
}

// startFeed makes the publisher of the feed and those who react to it.
func (p *program) startFeed(context.Context) error {
	publisher := feed.New(feed.Config{Source: p.log, Opener: p.sealer, Stream: p.feed, Lease: p.lease, PublicURL: p.options.PublicURL, Logger: p.logger})
	p.published = publisher.Reached
	p.parts = append(p.parts, part{"feed", publisher.Run}, part{"eraser", p.finishErasures})
	post, err := p.mailer()
	if err != nil {
		return err
	}
	p.parts = append(p.parts, part{"mailer", post.Run})
	if p.models != nil {
		p.parts = append(p.parts, part{"expirer", p.expirer().Run})
	}
	return nil
}

func (p *program) mailer() (*mailer.Mailer, error) {
	c := mailer.Config{App: p.app, Feed: p.feed, Outbox: outbox.New(p.pool), Sender: mailer.SenderFunc(p.send), Links: p.links(),
		Lease: p.lease, PublicURL: p.options.PublicURL, PortalName: p.options.PortalName, From: p.options.MailFrom, Logger: p.logger}
	if p.models != nil {
		c.Failed = readModels{p}.Failed
	}
	return mailer.New(c)
}

// mailed finds the link that stood in a mail.
func (p *program) mailed(ctx context.Context, message string) (l enroll.Link, ok bool, err error) {
	row, err := outbox.New(p.pool).Find(ctx, message)
	if row == nil || err != nil {
		return l, false, err
	}
	return enroll.Link{Account: row.Account, Invitation: row.Invitation, Generation: row.Generation}, true, nil
}

// mails lists mails of the outbox.
func (p *program) mails(ctx context.Context, query api.MailsQuery) (list []api.Mail, next *api.MailsCursor, err error) {
	rows, more, err := outbox.New(p.pool).List(ctx, query.Outcome, query.Limit, (*outbox.Place)(query.After))
	if more {
		last := rows[len(rows)-1]
		next = &api.MailsCursor{AddedAt: last.Since, Event: last.Event, Target: last.Target}
	}
	for _, r := range rows {
		m := api.Mail{Event: r.Event, Kind: string(r.Mail), Outcome: r.Outcome, Attempts: r.Attempts, AddedAt: r.Since, DoneAt: r.Done}
		if r.Done == nil {
			m.Outcome, m.DueAt = "waiting", &r.Due
		}
		if !r.Account.IsZero() {
			account := r.Account.String()
			m.Account = &account
		}
		if !r.Invitation.IsZero() {
			invitation := r.Invitation.String()
			m.Invitation = &invitation
		}
		list = append(list, m)
	}
	return list, next, err
}

// send hands a mail to the mail server or the inbox.
func (p *program) send(ctx context.Context, m mailer.Mail) error {
	err := p.sender.Send(ctx, mail.Message(m))
	var bounced *mail.Bounced
	var deferred *mail.Deferred
	switch {
	case errors.As(err, &bounced):
		return &mailer.Bounced{Reason: bounced.Reason}
	case errors.As(err, &deferred):
		return &mailer.Deferred{Reason: deferred.Reason}
	}
	return err
}

func (p *program) expirer() *expirer.Expirer {
	models := readModels{p}
	return expirer.New(expirer.Config{App: p.app, Due: models.due("invitations", projections.InvitationsDue), Ended: models.due("user_list", projections.MembershipsEnded),
		ToWarn: models.dueAfter("user_list", projections.MembershipsToWarn), ToRemind: models.dueAfter("invitations", projections.InvitationsToRemind),
		ByKeys: models.dueAfter("invitations", projections.InvitationsByKeys), PendingIn: models.PendingIn, Feed: p.feed, Lease: p.lease, Logger: p.logger})
}

// finishErasures finishes what the feed tells of erasures, in one process at a time.
func (p *program) finishErasures(ctx context.Context) error {
	return p.lease.Hold(ctx, eraser.Durable, func(ctx context.Context) error { return p.erase.Follow(ctx, p.feed) })
}

// serve answers on the listeners until the context ends, and says where.
func (p *program) serve(ctx context.Context, listener, ops net.Listener, io stdio) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	demo := ""
	if p.options.Demo {
		var err error
		if demo, err = p.fillDemo(ctx); err != nil {
			return err
		}
	}
	there, err := p.prepare(ctx)
	if err != nil {
		return err
	}
	for _, one := range p.parts {
		p.run(running, one.name, one.run)
	}
	site, health, err := p.handlers()
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	servers := []*http.Server{p.server(site), p.server(health)}
	for i, l := range []net.Listener{listener, ops} {
		go func() { failed <- servers[i].Serve(l) }()
	}
	if there {
		if err := p.await(ctx); err != nil {
			return err
		}
	}
	p.greet(io, ops, demo)
	select {
	case <-ctx.Done():
		p.draining.Store(true)
		select {
		case <-time.After(p.options.Drain):
		case err = <-failed:
		}
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, s := range servers {
		err = errors.Join(err, s.Shutdown(end))
	}
	return err
}

// prepareWithin is how long a start waits for a database before it serves without.
const prepareWithin = 5 * time.Second

// prepare makes the tables, unless the database is away: then it is tried again for as long as it takes. Tables that
// were made from another log are refused.
func (p *program) prepare(ctx context.Context) (there bool, err error) {
	if p.models == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, prepareWithin)
	defer cancel()
	if err = p.models.Prepare(ctx); err == nil {
		err = p.models.Check(ctx)
	}
	switch {
	case errors.Is(err, projections.ErrOtherLog):
		return false, fmt.Errorf("%w: restore the log that belongs to the database, or give it an empty one", err)
	case err != nil:
		p.logger.Warn("serving without the database for now", "err", err)
	}
	return err == nil, nil
}

func (p *program) server(h http.Handler) *http.Server {
	return &http.Server{Handler: lingering(h), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
}

// await waits until the read models serve, but not for ever: commands work without them.
func (p *program) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	last, err := p.app.Last(ctx)
	if err != nil {
		return err
	}
	for _, name := range readModelNames() {
		if err := p.models.WaitFor(ctx, name, last); err != nil {
			p.logger.Warn("serving before the read models are current", "projection", name, "err", err)
			return nil
		}
	}
	return nil
}

func readModelNames() []string {
	return []string{"archive", "user_list", "invitations", "audit", "accounts"}
}

// lastWithin is how long a scrape of metrics waits for a log elsewhere.
const lastWithin = 2 * time.Second

// metrics are those of HTTP, and how far the log, the feed and the read models are: their distances are what lags.
func (p *program) metrics() (*api.Metrics, error) {
	m := api.NewMetrics()
	trouble := m.Position("roster_log_position", "Position of the last commit of the log; NaN while the log is away.", func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), lastWithin)
		defer cancel()
		last, err := p.log.Last(ctx)
		if err != nil {
			return math.NaN()
		}
		return float64(last)
	})
	trouble = errors.Join(trouble, m.Position("roster_feed_position", "Position up to which this process has published the feed; 0 while another one does.",
		func() float64 { return float64(p.published()) }))
	if p.models == nil {
		return m, trouble
	}
	for _, name := range readModelNames() {
		trouble = errors.Join(trouble, m.Position("roster_projection_position", "Position of the last commit that a read model shows.",
			func() float64 { return float64(p.models.Position(name)) }, "projection", name))
	}
	return m, trouble
}

// handlers are the main listener's and the health's.
func (p *program) handlers() (site, health http.Handler, err error) {
	metrics, err := p.metrics()
	if err != nil {
		return nil, nil, err
	}
	config := api.Config{App: p.app, Access: p.access, Enroll: p.enroll, Links: p.links(), Eraser: p.erase, Models: p.models,
		PublicURL: p.options.PublicURL, PortalName: p.options.PortalName, Version: version, Ready: p.ready, Logger: p.logger,
		Cursor: p.keys.AddressHMAC("\x00cursors\x00"), Metrics: metrics}
	if p.pool != nil {
		config.Mailed, config.Mails = p.mailed, p.mails
	}
	proxies, err := p.options.proxies()
	if err != nil {
		return nil, nil, err
	}
	config.Origin = origin.Behind(proxies...)
	config.TXT = net.DefaultResolver.LookupTXT
	if p.places != nil {
		config.Place = p.places.Of
	}
	v1, err := api.New(config)
	if err != nil {
		return nil, nil, err
	}
	health = api.Ops(config)
	mux := http.NewServeMux()
	logo, err := p.options.logo()
	if err != nil {
		return nil, nil, err
	}
	err = web.Mount(mux, web.Config{App: p.app, Access: p.access, Links: p.links(), PublicURL: p.options.PublicURL, API: v1, Health: health,
		PortalName: p.options.PortalName, Logo: logo, Accent: p.options.Accent, HasInbox: p.inbox != nil, Portals: p.options.PortalOrigin, Frames: p.options.EmbedOrigin, Logger: p.logger, Origin: config.Origin})
	if err != nil {
		return nil, nil, err
	}
	if p.inbox != nil {
		mux.Handle("/dev/inbox", p.inbox.Page())
		mux.Handle("/dev/inbox/{id}", p.inbox.Page())
		mux.Handle("/dev/inbox.json", p.inbox.JSON())
	}
	return p.byName(asTyped(mux, v1)), health, nil
}

// asTyped hands paths with dots and empty parts to the API, which answers them, instead of having the mux redirect to
// another path than was asked for.
func asTyped(mux *http.ServeMux, v1 http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if clean := path.Clean(r.URL.Path); clean != r.URL.Path && clean+"/" != r.URL.Path {
			v1.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// byName sends browsers that come by IP to the public URL: cookies need a name.
func (p *program) byName(next http.Handler) http.Handler {
	public, err := url.Parse(p.options.PublicURL)
	if err != nil || public.Hostname() != "localhost" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if net.ParseIP(host) != nil && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" {
			to := url.URL{Scheme: public.Scheme, Host: public.Host, Path: r.URL.Path, RawQuery: r.URL.RawQuery}
			http.Redirect(w, r, to.String(), http.StatusFound)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ready says whether every part that answers is there.
func (p *program) ready(ctx context.Context) error {
	if p.draining.Load() {
		return errors.New("stopping")
	}
	if _, err := p.app.Last(ctx); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	if p.models == nil {
		return nil
	}
	if err := p.pool.Ping(ctx); err != nil {
		return errors.New("database: away")
	}
	return nil
}

// greet says that it serves, and on a first start where everything is.
func (p *program) greet(io stdio, ops net.Listener, demo string) {
	if p.first {
		_, _ = fmt.Fprintf(io.err, "page      %s/\n", p.options.PublicURL)
		if p.inbox != nil {
			_, _ = fmt.Fprintf(io.err, "inbox     %s/dev/inbox\n", p.options.PublicURL)
		}
		_, _ = fmt.Fprintf(io.err, "docs      %s/docs\nhealth    http://%s/readyz\ndata      %s\n", p.options.PublicURL, ops.Addr(), p.options.Data)
		if p.keyFile != "" {
			_, _ = fmt.Fprintf(io.err, "operator  the key is in %s\n", p.keyFile)
		}
		if demo == "" {
			_, _ = fmt.Fprintf(io.err, "setup     %s makes the first account, once\n", p.links().setup())
		}
	}
	if demo != "" {
		_, _ = fmt.Fprintln(io.err, demo)
	}
	_, _ = fmt.Fprintf(io.out, "roster is ready at %s\n", p.options.PublicURL)
}
