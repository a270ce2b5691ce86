package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/nats-io/nats.go/jetstream"

	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/enroll"
	"roster/handlers/eraser"
	"roster/infra/eventlog"
	"roster/infra/feedlog"
	"roster/infra/geoip"
	"roster/infra/keyring"
	"roster/infra/lease"
	"roster/infra/mail"
	"roster/infra/nats"
	"roster/infra/oidc"
	"roster/infra/passkey"
	"roster/infra/password"
	"roster/infra/postgres/launch"
	"roster/infra/postgres/snapshots"
	"roster/infra/sealer"
	"roster/infra/seen"
	"roster/infra/sms"
	"roster/infra/token"
	"roster/infra/vault"
	"roster/projections"
)

// connectWithin is how long a database may take to answer a new connection.
const connectWithin = 3 * time.Second

// program is everything that runs, in the order in which it was started; close stops it in reverse.
type program struct {
	options *serveCmd
	logger  *slog.Logger

	keys   *keyring.Keyring
	log    *eventlog.Log
	sealer *sealer.Sealer
	app    *handlers.App
	access *access.Access
	enroll *enroll.Enroll
	erase  *eraser.Eraser
	feed   *feedlog.Feed
	pool   *pgxpool.Pool
	models *projections.Runner // nil with --no-projections
	lease  *lease.Locks
	inbox  *mail.Inbox // nil with --smtp
	sender mail.Sender
	places *geoip.Places // nil without --geoip

	shared      bool // others write to the log as well
	made        bool // the log was made by this start
	first       bool // nobody has used it yet
	operatorKey string
	operatorID  string
	keyFile     string
	clock       atomic.Int64  // nanoseconds by which commands are decided ahead of the clock: those of the flag, but while the demo is made
	published   func() uint64 // how far this process has brought the feed
	parts       []part        // what runs in the background once it serves
	background  sync.WaitGroup
	stop        context.CancelFunc
	draining    atomic.Bool
	closers     []func() error
}

// part is something that runs in the background until the context ends.
type part struct {
	name string
	run  func(context.Context) error
}

func (p *program) onClose(f func() error) { p.closers = append(p.closers, f) }

// close stops what was started, last first, and answers every trouble on the way.
func (p *program) close() error {
	if p.stop != nil {
		p.stop()
	}
	p.background.Wait()
	var trouble error
	for i := len(p.closers) - 1; i >= 0; i-- {
		trouble = errors.Join(trouble, p.closers[i]())
	}
	return trouble
}

