package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"roster/infra/postgres/launch"
)

// lab is where a run happens: a temporary folder, a private PostgreSQL once somebody needs it, and the report.
type lab struct {
	o       Options
	dir     string
	report  Report
	closers []func() error // of the group that runs
	server  *launch.Server
	broken  error // why there is no PostgreSQL
	made    int   // folders and databases
}

// DefaultDir is where temporary data goes unless told: a disk, not memory, and for root one that PostgreSQL's own
// user can search.
func DefaultDir() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/tmp", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place for temporary data: %w: give one with --dir", err)
	}
	return filepath.Join(dir, "roster-bench"), nil
}

func (l *lab) open() error {
	parent := l.o.Dir
	if parent == "" {
		var err error
		if parent, err = DefaultDir(); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(parent, 0o711); err != nil {
		return fmt.Errorf("a place for temporary data: %w", err)
	}
	dir, err := os.MkdirTemp(parent, "bench-")
	if err != nil {
		return fmt.Errorf("a place for temporary data: %w", err)
	}
	l.dir = dir
	return os.Chmod(dir, 0o711) // searchable by the user that PostgreSQL runs as, readable by nobody else
}

// close ends everything and removes the folder.
func (l *lab) close() error {
	err := l.release()
	if l.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err = errors.Join(err, l.server.Stop(ctx))
	}
	return errors.Join(err, os.RemoveAll(l.dir))
}

// release ends what the group has opened, last first.
func (l *lab) release() error {
	var trouble error
	for i := len(l.closers) - 1; i >= 0; i-- {
		trouble = errors.Join(trouble, l.closers[i]())
	}
	l.closers = nil
	return trouble
}

func (l *lab) onClose(f func() error) { l.closers = append(l.closers, f) }

func (l *lab) say(format string, args ...any) {
	if l.o.Log != nil {
		_, _ = fmt.Fprintf(l.o.Log, format+"\n", args...)
	}
}

// wanted says whether rows whose names begin so have been asked for.
func (l *lab) wanted(name string) bool {
	return strings.HasPrefix(name, l.o.Only) || strings.HasPrefix(l.o.Only, name+"/")
}

// aside says that a contestant is not measured, because only those asked for are, without their baselines.
func (l *lab) aside(contestant string) bool {
	return l.o.Alone && !strings.HasPrefix(contestant, l.o.Only) && !strings.HasPrefix(l.o.Only, contestant+"/")
}

// row reports a row, when it has been asked for and measured.
func (l *lab) row(r Row) {
	if r.Count == 0 || !strings.HasPrefix(r.Name, l.o.Only) {
		return
	}
	l.report.Rows = append(l.report.Rows, r)
	if l.o.Notice != nil {
		l.o.Notice(r)
	}
}

// folder is a new one within the run's.
func (l *lab) folder() (string, error) {
	l.made++
	dir := filepath.Join(l.dir, fmt.Sprintf("portal%d", l.made))
	return dir, os.Mkdir(dir, 0o700)
}

// postgres starts the private PostgreSQL, once. It is durable, as the one that serves is.
func (l *lab) postgres(ctx context.Context) (*launch.Server, error) {
	if l.server != nil || l.broken != nil {
		return l.server, l.broken
	}
	dir := filepath.Join(l.dir, "postgres")
	if err := os.Mkdir(dir, 0o711); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // whatever the umask says
		return nil, err
	}
	// 64 callers of the baseline have a connection each.
	if err := os.WriteFile(filepath.Join(dir, "postgres.local.conf"), []byte("max_connections = '120'\n"), 0o644); err != nil {
		return nil, err
	}
	l.server, l.broken = launch.Start(ctx, launch.Config{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	return l.server, l.broken
}

// database makes an empty database; drop takes it away again, earlier than the end of the group.
func (l *lab) database(ctx context.Context, connections int) (pool *pgxpool.Pool, drop func() error, err error) {
	server, err := l.postgres(ctx)
	if err != nil {
		return nil, nil, err
	}
	l.made++
	name := fmt.Sprintf("bench%d", l.made)
	if err := execute(ctx, server.URL(""), "CREATE DATABASE "+name); err != nil {
		return nil, nil, err
	}
	config, err := pgxpool.ParseConfig(server.URL(name))
	if err != nil {
		return nil, nil, err
	}
	config.MaxConns = int32(connections)
	config.ConnConfig.RuntimeParams["synchronous_commit"] = "on"
	if pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, nil, err
	}
	done := false
	drop = func() error {
		if done {
			return nil
		}
		done = true
		pool.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		// Without force, which may not end an autovacuum: without it the server ends that itself, and waits.
		return execute(ctx, server.URL(""), "DROP DATABASE "+name)
	}
	l.onClose(drop)
	return pool, drop, nil
}

func execute(ctx context.Context, url, sql string) error {
	pool, err := pgxpool.New(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	_, err = pool.Exec(ctx, sql)
	return err
}
