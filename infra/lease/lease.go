// Package lease gives a role to one process at a time, by an advisory lock of PostgreSQL.
package lease

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	retry      = time.Second // between two tries to get a role
	beat       = time.Second // between two looks whether the connection is alive
	answerSoon = 5 * time.Second
)

// ErrLost says that the connection that held the role is gone.
var ErrLost = errors.New("the role was lost with its connection")

// Locks hands out roles.
type Locks struct {
	pool   *pgxpool.Pool
	logger *slog.Logger
}

// New makes Locks. Each role held keeps a connection of its own, taken out of the pool.
func New(pool *pgxpool.Pool, logger *slog.Logger) *Locks { return &Locks{pool, logger} }

// Hold waits until no other process has the role, tries every second, runs fn while it has it, and answers what fn
// answers. A database that is away is waited for. When the connection dies, fn's ctx ends: another process may get
// the role a moment before fn has noticed, so that fn has to be fenced otherwise where that matters. When ctx ends
// before there is a role, fn is not called and ctx's error is answered.
func (l *Locks) Hold(ctx context.Context, role string, fn func(ctx context.Context) error) error {
	told := false
	for {
		conn, err := l.take(ctx, role)
		if ctx.Err() != nil {
			closeConn(conn)
			return ctx.Err()
		}
		if err != nil && !told {
			told = true
			l.logger.Warn("no role without the database", "role", role, "err", err)
		}
		if conn != nil {
			return hold(ctx, conn, fn)
		}
		timer := time.NewTimer(retry)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// take answers the connection that holds the role, or nil when somebody else has it.
func (l *Locks) take(ctx context.Context, role string) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerSoon)
	defer cancel()
	pooled, err := l.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	var got bool
	if err := pooled.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`, "roster."+role).Scan(&got); err != nil || !got {
		pooled.Release()
		return nil, err
	}
	conn := pooled.Hijack()
	// A machine that vanishes must not hold the role for hours.
	for _, setting := range []string{"tcp_keepalives_idle = 5", "tcp_keepalives_interval = 2", "tcp_keepalives_count = 3"} {
		if _, err := conn.Exec(ctx, "SET "+setting); err != nil {
			closeConn(conn)
			return nil, err
		}
	}
	return conn, nil
}

// hold runs fn while the connection lives.
func hold(ctx context.Context, conn *pgx.Conn, fn func(ctx context.Context) error) error {
	held, lose := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-held.Done():
				return
			}
			asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerSoon)
			_, err := conn.Exec(asking, "SELECT 1")
			cancel()
			if err != nil {
				lose(fmt.Errorf("%w: %w", ErrLost, err))
				return
			}
		}
	}()
	err := fn(held)
	if lost := context.Cause(held); errors.Is(lost, ErrLost) {
		err = errors.Join(lost, err)
	}
	lose(nil)
	<-watched
	closeConn(conn)
	return err
}

// closeConn ends the session and with it the lock.
func closeConn(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), answerSoon)
	defer cancel()
	_ = conn.Close(ctx) // whatever it answers, the socket is closed
}