// start makes everything ready to serve. What it cannot have it says in one line.
func start(ctx context.Context, options *serveCmd, logger *slog.Logger) (_ *program, err error) {
	p := &program{options: options, logger: logger}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	steps := []func(context.Context) error{p.startLog, p.startCommands, p.startPortal, p.startDatabase, p.startModels, p.startMail, p.startFeed, p.startSessions}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// startSessions lets all copies know when sessions were used last, and where addresses are.
func (p *program) startSessions(context.Context) (err error) {
	if p.pool != nil {
		p.access.UseSeen(seen.New(p.pool))
	}
	if err := p.startTexts(); err != nil {
		return err
	}
	switch keys, err := passkey.New(p.options.PublicURL, p.options.PortalName); {
	case errors.Is(err, passkey.ErrNoName): // then there are none
	case err != nil:
		return err
	default:
		p.access.UsePasskeys(keys)
	}
	p.access.UseProviders(oidc.New(oidc.Options{AllowPrivate: p.options.SSOPrivate}), p.options.PublicURL+"/sign-in/sso/callback")
	p.parts = append(p.parts, part{"sessions", func(ctx context.Context) error { return p.access.KeepSeen(ctx, p.logger) }})
	if p.options.GeoIP == "" {
		return nil
	}
	if p.places, err = geoip.Open(p.options.GeoIP); err != nil {
		return fmt.Errorf("--geoip %s: %w", p.options.GeoIP, err)
	}
	p.onClose(p.places.Close)
	return nil
}

// startTexts lets codes be sent by SMS: by the gateway, or into the inbox where there is one.
func (p *program) startTexts() error {
	text := strings.ReplaceAll(p.options.SMSText, "{portal}", p.options.PortalName)
	if p.options.SMS != "" {
		gateway, err := sms.Open(p.options.SMS)
		if err != nil {
			return fmt.Errorf("--sms: %w", err)
		}
		p.onClose(gateway.Close)
		p.access.UseTexts(gateway, text)
	} else if p.inbox != nil {
		p.access.UseTexts(textInbox{p.inbox}, text)
	}
	return nil
}

// textInbox shows messages beside the mails.
type textInbox struct{ inbox *mail.Inbox }

// Text keeps a message.
func (t textInbox) Text(ctx context.Context, to, text string) error {
	return t.inbox.Send(ctx, mail.Message{ID: "sms." + uuid.NewString(), To: to, Subject: "SMS", Text: text})
}

// openKeyring reads the keyring, or makes it for data that is new. A log that is there already and whose keyring is
// not is given no other: that would open nothing in it.
func openKeyring(dir string, log bool) (*keyring.Keyring, error) {
	path, env := filepath.Join(dir, "keyring.json"), os.Getenv("ROSTER_KEYRING")
	_, gone := os.Stat(path)
	if strings.TrimSpace(env) == "" && errors.Is(gone, fs.ErrNotExist) && log {
		return nil, fmt.Errorf("%s is gone, and nothing in the log can be read without it: put its copy back, or set ROSTER_KEYRING", path)
	}
	keys, _, err := keyring.Load(path, env, time.Now())
	return keys, err
}

// startLog opens the keyring, the log and the vault.
func (p *program) startLog(ctx context.Context) error {
	if p.options.NATS.URLs != "" {
		return p.startRemoteLog(ctx)
	}
	_, err := os.Stat(filepath.Join(p.options.Data, "log", "jetstream"))
	if p.keys, err = openKeyring(p.options.Data, err == nil); err != nil {
		return err
	}
	server, err := nats.Embedded(ctx, nats.Config{Dir: filepath.Join(p.options.Data, "log"), Log: p.logger, GroupCommit: true})
	if err != nil {
		return err
	}
	p.onClose(server.Close)
	conn, err := server.Connect()
	if err != nil {
		return err
	}
	p.log, err = eventlog.Open(ctx, conn, p.options.LogName, eventlog.OnDisk(server))
	if err != nil {
		return err
	}
	p.onClose(func() error { p.log.Close(); return nil })
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	return p.openStreams(ctx, js, server, 1)
}

// disk says when what a server has acknowledged is on disk.
type disk interface {
	vault.Disk
	feedlog.Disk
}

// openStreams opens the feed and the vault. disk is nil where what is acknowledged needs nothing more.
func (p *program) openStreams(ctx context.Context, js jetstream.JetStream, disk disk, replicas int) error {
	var err error
	p.feed, err = feedlog.Open(ctx, js, p.options.LogName, feedlog.Options{Replicas: replicas, Disk: disk})
	if err != nil {
		return err
	}
	last, err := p.log.Last(ctx)
	if err != nil {
		return err
	}
	v, err := vault.Open(ctx, js, p.keys, vault.Options{Name: p.options.LogName, Rand: rand.Reader, Replicas: replicas, Existing: last > 0, Disk: disk})
	switch {
	case errors.Is(err, vault.ErrNoVault):
		return errors.New("the log has facts and the vault is gone, and with it the keys that open them: restore the vault beside the log")
	case err != nil:
		return err
	case last == 0 && v.Used():
		if last, err = p.log.Last(ctx); err != nil || last > 0 { // another copy has begun it meanwhile
			break
		}
		return errors.New("the vault has keys and the log is empty: restore the log beside the vault, or choose another --data")
	}
	p.sealer = sealer.New(v, rand.Reader)
	return err
}

// startCommands makes the write path and checks that log and keyring belong together.
func (p *program) startCommands(ctx context.Context) error {
	p.clock.Store(int64(p.options.ClockAhead))
	if p.options.Demo {
		p.clock.Store(int64(-demoBegins)) // before the first fact: time never goes back within a boundary
	}
	p.app = handlers.NewApp(handlers.Config{Log: p.log, Sealer: p.sealer, MACs: p.keys, Build: version, Logger: p.logger, Shared: p.shared,
		Clock: func() time.Time { return time.Now().Add(time.Duration(p.clock.Load())) }})
	if p.shared {
		p.parts = append(p.parts, part{"follower of the log", p.app.Follow})
	}
	var err error
	if p.made, err = p.app.Start(ctx, p.keys.Fingerprint()); err != nil {
		return err
	}
	hasher, err := password.New(password.Recommended(), 2, rand.Reader)
	if err != nil {
		return err
	}
	p.access = access.New(p.app, p.sealer, hasher, token.Tokens{AddressHMAC: p.keys.AddressHMAC})
	p.access.UsePortalName(p.options.PortalName)
	p.access.UsePortals(p.options.PortalOrigin)
	if len(p.options.EmbedOrigin) > 0 {
		p.access.UseFrames()
	}
	p.enroll = &enroll.Enroll{App: p.app, Access: p.access}
	if p.operatorKey, p.keyFile, err = operatorKey(p.options.Data); err != nil {
		return err
	}
	if p.operatorID, err = knowOperator(ctx, p.app, p.operatorKey); err != nil {
		return err
	}
	p.first, err = p.unused(ctx)
	return err
}

// unused says that there is no account yet: this start is the first, or those before it came to nothing.
func (p *program) unused(ctx context.Context) (bool, error) {
	const few = 100 // a log that has more has been used
	last, err := p.log.Last(ctx)
	if err != nil || last > few {
		return false, err
	}
	records, err := p.log.Read(ctx, 0, few)
	if err != nil {
		return false, err
	}
	portal, _, err := p.app.Portal(ctx)
	return err == nil && !portal.SetUp && !slices.ContainsFunc(records, func(r events.Record) bool {
		return r.Boundary.Kind != events.SystemBoundary && r.Boundary.Kind != events.PortalBoundary
	}), err
}

// startDatabase starts the private PostgreSQL, or only notes where the other one is: commands work without it.
func (p *program) startDatabase(ctx context.Context) error {
	dsn := p.options.Database
	if dsn == "" {
		server, err := launch.Start(ctx, launch.Config{Dir: p.options.Data, Log: p.logger})
		if err != nil {
			return err
		}
		p.onClose(func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			defer cancel()
			return server.Stop(ctx)
		})
		dsn = server.URL("")
	}
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return errors.New("--database is no PostgreSQL URL: want postgres://user:password@host/database")
	}
	config.MaxConns = 24
	config.ConnConfig.ConnectTimeout = connectWithin
	// A question over many accounts looks so dear to PostgreSQL that it compiles it, which takes longer than answering it.
	config.ConnConfig.RuntimeParams["jit"] = "off"
	p.pool, err = pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("--database: %w", err)
	}
	p.onClose(func() error { p.pool.Close(); return nil })
	p.lease = lease.New(p.pool, p.logger)
	p.app.UseSnapshots(snapshots.New(p.pool, snapshots.AnswerWithin))
	p.parts = append(p.parts, part{"snapshots", p.app.KeepSnapshots})
	return nil
}

