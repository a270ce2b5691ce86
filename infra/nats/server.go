// Package nats runs a NATS server inside the process, with a store that one process at a time may use, and
// connects to it or to a server elsewhere.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
)

const (
	readyWithin  = 60 * time.Second // a start after kill -9 re-reads blocks
	drainWithin  = 5 * time.Second
	maxPayload   = 2 << 20 // bytes; a commit has at most 256 KiB
	maxBatch     = 1000    // messages in one atomic batch
	maxBatches   = 50      // open atomic batches
	batchTimeout = 10 * time.Second
	// syncNever keeps the server from syncing by a timer: it would see an error of the disk that we then would not.
	syncNever = 10 * 365 * 24 * time.Hour
)

// Config says where the embedded server keeps its streams and where it logs. A nil Log discards.
type Config struct {
	Dir string
	Log *slog.Logger
	// GroupCommit has the server acknowledge what is not on disk yet: whoever writes to a stream or reads from it
	// asks Synced before he relies on a message, and one sync serves all who ask. Where it cannot be promised (not
	// Linux, not ext4) the server syncs every message as without it, and Synced has nothing to wait for.
	GroupCommit bool
}

// Server is a NATS server in this process. It listens on no port.
type Server struct {
	srv   *server.Server
	lock  *dirLock
	log   *slog.Logger
	dir   string
	group bool // messages are synced by barriers

	mu       sync.Mutex
	conns    []*client
	barriers map[string]*barrier // by stream
	rounds   sync.WaitGroup      // of barriers
	done     bool
}

type client struct {
	conn   *natsgo.Conn
	closed chan struct{}
}

// Embedded starts a server on a directory, made if it is missing, and answers when JetStream is ready. Every
// acknowledged message of its streams has been synced to disk, unless cfg asks for group commit.
//
// A directory that another process uses, or that cannot be written, is an error of one line.
func Embedded(ctx context.Context, cfg Config) (*Server, error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	lock, err := lockDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	s := &Server{lock: lock, log: log, dir: filepath.Clean(cfg.Dir), barriers: map[string]*barrier{}}
	if cfg.GroupCommit {
		s.group, err = canGroup(cfg.Dir)
	}
	if err == nil {
		s.srv, err = start(ctx, s.dir, s.group, log)
	}
	if err != nil {
		return nil, errors.Join(err, lock.release())
	}
	return s, nil
}

func start(ctx context.Context, dir string, group bool, log *slog.Logger) (*server.Server, error) {
	room, err := roomFor(dir)
	if err == nil && group {
		err = errors.Join(begin(dir), giveBack(dir))
	}
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	srv, err := server.NewServer(&server.Options{
		ServerName:        "roster",
		DontListen:        true,
		NoSigs:            true,
		MaxPayload:        maxPayload,
		JetStream:         true,
		StoreDir:          dir,
		SyncAlways:        !group,
		SyncInterval:      syncNever,
		JetStreamMaxStore: room,
		JetStreamLimits: server.JSLimitOpts{
			MaxBatchSize:              maxBatch,
			MaxBatchInflightPerStream: maxBatches,
			MaxBatchInflightTotal:     maxBatches,
			MaxBatchTimeout:           batchTimeout,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	logger := &serverLog{log: log}
	srv.SetLoggerV2(logger, false, false, false)
	srv.Start() // returns once streams are recovered
	wait := readyWithin
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	if srv.ReadyForConnections(wait) && srv.JetStreamEnabled() {
		return srv, nil
	}
	srv.Shutdown()
	srv.WaitForShutdown()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("embedded NATS on %s: %w", dir, err)
	}
	return nil, fmt.Errorf("embedded NATS on %s does not start: %s", dir, logger.why())
}

// Connect opens a connection inside the process. Close closes it, should its owner not have done so.
func (s *Server) Connect() (*natsgo.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil, errClosed
	}
	c := &client{closed: make(chan struct{})}
	conn, err := natsgo.Connect("", append(always(s.log),
		natsgo.InProcessServer(s.srv),
		natsgo.ReconnectWait(50*time.Millisecond),
		natsgo.ClosedHandler(func(*natsgo.Conn) { close(c.closed) }),
	)...)
	if err != nil {
		return nil, fmt.Errorf("connect to the embedded NATS: %w", err)
	}
	c.conn = conn
	s.conns = append(s.conns, c)
	return conn, nil
}

// Close drains the connections, stops the server and frees the directory. It may be called more than once.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	s.done = true
	for _, c := range s.conns {
		_ = c.conn.Drain() // an error says that it is closed or closes at once
	}
	timeout := time.NewTimer(drainWithin)
	defer timeout.Stop()
	for _, c := range s.conns {
		select {
		case <-c.closed:
		case <-timeout.C:
			timeout.Reset(0) // the others get no further time either
			c.conn.Close()
			<-c.closed
		}
	}
	for _, b := range s.barriers {
		b.fail(errClosed) // unless a sync has failed before
	}
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
	s.rounds.Wait()
	var err error
	for _, b := range s.barriers {
		err = errors.Join(err, b.files.close())
	}
	if s.group && !s.failed() {
		err = errors.Join(err, finish(s.dir))
	}
	return errors.Join(err, s.lock.release())
}

// failed says whether a sync has failed.
func (s *Server) failed() bool {
	for _, b := range s.barriers {
		if errors.Is(b.failure(), ErrSync) {
			return true
		}
	}
	return false
}

// serverLog passes the server's warnings and errors on.
type serverLog struct {
	log *slog.Logger

	mu   sync.Mutex
	last string
}

func (l *serverLog) why() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return "JetStream is not ready in time"
	}
	return l.last
}

func (l *serverLog) keep(format string, v []any) string {
	text := fmt.Sprintf(format, v...)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = text
	return text
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}

func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Warn("nats server", "message", fmt.Sprintf(format, v...))
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.log.Error("nats server", "message", l.keep(format, v))
}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.log.Error("nats server", "message", l.keep(format, v))
}

// roomFor is how many bytes streams on dir may take: what they take now and nine tenths of what is free. The
// server then refuses a message cleanly, where a full disk would stop its streams until a restart.
func roomFor(dir string) (int64, error) {
	used, err := usedBytes(dir)
	if err != nil {
		return 0, err
	}
	free, err := freeBytes(dir)
	if err != nil {
		return 0, err
	}
	return used + min(free, math.MaxInt64-used)/10*9, nil
}
