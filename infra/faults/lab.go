package faults

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"roster/infra/postgres/launch/scratch"
)

// Options say where and how faults are run.
type Options struct {
	// Root is the repository; "" is the one that the process is in.
	Root string
	// Program is Roster's binary; "" is built from the repository.
	Program string
	// Seed makes the same choices again. What the machine decides, such as how far a program came, stays its own.
	Seed uint64
	// Short keeps a fault to what its promise needs, as in the tests: it does not wait for what comes late.
	Short bool
	// Log is told how it goes.
	Log io.Writer
}

// Lab is where faults are run. Its methods may be used from everywhere at once.
type Lab struct {
	Options

	dir   string
	began time.Time

	embedded, external template

	mu       sync.Mutex
	made     int
	programs map[*Program]bool
	cleanups []func() error
}

// NewLab makes a place for faults, and the program where none is given. The caller closes it.
func NewLab(ctx context.Context, o Options) (*Lab, error) {
	if o.Log == nil {
		o.Log = io.Discard
	}
	l := &Lab{Options: o, began: time.Now(), programs: map[*Program]bool{}}
	var err error
	if l.Root == "" {
		if l.Root, err = root(); err != nil {
			return nil, err
		}
	}
	if l.dir, err = scratch.Dir(); err != nil {
		return nil, fmt.Errorf("a place for the data: %w", err)
	}
	if l.Program == "" {
		l.Program = filepath.Join(l.dir, "roster")
		if err := l.Build(ctx, l.Root, l.Program); err != nil {
			return nil, errors.Join(err, l.Close())
		}
	}
	return l, nil
}

// root is the folder with go.mod, here or above.
func root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod here or above: run it in the repository")
		}
		dir = parent
	}
}

// Build builds the program of a repository.
func (l *Lab) Build(ctx context.Context, root, path string, flags ...string) error {
	args := append(append([]string{"build", "-o", path}, flags...), "./cmd/roster")
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/roster: %w: %s", err, out)
	}
	return nil
}

// Close ends every program that still runs and removes all data.
func (l *Lab) Close() error {
	l.mu.Lock()
	cleanups := l.cleanups
	var running []*Program
	for p := range l.programs {
		running = append(running, p)
	}
	l.cleanups = nil
	l.mu.Unlock()
	for _, p := range running {
		p.Kill()
	}
	var trouble error
	for i := len(cleanups) - 1; i >= 0; i-- {
		trouble = errors.Join(trouble, cleanups[i]())
	}
	return errors.Join(trouble, l.remove(l.dir))
}

// OnClose has something done when the lab is closed, before its data is removed, last first.
func (l *Lab) OnClose(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cleanups = append(l.cleanups, f)
}

// Dir makes a new, empty data directory. As root, PostgreSQL's own user may search it.
func (l *Lab) Dir() (string, error) {
	l.mu.Lock()
	l.made++
	dir := filepath.Join(l.dir, fmt.Sprintf("data%d", l.made))
	l.mu.Unlock()
	if err := os.Mkdir(dir, 0o711); err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711) // whatever the umask says
}

// Discard removes a data directory before the lab is closed: long forms make many.
func (l *Lab) Discard(dir string) error { return l.remove(dir) }

// remove removes a folder in which a PostgreSQL that was killed may still be about to end.
func (l *Lab) remove(dir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	_ = Until(ctx, func() bool { err = os.RemoveAll(dir); return err == nil })
	return err
}

// Rand is a source of choices that depends on the seed and the name alone.
func (l *Lab) Rand(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // it never fails
	return rand.New(rand.NewPCG(l.Seed, h.Sum64()))
}

// Say tells how it goes.
func (l *Lab) Say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = fmt.Fprintf(l.Log, "%7.1fs  %s\n", time.Since(l.began).Seconds(), fmt.Sprintf(format, args...))
}

// Until polls until ok, or until the context ends, whose error it answers.
func Until(ctx context.Context, ok func() bool) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Wait waits, or until the context ends, whose error it answers.
func Wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
