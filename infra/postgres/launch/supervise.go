package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	firstPause = 50 * time.Millisecond
	longPause  = 5 * time.Second
	goodLife   = 10 * time.Second // a life this long makes the next pause the first one again
)

// supervise keeps one server running until Stop. It holds its operating system
// thread: the server is tied to the death of the thread that started it, so
// that thread has to live exactly as long as this process wants a server.
func (s *Server) supervise() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	defer func() { _ = s.lock.Close() }() // the lock goes with the descriptor
	pause := firstPause
	for {
		born := time.Now()
		err := s.live()
		if s.ended(err) {
			return
		}
		if time.Since(born) > goodLife {
			pause = firstPause
		}
		s.log.Warn("PostgreSQL ended on its own; starting it again", "after", pause, "error", err)
		wait := time.NewTimer(pause)
		select {
		case <-s.stop:
			wait.Stop()
			s.ended(nil)
			return
		case <-wait.C:
		}
		pause = min(2*pause, longPause)
		if err := s.settle(s.stop); err != nil {
			s.ended(err) // the start below says it again if it matters
		}
	}
}

// live is one life of the server: from its start until its process is gone.
func (s *Server) live() error {
	out, err := s.place.openLog()
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // the server has its own descriptor
	last := syscall.SIGINT
	if s.fast {
		last = syscall.SIGQUIT
	}
	cmd := exec.Command(s.bin.postgres(), "-D", s.place.cluster, "-c", "config_file="+s.place.conf)
	cmd.Dir, cmd.Env = s.place.cluster, environment()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = attributes(s.server, last)

	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		return nil
	}
	if err := cmd.Start(); err != nil {
		s.mu.Unlock()
		return fmt.Errorf("%s does not start: %w", s.bin.postgres(), err)
	}
	s.process, s.down = cmd.Process, nil
	s.mu.Unlock()

	err = cmd.Wait()
	s.mu.Lock()
	s.process = nil
	s.mu.Unlock()
	if err == nil {
		return errors.New("it stopped without being asked")
	}
	return fmt.Errorf("it ended: %w", err)
}

// ended notes why the server is down and whether that is what Stop asked for.
func (s *Server) ended(err error) (stopped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		err = nil
	}
	s.down = err
	return s.stopping
}

// settle makes sure that no process of an earlier life uses the cluster, and
// then removes the lock files that only look as if one did. This process holds
// the data directory's lock, so whatever still runs there has no owner.
func (s *Server) settle(give <-chan struct{}) error {
	deadline := time.NewTimer(oldWait)
	defer deadline.Stop()
	tick := time.NewTicker(5 * pollEvery)
	defer tick.Stop()
	for first := true; ; first = false {
		pid := s.place.recorded()
		left := inhabitants(s.place.cluster, pid)
		if left.none() {
			return s.place.unlock(pid, left.unknown)
		}
		if first {
			s.dismiss(left)
		}
		select {
		case <-tick.C:
		case <-give:
			return errors.New("an earlier server still runs on its data")
		case <-deadline.C:
			return fmt.Errorf("an earlier server (process %d) still runs on %s: end it with kill -INT", left.any(), s.place.cluster)
		}
	}
}

// dismiss asks left-over processes to go: a server in the orderly way, the
// sessions of a server that is already dead at once.
func (s *Server) dismiss(left inhabited) {
	if left.postmaster != 0 {
		_ = send(left.postmaster, syscall.SIGINT) // gone meanwhile is as good
		return
	}
	for _, pid := range left.orphans {
		_ = send(pid, syscall.SIGQUIT)
	}
}

// inhabited lists the processes that run on a cluster.
type inhabited struct {
	postmaster int   // 0: none
	orphans    []int // sessions and helpers
	unknown    bool  // there are servers of the same user that may not be looked into
}

func (i inhabited) none() bool { return i.postmaster == 0 && len(i.orphans) == 0 }

func (i inhabited) any() int {
	if i.postmaster != 0 || len(i.orphans) == 0 {
		return i.postmaster
	}
	return i.orphans[0]
}

// unlock removes what a dead server left behind. The server checks its own
// lock file, but takes any process with the recorded number for itself, which
// after a reboot or in a container can be anyone; that case is ended here.
func (p place) unlock(pid int, unknown bool) error {
	if unknown {
		return nil
	}
	names := []string{p.socketFile(), p.socketFile() + ".lock"}
	if pid != 0 && alive(pid) { // and it is no server, or it would have been found
		names = append(names, filepath.Join(p.cluster, "postmaster.pid"))
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("a left-over file is in the way: %w", err)
		}
	}
	return nil
}

// passing reports whether a failed start will succeed once the last process of
// an earlier life is gone.
func passing(complaint string) bool {
	return strings.Contains(complaint, "still in use") || strings.Contains(complaint, "lock file")
}

// lasting reports whether an answer of the server will be the same next time.
// Class 57 is a server that starts, stops or crashes.
func lasting(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && !strings.HasPrefix(answer.Code, "57") && !strings.HasPrefix(answer.Code, "53")
}

// environment is all that PostgreSQL's programs get to see.
func environment() []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
}
