package launch

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	maxSocketPath = 100      // the shortest limit of the supported systems is 104 with its end mark
	maxLog        = 10 << 20 // bytes
)

// place is where everything of one server is.
type place struct {
	dir, cluster, conf, hba, ident, log, lock string
	socket                                    string // the socket's folder
}

// open makes the data directory and the socket's folder and checks that the
// server's user gets there.
func open(dir string, server account) (place, error) {
	if dir == "" {
		return place{}, errors.New("no data directory is given")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return place{}, fmt.Errorf("the data directory: %w", err)
	}
	mode := fs.FileMode(0o700)
	if server.other {
		mode = 0o711
	}
	if err := os.MkdirAll(dir, mode); err != nil {
		return place{}, fmt.Errorf("the data directory %s cannot be made: %w", dir, reason(err))
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return place{}, fmt.Errorf("the data directory: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return place{}, fmt.Errorf("the data directory: %w", err)
	}
	if server.other && !server.passes(info) {
		if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
			return place{}, fmt.Errorf("the data directory: %w", err)
		}
	}
	if err := server.reach(dir); err != nil {
		return place{}, err
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	p := place{
		dir: dir, cluster: in("postgres"), conf: in("postgres.conf"), hba: in("postgres.hba"),
		ident: in("postgres.ident"), log: in("postgres.log"), lock: in("postgres.lock"), socket: in("postgres.run"),
	}
	if !plain(p.socket) || len(p.socketFile()) > maxSocketPath {
		sum := sha256.Sum256([]byte(dir))
		p.socket = filepath.Join(os.TempDir(), "roster-"+hex.EncodeToString(sum[:8]))
		if len(p.socketFile()) > maxSocketPath {
			return place{}, fmt.Errorf("the socket's path %s is too long: set TMPDIR to a shorter one", p.socketFile())
		}
	}
	return p, p.openSocketFolder(server)
}

// openSocketFolder makes the folder only the server's user and root may enter.
// It may stand in a folder everyone can write to, so one that is somebody
// else's is refused.
func (p place) openSocketFolder(server account) error {
	err := os.Mkdir(p.socket, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the socket's folder %s cannot be made: %w", p.socket, reason(err))
	}
	info, err := os.Lstat(p.socket)
	if err != nil {
		return fmt.Errorf("the socket's folder: %w", err)
	}
	owner, _ := ownerOf(info)
	if !info.IsDir() || owner != server.uid && int(owner) != os.Geteuid() {
		return fmt.Errorf("%s is somebody else's: remove it", p.socket)
	}
	if server.other && owner != server.uid {
		if err := os.Lchown(p.socket, int(server.uid), int(server.gid)); err != nil {
			return fmt.Errorf("the socket's folder: %w", err)
		}
	}
	if info.Mode().Perm() != 0o700 {
		if err := os.Chmod(p.socket, 0o700); err != nil {
			return fmt.Errorf("the socket's folder: %w", err)
		}
	}
	return server.reach(p.socket)
}

// plain reports whether a path needs no quoting in a list of folders.
func plain(path string) bool {
	for _, r := range path {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-", r)) {
			return false
		}
	}
	return true
}

func (p place) socketFile() string {
	return filepath.Join(p.socket, ".s.PGSQL."+strconv.Itoa(port))
}

// acquire takes the lock that makes this process the only one to run the
// cluster. A process that is just ending gets a moment to do so.
func acquire(ctx context.Context, name string) (io.Closer, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s cannot be written: %w", filepath.Dir(name), reason(err))
	}
	deadline := time.Now().Add(lockWait)
	tick := time.NewTicker(5 * pollEvery)
	defer tick.Stop()
	for {
		taken, err := tryLock(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s cannot be locked: %w", name, err), f.Close())
		}
		if taken {
			return f, nil
		}
		if time.Now().After(deadline) {
			return nil, errors.Join(fmt.Errorf("another process uses the data directory %s: stop it, or choose another directory", filepath.Dir(name)), f.Close())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("another process uses the data directory %s: %w", filepath.Dir(name), context.Cause(ctx)), f.Close())
		}
	}
}

// major is the major version of the cluster, 0 when there is none yet.
func (p place) major() (int, error) {
	name := filepath.Join(p.cluster, "PG_VERSION")
	text, err := os.ReadFile(name)
	if err == nil {
		major, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || major <= 0 {
			return 0, fmt.Errorf("%s does not hold a version that is supported: %.20q", name, text)
		}
		return major, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("the cluster cannot be read: %w", err)
	}
	entries, err := os.ReadDir(p.cluster)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("the cluster cannot be read: %w", err)
	}
	if len(entries) > 0 {
		return 0, fmt.Errorf("%s has files but is no PostgreSQL cluster: move it away", p.cluster)
	}
	return 0, nil
}

// own gives the cluster to the server's user.
func (p place) own(server account) error {
	info, err := os.Stat(p.cluster)
	if err != nil {
		return fmt.Errorf("the cluster: %w", err)
	}
	if uid, _ := ownerOf(info); uid == server.uid {
		return nil
	} else if !server.other {
		return fmt.Errorf("%s belongs to user %d: run as that user, or chown -R %s it", p.cluster, uid, server.name)
	}
	return chown(p.cluster, server)
}

func chown(root string, server account) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(server.uid), int(server.gid))
	})
}

// recorded is the process named in the server's lock file, 0 for none.
func (p place) recorded() int {
	text, err := os.ReadFile(filepath.Join(p.cluster, "postmaster.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

// openLog opens the server's log for appending, emptied when it has grown big.
func (p place) openLog() (*os.File, error) {
	flags := os.O_CREATE | os.O_WRONLY | os.O_APPEND
	if p.logSize() > maxLog {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(p.log, flags, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the server's log: %w", err)
	}
	return f, nil
}

func (p place) logSize() int64 {
	info, err := os.Stat(p.log)
	if err != nil {
		return 0
	}
	return info.Size()
}

// complaint is the last serious line of the log after an offset, "" for none.
func (p place) complaint(from int64) string {
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }() // only read
	if from > p.logSize() {
		from = 0
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return ""
	}
	return serious(f)
}

// serious is the last line that says what went wrong, the last line at all if
// none does.
func serious(r io.Reader) string {
	var last, bad string
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		last = line
		for _, mark := range []string{"FATAL:", "PANIC:", "error:"} {
			if _, what, ok := strings.Cut(line, mark); ok {
				bad = strings.TrimSpace(what)
			}
		}
	}
	return firstOf(bad, last)
}

// reason leaves out the path an error repeats.
func reason(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}
