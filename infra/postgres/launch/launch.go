// Package launch runs a private PostgreSQL as a child process: one cluster in
// the data directory, reachable over a Unix socket only, without a password,
// by the operating system's user that started it and by nobody else.
//
// Layout of the data directory (Config.Dir):
//
//	postgres/             the cluster
//	postgres.conf         settings, rewritten at every start
//	postgres.local.conf   an operator's own settings, optional, never written
//	postgres.hba, .ident  who may connect, rewritten at every start
//	postgres.log          the server's log, emptied at a start once over 10 MB
//	postgres.lock         held by the one process that may run this cluster
//	postgres.run/         the socket, where the path is short enough
//
// A process that is killed leaves nothing the next Start cannot pick up: the
// server ends with the process that started it, a half-made cluster is never
// taken for a whole one, and left-over lock files are recognised as such.
package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Role is the database role the program connects as. It owns the database of
// the same name and may create others; it is not a superuser.
const Role = "roster"

const (
	superuser = "postgres"
	port      = 5432 // names the socket file; no port is opened

	lockWait  = 5 * time.Second  // for another process to let go of the data directory
	oldWait   = 15 * time.Second // for a server left by a killed process to end
	killWait  = 5 * time.Second  // between two harsher ways of stopping
	pollEvery = 10 * time.Millisecond
)

// Config says where and how to run the server.
type Config struct {
	// Dir is the program's data directory, made where missing. As root its
	// parents must be searchable by the user PostgreSQL runs as; Dir itself is
	// made searchable, never readable.
	Dir string
	// Log is told of unexpected ends and restarts; nil: nobody is. The
	// server's own messages go to postgres.log.
	Log *slog.Logger
	// Fast gives up durability for speed: for tests, and only there.
	Fast bool
	// Templates, with Fast, is a folder in which freshly initialised clusters
	// are kept, to be copied instead of made again; "" keeps none.
	Templates string
}

// Server is a running private PostgreSQL. Its methods may be called from any
// goroutine.
type Server struct {
	place  place
	fast   bool
	log    *slog.Logger
	lock   io.Closer
	server account
	bin    binaries

	stop     chan struct{} // closed when Stop was called first
	done     chan struct{} // closed when the server ended for good
	stopOnce sync.Once

	mu       sync.Mutex
	process  *os.Process // nil between two lives
	stopping bool
	down     error // why the server does not run now; nil while it does
}

// Start makes the cluster on first use, starts the server and returns once it
// answers queries and the role and database "roster" exist. A server left over
// by a killed process is waited for. ctx bounds Start alone, not the server's
// life. Every error is one line that says what to do about it.
func Start(ctx context.Context, c Config) (*Server, error) {
	s, err := start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("private PostgreSQL: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, c Config) (*Server, error) {
	if !supported {
		return nil, errors.New("it needs a Unix system; give the address of a database instead")
	}
	me, server, err := accounts()
	if err != nil {
		return nil, err
	}
	p, err := open(c.Dir, server)
	if err != nil {
		return nil, err
	}
	lock, err := acquire(ctx, p.lock)
	if err != nil {
		return nil, err
	}
	s := &Server{
		place: p, fast: c.Fast, log: c.Log, lock: lock, server: server,
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.prepare(ctx, me, c.Templates); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	from := p.logSize()
	go s.supervise()
	if err := s.await(ctx, from); err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), killWait)
		defer cancel()
		_ = s.Stop(end) // the error that is worth telling is err
		return nil, err
	}
	return s, nil
}

// prepare brings the data directory into the state a server can start on.
func (s *Server) prepare(ctx context.Context, me string, templates string) error {
	major, err := s.place.major()
	if err != nil {
		return err
	}
	if s.bin, err = find(ctx, s.server, major); err != nil {
		return err
	}
	if err := s.place.write(me, s.bin.major, s.fast); err != nil {
		return err
	}
	if major == 0 {
		if !s.fast {
			templates = ""
		}
		if err := s.place.create(ctx, s.bin, s.server, s.fast, templates); err != nil {
			return err
		}
	}
	if err := s.settle(ctx.Done()); err != nil {
		return err
	}
	return s.place.own(s.server)
}

