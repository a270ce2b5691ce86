package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// readyWithin is how long the program may take for a start, its read models included.
const readyWithin = 10 * time.Minute

// served is the real program, in a process of its own.
type served struct {
	cmd     *exec.Cmd
	address string
	said    bytes.Buffer
}

// program measures the real binary: its memory under load with a long history behind it, and its starts, from the
// moment it is called until it says that it is ready, PostgreSQL and read models included.
func program(ctx context.Context, l *lab) error {
	binary := filepath.Join(l.dir, "roster")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "roster/cmd/roster").CombinedOutput(); err != nil {
		return fmt.Errorf("build the program: %w: %s", err, out)
	}
	dir, err := l.folder()
	if err != nil {
		return err
	}
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL's own user goes through it
		return err
	}
	p, _, err := openPortal(ctx, dir)
	if err != nil {
		return err
	}
	firms, err := p.firms(ctx, l.accounts())
	if err == nil {
		_, err = p.past(ctx, l.o.Scale)
	}
	last, ended := p.log.Last(ctx)
	if err := errors.Join(err, ended, p.close()); err != nil {
		return err
	}
	first, _, err := l.start(ctx, binary, dir) // this one makes the tables and fills them
	if err != nil {
		return err
	}
	err = first.current(ctx, firms[0], last)
	if err := errors.Join(err, first.end(syscall.SIGTERM)); err != nil {
		return err
	}
	clean, killed := outcome{name: "program/start/clean", took: new(spread)}, outcome{name: "program/start/kill", took: new(spread)}
	memory := outcome{name: "program/memory", took: new(spread)}
	for round, since := 0, time.Now(); round < 1 || !l.o.small && round < 8 && (round < 2 || time.Since(since).Seconds() < 2*l.o.Seconds); round++ {
		s, took, err := l.start(ctx, binary, dir)
		if err != nil {
			return err
		}
		clean.start(took)
		mb, err := l.loaded(ctx, s, firms)
		if err := errors.Join(err, s.end(syscall.SIGKILL)); err != nil {
			return err
		}
		memory.count++
		memory.rate = max(memory.rate, mb)
		memory.turns = append(memory.turns, turn{rate: mb})
		if s, took, err = l.start(ctx, binary, dir); err != nil {
			return err
		}
		killed.start(took)
		if err := s.end(syscall.SIGTERM); err != nil {
			return err
		}
	}
	l.row(perSecond("MB").row("program/memory", memory, nil, atMost(500, "MB")))
	m := p50("s", 1e-3)
	l.row(m.row("program/start/clean", clean, nil, atMost(2, "s")))
	l.row(m.row("program/start/kill", killed, &clean, atMost(5, "s")))
	return nil
}

// start notes one start.
func (o *outcome) start(took time.Duration) {
	ms := took.Seconds() * 1e3
	o.took.note(took)
	o.count++
	o.turns = append(o.turns, turn{p50: ms, p99: ms})
}

// start calls the program and waits until it says that it is ready.
func (l *lab) start(ctx context.Context, binary, dir string) (*served, time.Duration, error) {
	s := &served{cmd: exec.Command(binary, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")}
	s.cmd.Env = append(os.Environ(), "ROSTER_KEYRING=", "ROSTER_DATABASE=")
	s.cmd.Stderr = &s.said
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, 0, err
	}
	l.onClose(func() error { _ = s.end(syscall.SIGTERM); return nil }) // it has ended, unless something failed
	said := make(chan string, 1)
	go func() {
		defer close(said)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if _, at, ok := strings.Cut(lines.Text(), "roster is ready at "); ok {
				said <- at
			}
		}
	}()
	limit := time.NewTimer(readyWithin)
	defer limit.Stop()
	select {
	case at, ok := <-said:
		took := time.Since(begin)
		u, err := url.Parse(at)
		if !ok || err != nil {
			return nil, 0, errors.Join(errors.New("the program did not start"), err, s.end(syscall.SIGTERM))
		}
		s.address = net.JoinHostPort("127.0.0.1", u.Port())
		return s, took, nil
	case <-limit.C:
		err = errors.New("the program is not ready in time")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, 0, errors.Join(err, s.end(syscall.SIGKILL))
}

// end stops the program and waits for it; it may be called again. After SIGTERM it has to end well.
func (s *served) end(signal syscall.Signal) error {
	if s.cmd.ProcessState != nil {
		return nil
	}
	_ = s.cmd.Process.Signal(signal) // it may have ended by itself: Wait says so
	if err := s.cmd.Wait(); err != nil && signal != syscall.SIGKILL {
		return fmt.Errorf("the program: %w: %.2000s", err, s.said.String())
	}
	return nil
}

// current waits until the program's read models have a position.
func (s *served) current(ctx context.Context, f firm, position uint64) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for _, list := range []string{"/users", "/audit"} {
		for {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address+"/v1/accounts/"+f.id.String()+list+"?limit=1", nil)
			if err != nil {
				return err
			}
			req.Header.Set("Authorization", "Bearer "+f.owner.token)
			req.Header.Set("Roster-Min-Position", strconv.FormatUint(position, 10))
			answer, err := http.DefaultClient.Do(req) // waits for two seconds while they are behind
			if err != nil {
				return err
			}
			text, err := io.ReadAll(answer.Body)
			if err := errors.Join(err, answer.Body.Close()); err != nil {
				return err
			}
			if answer.StatusCode == http.StatusOK {
				break
			}
			if answer.StatusCode != http.StatusGatewayTimeout {
				return fmt.Errorf("%s: %s: %.300s", list, answer.Status, text)
			}
		}
	}
	return nil
}

// loaded has 16 callers change roles for a turn, and answers the most memory that the program had meanwhile, in MB.
func (l *lab) loaded(ctx context.Context, s *served, firms []firm) (mb float64, err error) {
	requests := make([]asked, len(firms))
	for i := range firms {
		requests[i] = firms[i].asked()
	}
	load, err := l.putting(ctx, "program", s.address, requests, 16)
	if err != nil {
		return 0, err
	}
	var watching sync.WaitGroup
	done := make(chan struct{})
	watching.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			is, failed := resident(s.cmd.Process.Pid)
			if failed != nil {
				err = failed
				return
			}
			mb = max(mb, is)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	_, _, _, failed := load.turn(ctx, time.Duration(l.o.Seconds*float64(time.Second)))
	close(done)
	watching.Wait()
	return mb, errors.Join(failed, err)
}

// resident is the memory of a process, in MB.
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("memory is read on Linux only: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb / 1000, err
		}
	}
	return 0, errors.New("no VmRSS")
}
