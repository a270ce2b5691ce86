// Package natstest runs nats-servers in processes of their own, for tests that kill, suspend and restart them. It is
// the real program, of the version that go.mod names.
package natstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// readyWithin is how long a server may take until it answers: one of a cluster waits for the others.
const readyWithin = 30 * time.Second

// Config says how a server runs.
type Config struct {
	Dir        string // where its streams, its configuration and what it says are kept; made if missing
	SyncAlways bool   // an acknowledged message is on disk
	// Extra are further lines of its configuration: authorization, tls.
	Extra string
	// URL is how a client reaches it, with credentials if Extra asks for some; "nats://HOST:PORT" by default.
	URL func(hostPort string) string
}

// Server is one nats-server.
type Server struct {
	// URL is for clients, Monitor for those who ask for its settings. They stay the same over restarts.
	URL, Monitor string

	name    string
	config  string // the file
	said    string // the file
	command *exec.Cmd
	ended   chan struct{} // closed when the process has ended
}

// Start starts one server and answers when it is ready for clients, its streams recovered.
func Start(ctx context.Context, c Config) (*Server, error) {
	s, err := Cluster(ctx, 1, c)
	if err != nil {
		return nil, err
	}
	return s[0], nil
}

// Cluster starts n servers that know each other, in folders n1, n2, … below c.Dir, and answers when all are ready
// and have a leader for the cluster. One alone is no cluster.
func Cluster(ctx context.Context, n int, c Config) (_ []*Server, err error) {
	const perServer = 3 // ports: clients, monitoring, routes
	ports, err := freePorts(ctx, n*perServer)
	if err != nil {
		return nil, err
	}
	var routes []string
	for i := range n {
		routes = append(routes, "nats://127.0.0.1:"+strconv.Itoa(ports[i*perServer+2]))
	}
	servers := make([]*Server, n)
	defer func() {
		if err != nil {
			err = errors.Join(err, Stop(servers...))
		}
	}()
	for i := range servers {
		client, monitor, route := ports[i*perServer], ports[i*perServer+1], ports[i*perServer+2]
		name := "n" + strconv.Itoa(i+1)
		dir := filepath.Join(c.Dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		var text strings.Builder
		say := func(format string, args ...any) { fmt.Fprintf(&text, format+"\n", args...) }
		say("server_name: %s\nhost: 127.0.0.1\nport: %d\nhttp: 127.0.0.1:%d", name, client, monitor)
		sync := "2m" // the server's default
		if c.SyncAlways {
			sync = "always"
		}
		say("jetstream { store_dir: %q, sync_interval: %s }", dir, sync)
		if n > 1 {
			say("cluster { name: roster, host: 127.0.0.1, port: %d, routes: [%s] }", route, strings.Join(routes, ", "))
		}
		say("%s", c.Extra)
		s := &Server{name: name, config: filepath.Join(dir, "nats.conf"), said: filepath.Join(dir, "said"),
			URL: "nats://127.0.0.1:" + strconv.Itoa(client), Monitor: "http://127.0.0.1:" + strconv.Itoa(monitor)}
		if c.URL != nil {
			s.URL = c.URL("127.0.0.1:" + strconv.Itoa(client))
		}
		if err := os.WriteFile(s.config, []byte(text.String()), 0o600); err != nil {
			return nil, err
		}
		if err := s.launch(ctx); err != nil {
			return nil, err
		}
		servers[i] = s
	}
	for _, s := range servers {
		if err := s.Ready(ctx); err != nil {
			return nil, err
		}
	}
	return servers, nil
}

// URLs are the addresses of servers for one client, with commas between.
func URLs(servers []*Server) string {
	var list []string
	for _, s := range servers {
		list = append(list, s.URL)
	}
	return strings.Join(list, ",")
}

// Stop asks servers to stop, as an operator would, and waits until all have. Those that do not run are left out.
func Stop(servers ...*Server) error {
	var trouble error
	for _, s := range servers {
		if s != nil && s.Runs() {
			trouble = errors.Join(trouble, s.command.Process.Signal(syscall.SIGTERM))
		}
	}
	for _, s := range servers {
		if s == nil {
			continue
		}
		select {
		case <-s.ended:
		case <-time.After(readyWithin):
			trouble = errors.Join(trouble, fmt.Errorf("%s did not stop", s.name), s.Kill())
		}
	}
	return trouble
}

// Runs says whether the process is there, suspended or not.
func (s *Server) Runs() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// PID is the process of the server that was started last.
func (s *Server) PID() int { return s.command.Process.Pid }

// Kill ends the process with SIGKILL and waits until it is gone.
func (s *Server) Kill() error {
	err := s.command.Process.Kill()
	<-s.ended
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Restart starts a server that has ended, on its streams and ports, and answers when it is ready.
func (s *Server) Restart(ctx context.Context) error {
	if s.Runs() {
		return fmt.Errorf("%s runs", s.name)
	}
	if err := s.launch(ctx); err != nil {
		return err
	}
	return s.Ready(ctx)
}

// Suspend stops the process where it is; Resume has it go on.
func (s *Server) Suspend() error { return s.command.Process.Signal(syscall.SIGSTOP) }

// Resume lets a suspended process go on.
func (s *Server) Resume() error { return s.command.Process.Signal(syscall.SIGCONT) }

// Said is what the server has said, over all its starts.
func (s *Server) Said() string {
	text, err := os.ReadFile(s.said)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (s *Server) launch(ctx context.Context) error {
	binary, err := Binary(ctx)
	if err != nil {
		return err
	}
	said, err := os.OpenFile(s.said, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s.command = exec.Command(binary, "-c", s.config) //nolint:noctx // it outlives the start
	s.command.Stdout, s.command.Stderr, s.command.SysProcAttr = said, said, attributes()
	if err := errors.Join(s.command.Start(), said.Close()); err != nil {
		return err
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait() // it is killed often
		close(ended)
	}(s.command, s.ended)
	return nil
}

// Ready waits until the server says that it is well: clients are served, streams are recovered, and in a cluster
// there is a leader that this server is up to date with.
func (s *Server) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.well(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-s.ended:
			return fmt.Errorf("%s ended: %s", s.name, s.Said())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", s.name, ctx.Err(), s.Said())
		}
	}
}

func (s *Server) well(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Monitor+"/healthz", nil)
	if err != nil {
		return false
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

// Binary answers where the nats-server of the version in go.mod is; it is built once for a machine, among the
// user's caches. The working directory is in this module.
func Binary(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "roster")
	path := filepath.Join(dir, "nats-server-"+server.VERSION+"-"+runtime.Version())
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	made, err := os.MkdirTemp(dir, "building-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(made) }() // what is left of it is in nobody's way
	built := filepath.Join(made, "nats-server")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", built, "github.com/nats-io/nats-server/v2").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build nats-server: %w: %s", err, out)
	}
	return path, os.Rename(built, path) // whoever else builds it builds the same
}

// freePorts answers ports that nobody listens on now.
func freePorts(ctx context.Context, n int) (ports []int, err error) {
	for range n {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // held until all are found
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