// await returns once the server answers and has its role and database. from
// is where in the log this start's messages begin.
func (s *Server) await(ctx context.Context, from int64) error {
	patience := time.Now().Add(oldWait)
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		err := s.furnish(ctx)
		if err == nil {
			return nil
		}
		s.mu.Lock()
		down := s.down
		s.mu.Unlock()
		if down != nil {
			why := s.place.complaint(from)
			if !passing(why) || time.Now().After(patience) {
				return fmt.Errorf("it ended while starting (%s): see %s", firstOf(why, down.Error()), s.place.log)
			}
		}
		if lasting(err) {
			return fmt.Errorf("its role and database cannot be made: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it did not answer in time (%w): see %s", context.Cause(ctx), s.place.log)
		}
	}
}

// furnish makes the role and the database where they are missing.
func (s *Server) furnish(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.dsn(superuser, "postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	for _, one := range []struct{ exists, create string }{
		{"select exists (select from pg_roles where rolname = $1)", "create role " + Role + " login createdb in role pg_monitor"},
		{"select exists (select from pg_database where datname = $1)", "create database " + Role + " owner " + Role},
	} {
		var exists bool
		if err := conn.QueryRow(ctx, one.exists, Role).Scan(&exists); err != nil {
			return err
		}
		if exists {
			continue
		}
		if _, err := conn.Exec(ctx, one.create); err != nil {
			return err
		}
	}
	return nil
}

// URL is the address of a database for pgx or any libpq client, as the role
// "roster". It stays the same over restarts. "" means the database "roster".
func (s *Server) URL(database string) string {
	return s.dsn(Role, firstOf(database, Role))
}

func (s *Server) dsn(role, database string) string {
	q := url.Values{"host": {s.place.socket}, "port": {strconv.Itoa(port)}, "sslmode": {"disable"}}
	u := url.URL{Scheme: "postgres", User: url.User(role), Path: "/" + database, RawQuery: q.Encode()}
	return u.String()
}

// PID is the server's process, 0 while it does not run.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process == nil {
		return 0
	}
	return s.process.Pid
}

// Exited is closed when the server ended for good. Only Stop brings that
// about: a server that dies on its own is started again.
func (s *Server) Exited() <-chan struct{} { return s.done }

// Err says why the server does not run at the moment: nil while it runs and
// after a Stop that needed no force.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.down
}

// Stop ends the server and frees the data directory. Sessions are cut off,
// what was committed is kept (with Fast: may be lost). When ctx ends first the
// server is ended by force, which costs the next start a recovery but no
// committed data, and Stop says so. Further calls wait for the same end.
func (s *Server) Stop(ctx context.Context) error {
	gentle := syscall.SIGINT
	if s.fast {
		gentle = syscall.SIGQUIT
	}
	s.stopOnce.Do(func() {
		s.mu.Lock()
		s.stopping = true
		s.mu.Unlock()
		close(s.stop)
	})
	s.signal(gentle)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	for _, harsh := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		s.signal(harsh)
		wait := time.NewTimer(killWait)
		select {
		case <-s.done:
			wait.Stop()
			return fmt.Errorf("private PostgreSQL: it was stopped by force (%s), not in the time given: %w", harsh, context.Cause(ctx))
		case <-wait.C:
		}
	}
	return fmt.Errorf("private PostgreSQL: process %d cannot be ended: %w", s.PID(), context.Cause(ctx))
}

// signal reaches the running server, if there is one.
func (s *Server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		_ = s.process.Signal(sig) // fails only when it has ended
	}
}

func firstOf(a, b string) string {
	if strings.TrimSpace(a) != "" {
		return a
	}
	return b
}
