package launch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/infra/postgres/launch/scratch"
)

const (
	helperDir = "ROSTER_TEST_LAUNCH_DIR" // makes the test program a process that owns a server
	patience  = 60 * time.Second
)

func TestMain(m *testing.M) {
	dir := os.Getenv(helperDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	s, err := Start(context.Background(), Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("%d %s\n", s.PID(), s.URL(""))
	_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed or let go
	if err := s.Stop(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func TestNewClusterAndRestartOnItsData(t *testing.T) {
	dir := dataDir(t)
	half := filepath.Join(dir, "postgres.new-123")
	if err := os.MkdirAll(filepath.Join(half, "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	s := started(t, Config{Dir: dir})
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-made cluster is still there: %v", err)
	}
	for query, want := range map[string]string{
		"show data_checksums":   "on",
		"show server_encoding":  "UTF8",
		"show timezone":         "UTC",
		"show listen_addresses": "",
		"show fsync":            "on",
		"show is_superuser":     "off",
		"select current_user":   "roster",
		"select lower('ÄÉ')":    "äé",
	} {
		if got := ask(t, s.URL(""), query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	do(t, s.URL(""), "create table kept (name text)")
	do(t, s.URL("roster"), "insert into kept values ('Ada')")
	stop(t, s)
	if s.PID() != 0 || s.Err() != nil {
		t.Errorf("after Stop: process %d, error %v", s.PID(), s.Err())
	}
	<-s.Exited()
	stop(t, s)

	again := started(t, Config{Dir: dir})
	if again.URL("") != s.URL("") {
		t.Errorf("the address changed from %s to %s", s.URL(""), again.URL(""))
	}
	if got := ask(t, again.URL(""), "select name from kept"); got != "Ada" {
		t.Errorf("kept %q", got)
	}
}

func TestKilledParentTakesTheServerAlong(t *testing.T) {
	dir := dataDir(t)
	parent, pid, url := owner(t, dir, os.Args[0], nil)
	do(t, url, "create table kept (name text)")
	do(t, url, "insert into kept values ('Ada')")
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it says that it was killed

	// At once: the old server may still be on its way out.
	s := started(t, Config{Dir: dir})
	if running(pid) {
		t.Errorf("the killed process's server %d still runs", pid)
	}
	if got := ask(t, s.URL(""), "select name from kept"); got != "Ada" {
		t.Errorf("kept %q", got)
	}
	stop(t, s)

	parent, pid, _ = owner(t, dir, os.Args[0], nil)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it says that it was killed
	until(t, "the server ends on its own", func() bool { return !running(pid) })
}

func TestKilledServerIsStartedAgain(t *testing.T) {
	s := started(t, Config{Dir: dataDir(t), Fast: true})
	do(t, s.URL(""), "create table kept ()")
	for range 2 {
		old := s.PID()
		if err := syscall.Kill(old, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		until(t, "another server answers", func() bool {
			conn, err := pgx.Connect(t.Context(), s.URL(""))
			if err != nil {
				return false
			}
			defer func() { _ = conn.Close(t.Context()) }()
			return s.PID() != old && conn.Ping(t.Context()) == nil
		})
	}
	select {
	case <-s.Exited():
		t.Error("it counts as ended")
	default:
	}
	if err := s.Err(); err != nil {
		t.Error(err)
	}
	stop(t, s)
}

func TestStopWhileItIsDown(t *testing.T) {
	dir := dataDir(t)
	s := started(t, Config{Dir: dir, Fast: true})
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	until(t, "its end is noticed", func() bool { return s.PID() == 0 })
	stop(t, s)
	started(t, Config{Dir: dir, Fast: true}) // recovers, and frees the dead one's shared memory
}

func TestLeftOverLockFileOfSomebodyElse(t *testing.T) {
	dir := dataDir(t)
	s := started(t, Config{Dir: dir, Fast: true})
	cluster, server := s.place.cluster, s.server
	stop(t, s)

	// After a reboot the recorded number can be anyone's, even the same user's.
	cmd := exec.Command("cat")
	cmd.Dir, cmd.SysProcAttr = "/", attributes(server, syscall.SIGKILL)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(in.Close(), cmd.Wait()) })
	text := fmt.Sprintf("%d\n%s\n%d\n%d\n", cmd.Process.Pid, cluster, time.Now().Unix(), port)
	for _, name := range []string{filepath.Join(cluster, "postmaster.pid"), s.place.socketFile() + ".lock"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(name, int(server.uid), int(server.gid)); err != nil {
			t.Fatal(err)
		}
	}
	again := started(t, Config{Dir: dir, Fast: true})
	if got := ask(t, again.URL(""), "select 1"); got != "1" {
		t.Errorf("got %q", got)
	}
	if !alive(cmd.Process.Pid) {
		t.Error("the stranger was ended")
	}
}

func TestOneOwnerAtATime(t *testing.T) {
	dir := dataDir(t)
	started(t, Config{Dir: dir, Fast: true})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := Start(ctx, Config{Dir: dir, Fast: true})
	oneLine(t, err, "another process uses the data directory "+dir)
}

func TestUnprivilegedUser(t *testing.T) {
	me, server, err := accounts()
	if err != nil {
		t.Fatal(err)
	}
	dir := dataDir(t)
	program := filepath.Join(dataDir(t), "program")
	if err := copyFile(os.Args[0], program); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, int(server.uid), int(server.gid)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	parent, pid, _ := owner(t, dir, program, attributes(server, syscall.SIGKILL))
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pid))
	if err != nil {
		t.Fatal(err)
	}
	if uid, _ := ownerOf(info); uid != server.uid {
		t.Errorf("the server of %s runs as %d, want %d (tests run as %s)", server.name, uid, server.uid, me)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it says that it was killed
	until(t, "the server ends", func() bool { return !running(pid) })
}

func TestErrorsAreOneClearLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Dir: filepath.Join(file, "data")})
	oneLine(t, err, "the data directory", "cannot be made: not a directory")

	closed := t.TempDir()
	want := "cannot be made: permission denied"
	mode := os.FileMode(0o500)
	if os.Geteuid() == 0 { // whom nothing is forbidden, unlike the server's user
		mode, want = 0o700, "who may not enter "+closed
	}
	if err := os.Chmod(closed, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(closed), 0o711); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Dir: filepath.Join(closed, "data")})
	oneLine(t, err, want)

	old := dataDir(t)
	if err := os.Mkdir(filepath.Join(old, "postgres"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "postgres", "PG_VERSION"), []byte("9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Dir: old})
	oneLine(t, err, "the data are of PostgreSQL 9, but only", "apt-get install postgresql-9")

	if err := os.Remove(filepath.Join(old, "postgres", "PG_VERSION")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "postgres", "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Config{Dir: old})
	oneLine(t, err, "has files but is no PostgreSQL cluster")

	t.Setenv("PG_BIN", closed)
	_, err = Start(t.Context(), Config{Dir: dataDir(t)})
	oneLine(t, err, "PG_BIN does not help", "has no initdb")
}

func TestFailedStartSaysWhy(t *testing.T) {
	dir := dataDir(t)
	if err := os.WriteFile(filepath.Join(dir, "postgres.local.conf"), []byte("shared_buffers = 'plenty'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{Dir: dir, Fast: true})
	oneLine(t, err, "it ended while starting", "postgres.log")
	if err := os.WriteFile(filepath.Join(dir, "postgres.local.conf"), []byte("shared_buffers = '16MB'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := started(t, Config{Dir: dir, Fast: true})
	if got := ask(t, s.URL(""), "show shared_buffers"); got != "16MB" {
		t.Errorf("the operator's setting is %q", got)
	}
}

func TestLongPathAndTemplates(t *testing.T) {
	templates := t.TempDir()
	for range 2 { // makes the template, then uses it
		dir := filepath.Join(dataDir(t), strings.Repeat("long ", 20))
		s := started(t, Config{Dir: dir, Fast: true, Templates: templates})
		t.Cleanup(func() { _ = os.RemoveAll(s.place.socket) })
		if strings.HasPrefix(s.place.socket, dir) {
			t.Errorf("the socket is in %s", s.place.socket)
		}
		if got := ask(t, s.URL(""), "select 1"); got != "1" {
			t.Errorf("got %q", got)
		}
		stop(t, s)
	}
	kept, err := os.ReadDir(templates)
	if err != nil || len(kept) != 1 {
		t.Errorf("templates: %v, %v", kept, err)
	}
}

func TestLogIsBounded(t *testing.T) {
	p := place{log: filepath.Join(t.TempDir(), "log")}
	for _, c := range []struct{ size, want int64 }{{maxLog, maxLog}, {maxLog + 1, 0}} {
		if err := errors.Join(os.WriteFile(p.log, nil, 0o600), os.Truncate(p.log, c.size)); err != nil {
			t.Fatal(err)
		}
		f, err := p.openLog()
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if got := p.logSize(); got != c.want {
			t.Errorf("a log of %d bytes has %d after a start, want %d", c.size, got, c.want)
		}
	}
}

// owner starts a process that runs a server on dir.
func owner(t *testing.T, dir, program string, as *syscall.SysProcAttr) (cmd *exec.Cmd, pid int, url string) {
	t.Helper()
	cmd = exec.Command(program)
	cmd.Dir, cmd.SysProcAttr, cmd.Stderr = "/", as, os.Stderr
	cmd.Env = append(os.Environ(), helperDir+"="+dir)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = errors.Join(cmd.Process.Kill(), cmd.Wait()) }) // mostly gone by then
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if n, err := fmt.Sscan(line, &pid, &url); n != 2 || err != nil {
		t.Fatalf("the process says %q", line)
	}
	return cmd, pid, url
}

func started(t *testing.T, c Config) *Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if cache, err := os.UserCacheDir(); err == nil && c.Templates == "" {
		c.Templates = filepath.Join(cache, "roster", "test-clusters")
	}
	s, err := Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	return s
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func connected(t *testing.T, url string, use func(*pgx.Conn) error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(use(conn), conn.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func ask(t *testing.T, url, query string) (answer string) {
	t.Helper()
	connected(t, url, func(conn *pgx.Conn) error {
		return conn.QueryRow(t.Context(), query, pgx.QueryExecModeSimpleProtocol).Scan(&answer)
	})
	return answer
}

func do(t *testing.T, url, statement string) {
	t.Helper()
	connected(t, url, func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), statement)
		return err
	})
}

func running(pid int) bool { return livingServer(strconv.Itoa(pid)) }

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func oneLine(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", parts)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than one line: %q", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q lacks %q", err, part)
		}
	}
	t.Log(err)
}

// dataDir is a folder the server's user can get to, unlike t.TempDir.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := scratch.Dir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
