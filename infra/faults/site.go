package faults

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	natsgo "github.com/nats-io/nats.go"

	"roster/infra/nats/natstest"
	"roster/infra/postgres/launch"
)

// Site is data of a Roster with a portal in it, and the mail server that it sends to.
type Site struct {
	*Portal
	Data  string
	Mails *Mails
	// From is where the log ended when the portal was ready: what callers do stands behind it.
	From uint64
	// Nats is the server that has the log, and Database the one that has the rest; nil where the program has its own.
	Nats     *natstest.Server
	Database *launch.Server

	lab  *Lab
	args []string
}

// NewSite makes data with a portal of so many members. The program has been stopped cleanly: start it with Serve.
// Every start gets the arguments.
func (l *Lab) NewSite(ctx context.Context, members int, args ...string) (*Site, error) {
	data, err := l.Dir()
	if err != nil {
		return nil, err
	}
	return l.newSiteIn(ctx, data, members, args...)
}

// newSiteIn is NewSite in a directory that is there and empty.
func (l *Lab) newSiteIn(ctx context.Context, data string, members int, args ...string) (s *Site, err error) {
	return l.settle(ctx, &Site{Data: data, lab: l}, members, args...)
}

// NewExternalSite is NewSite with the log on a nats-server in a process of its own, and a PostgreSQL that is not the
// program's. Both run until the site is discarded or the lab closed.
func (l *Lab) NewExternalSite(ctx context.Context, members int, args ...string) (*Site, error) {
	data, err := l.Dir()
	if err != nil {
		return nil, err
	}
	s := &Site{Data: data, lab: l}
	s.Nats, err = natstest.Start(ctx, natstest.Config{Dir: filepath.Join(data, "nats"), SyncAlways: true})
	if err != nil {
		return nil, err
	}
	l.OnClose(s.Nats.Kill)
	if s.Database, err = launch.Start(ctx, launch.Config{Dir: data}); err != nil {
		return nil, err
	}
	l.OnClose(s.stopDatabase)
	return l.settle(ctx, s, members, append([]string{"--nats", s.Nats.URL, "--nats-monitor", s.Nats.Monitor, "--database", s.Database.URL("")}, args...)...)
}

// settle makes the portal of a site.
func (l *Lab) settle(ctx context.Context, s *Site, members int, args ...string) (_ *Site, err error) {
	if s.Mails, err = newMails(); err != nil {
		return nil, err
	}
	l.OnClose(s.Mails.close)
	s.args = append([]string{"--smtp", s.Mails.URL}, args...)
	p, err := l.Start(ctx, s.Serve())
	if err != nil {
		return nil, err
	}
	if s.Portal, err = setUp(ctx, p, members); err != nil {
		p.Kill()
		return nil, fmt.Errorf("the portal: %w: %s", err, p.Stderr())
	}
	if err := p.Stop(ctx); err != nil {
		return nil, err
	}
	h, err := s.Read(ctx)
	if err != nil {
		return nil, err
	}
	s.From = h.Last()
	return s, nil
}

// twin is the same site on a copy of its data, with a mail server of its own that has accepted the same.
func (s *Site) twin(data string) (*Site, error) {
	mails, err := newMails()
	if err != nil {
		return nil, err
	}
	s.lab.OnClose(mails.close)
	mails.accepted = s.Mails.Accepted()
	return &Site{Portal: s.Portal, Data: data, Mails: mails, From: s.From, lab: s.lab,
		args: append([]string{"--smtp", mails.URL}, s.args[2:]...)}, nil
}

// Serve says how the program is started on the site, with more arguments.
func (s *Site) Serve(args ...string) Serve {
	return Serve{Data: s.Data, Args: append(append([]string{}, s.args...), args...)}
}

// Start starts the program on the site, with more arguments, and waits until it is ready.
func (s *Site) Start(ctx context.Context, args ...string) (*Program, error) {
	return s.lab.Start(ctx, s.Serve(args...))
}

// Read reads the log and the feed of the site, whose program does not run.
func (s *Site) Read(ctx context.Context) (h *History, err error) {
	if s.Nats == nil {
		return Read(ctx, s.Data)
	}
	conn, err := natsgo.Connect(s.Nats.URL)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return ReadFrom(ctx, conn)
}

// Discard removes the site before the lab is closed: long forms make many.
func (s *Site) Discard() error {
	var err error
	if s.Nats != nil {
		err = errors.Join(s.Nats.Kill(), s.stopDatabase())
	}
	return errors.Join(err, s.lab.remove(s.Data))
}

func (s *Site) stopDatabase() error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return s.Database.Stop(ctx)
}

// WithDatabase connects to the database of the site, whose program does not run, for as long as f takes.
func (s *Site) WithDatabase(ctx context.Context, f func(*pgx.Conn) error) error {
	if s.Database == nil {
		return WithDatabase(ctx, s.Data, f)
	}
	conn, err := pgx.Connect(ctx, s.Database.URL(""))
	if err != nil {
		return err
	}
	return errors.Join(f(conn), conn.Close(ctx))
}
