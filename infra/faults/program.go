package faults

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	readyWithin = 90 * time.Second
	stopWithin  = 40 * time.Second
)

// Serve says how a program is started.
type Serve struct {
	Data string
	// Args come behind those that choose the data and free ports; a flag given twice means the last.
	Args []string
	Env  []string
	// Path is the binary; "" is the lab's.
	Path string
}

// Program is a Roster that runs, or has run.
type Program struct {
	Data  string
	URL   string // "" until it is ready
	Ops   string // of health and metrics; after the first start of the data alone
	Setup string // the setup link; after the first start of the data alone

	first  bool // the start that greets
	cmd    *exec.Cmd
	said   *lines
	ready  chan string
	exited chan struct{}
}

// Launch starts the program and does not wait until it is ready.
func (l *Lab) Launch(s Serve) (*Program, error) {
	path := s.Path
	if path == "" {
		path = l.Program
	}
	_, err := os.Stat(filepath.Join(s.Data, "keyring.json"))
	p := &Program{Data: s.Data, first: err != nil, said: &lines{}, ready: make(chan string, 1), exited: make(chan struct{})}
	p.cmd = exec.Command(path, append([]string{"serve", "--data", s.Data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"}, s.Args...)...)
	p.cmd.Env = append(append(os.Environ(), "ROSTER_OPERATOR_KEY=", "ROSTER_KEYRING="), s.Env...)
	p.cmd.Stderr = p.said
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.programs[p] = true
	l.mu.Unlock()
	go func() {
		scan := bufio.NewScanner(out)
		for scan.Scan() {
			if url, ok := strings.CutPrefix(scan.Text(), "roster is ready at "); ok {
				p.ready <- url
			}
		}
		_ = p.cmd.Wait() // how it ended is in ProcessState
		l.mu.Lock()
		delete(l.programs, p)
		l.mu.Unlock()
		close(p.exited)
	}()
	return p, nil
}

// Start starts the program and waits until it is ready.
func (l *Lab) Start(ctx context.Context, s Serve) (*Program, error) {
	p, err := l.Launch(s)
	if err != nil {
		return nil, err
	}
	if err := p.Ready(ctx); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// Ready waits until the program is ready, for at most 90 seconds, and reads what it says then.
func (p *Program) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	select {
	case p.URL = <-p.ready:
	case <-p.exited:
		return fmt.Errorf("roster ended: %s", p.said)
	case <-ctx.Done():
		return fmt.Errorf("roster is not ready: %w: %s", ctx.Err(), p.said)
	}
	if !p.first {
		return nil
	}
	// The greeting is said before that line, and read here on another pipe.
	return Until(ctx, func() bool {
		for line := range strings.Lines(p.said.String()) {
			switch fields := strings.Fields(line); {
			case len(fields) < 2:
			case fields[0] == "health":
				p.Ops = strings.TrimSuffix(fields[1], "/readyz")
			case fields[0] == "setup" && strings.HasSuffix(line, "\n"):
				p.Setup = fields[1]
			}
		}
		return p.Setup != ""
	})
}

// Kill ends the program as kill -9 does, and returns when it is gone.
func (p *Program) Kill() {
	_ = p.cmd.Process.Kill() // gone already is as good
	<-p.exited
}

// Stop ends it as Ctrl-C does. Another end than a clean one is an error.
func (p *Program) Stop(ctx context.Context) error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("roster ended on its own: %w: %s", err, p.said)
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	select {
	case <-p.exited:
	case <-ctx.Done():
		return fmt.Errorf("roster does not stop: %w: %s", ctx.Err(), p.said)
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("roster ended with %d: %s", code, p.said)
	}
	return nil
}

// Pause stops the program where it is, as SIGSTOP does; its PostgreSQL goes on.
func (p *Program) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused program go on.
func (p *Program) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Exited is closed when the program has ended.
func (p *Program) Exited() <-chan struct{} { return p.exited }

// Pid is the process.
func (p *Program) Pid() int { return p.cmd.Process.Pid }

// Stderr is what the program has said on standard error so far.
func (p *Program) Stderr() string { return p.said.String() }

// OperatorKey reads the operator's key from the data.
func (p *Program) OperatorKey() (string, error) {
	text, err := os.ReadFile(filepath.Join(p.Data, "operator.key"))
	return strings.TrimSpace(string(text)), err
}

// Postmaster is the process of the private PostgreSQL of a data directory.
func Postmaster(data string) (pid int, err error) {
	text, err := os.ReadFile(filepath.Join(data, "postgres", "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(line))
	if err == nil && pid <= 1 {
		err = errors.New("postmaster.pid names no process")
	}
	return pid, err
}

// lines keeps what a program says.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
