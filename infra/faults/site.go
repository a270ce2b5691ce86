package faults

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
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

	lab    *Lab
	args   []string
	waited bool // for mails, once
}

// template is the site that all of its kind are copies of: to make one takes longer than most of what is done to it.
type template struct {
	mu   sync.Mutex
	site *Site // nil: not made yet
}

func (t *template) get(make func() (*Site, error)) (_ *Site, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.site == nil {
		t.site, err = make()
	}
	return t.site, err
}

// mostMembers is how many a template has.
const mostMembers = 16

// NewSite makes data with a portal of so many members, at most 16. The program has been stopped cleanly: start it with
// Serve.
func (l *Lab) NewSite(ctx context.Context, members int) (*Site, error) {
	data, err := l.Dir()
	if err != nil {
		return nil, err
	}
	return l.newSiteIn(ctx, data, members)
}

// newSiteIn is NewSite in a directory that is there and empty.
func (l *Lab) newSiteIn(ctx context.Context, data string, members int) (*Site, error) {
	made, err := l.embedded.get(func() (*Site, error) {
		data, err := l.Dir()
		if err != nil {
			return nil, err
		}
		return l.settle(ctx, &Site{Data: data, lab: l}, mostMembers)
	})
	if err != nil {
		return nil, err
	}
	return made.copyTo(ctx, data, members)
}

// NewExternalSite is NewSite with the log on a nats-server in a process of its own, and a PostgreSQL that is not the
// program's. Both run until the site is discarded or the lab closed.
func (l *Lab) NewExternalSite(ctx context.Context, members int) (*Site, error) {
	made, err := l.external.get(func() (*Site, error) {
		data, err := l.Dir()
		if err != nil {
			return nil, err
		}
		s := &Site{Data: data, lab: l}
		outside, err := s.surround(ctx)
		if err != nil {
			return nil, err
		}
		if s, err = l.settle(ctx, s, mostMembers, outside...); err != nil {
			return nil, err
		}
		return s, errors.Join(natstest.Stop(s.Nats), s.stopDatabase())
	})
	if err != nil {
		return nil, err
	}
	data, err := l.Dir()
	if err != nil {
		return nil, err
	}
	s, err := made.copyTo(ctx, data, members)
	if err != nil {
		return nil, err
	}
	outside, err := s.surround(ctx)
	s.args = append(s.args, outside...)
	return s, err
}

// surround starts the servers of an external site, and answers the flags that name them.
func (s *Site) surround(ctx context.Context) (flags []string, err error) {
	if s.Nats, err = natstest.Start(ctx, natstest.Config{Dir: filepath.Join(s.Data, "nats"), SyncAlways: true}); err != nil {
		return nil, err
	}
	s.lab.OnClose(s.Nats.Kill)
	if s.Database, err = launch.Start(ctx, launch.Config{Dir: s.Data}); err != nil {
		return nil, err
	}
	s.lab.OnClose(s.stopDatabase)
	return []string{"--nats", s.Nats.URL, "--nats-monitor", s.Nats.Monitor, "--database", s.Database.URL("")}, nil
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

// copyTo is a twin on a copy of the site's data, with so many of its members.
func (s *Site) copyTo(ctx context.Context, data string, members int) (*Site, error) {
	if members > len(s.Members) {
		return nil, fmt.Errorf("a site has %d members, not %d", len(s.Members), members)
	}
	if err := command(ctx, "cp", "-a", "--reflink=auto", s.Data+"/.", data); err != nil {
		return nil, err
	}
	t, err := s.twin(data)
	if err == nil {
		portal := *s.Portal
		portal.Members = portal.Members[:members:members]
		t.Portal = &portal
	}
	return t, err
}

// twin is the same site on data that are a copy of its own, with a mail server of its own that has accepted the same.
func (s *Site) twin(data string) (*Site, error) {
	mails, err := newMails()
	if err != nil {
		return nil, err
	}
	s.lab.OnClose(mails.close)
	mails.accepted = s.Mails.Accepted()
	return &Site{Portal: s.Portal, Data: data, Mails: mails, From: s.From, lab: s.lab, args: []string{"--smtp", mails.URL}}, nil
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