// startModels registers the read models.
func (p *program) startModels(context.Context) error {
	if !p.options.NoProjections {
		p.models = projections.New(p.pool, p.log, sealer.Opener{Sealer: p.sealer}, p.logger,
			projections.Archive(), projections.UserList(), projections.Invitations(), projections.Audit(), projections.Accounts())
		p.parts = append(p.parts, part{"projections", p.project})
	}
	var invitations eraser.Invitations // none without read models
	if p.models != nil {
		invitations = readModels{p}
	}
	p.erase = eraser.New(p.app, p.sealer, invitations)
	return nil
}

// project prepares the tables and keeps them current, however often the database goes away.
func (p *program) project(ctx context.Context) error {
	if err := p.models.Prepare(ctx); err != nil {
		return err
	}
	return p.models.Run(ctx)
}

func (p *program) startMail(context.Context) error {
	var err error
	if p.options.SMTP != "" {
		p.sender, err = mail.SMTP(p.options.SMTP)
		return err
	}
	p.inbox, err = mail.OpenInbox(filepath.Join(p.options.Data, "inbox"))
	p.sender = p.inbox
	return err
}

// run keeps a part going until the context ends: when it fails it is told and started again, later each time.
func (p *program) run(ctx context.Context, name string, part func(context.Context) error) {
	p.background.Go(func() {
		for wait := 200 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 10*time.Second) {
			since := time.Now()
			err := part(ctx)
			if ctx.Err() != nil {
				return
			}
			if time.Since(since) > time.Minute {
				wait = 200 * time.Millisecond
			}
			p.logger.Error("stopped, and is started again", "part", name, "err", err, "after", wait)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
		}
	})
}
