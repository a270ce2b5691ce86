package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldest is the first major version this package knows how to run.
const oldest = 14

// binaries is a folder with PostgreSQL's programs.
type binaries struct {
	dir     string
	version string // as the server tells it
	major   int
}

func (b binaries) postgres() string { return filepath.Join(b.dir, "postgres") }
func (b binaries) initdb() string   { return filepath.Join(b.dir, "initdb") }

// find looks for programs of a major version (0: any) that the server's user
// may run: $PG_BIN, which then has to fit, PATH, Debian's folders from the
// newest down, the cache, and at last a download into the cache.
func find(ctx context.Context, server account, major int) (binaries, error) {
	if dir := os.Getenv("PG_BIN"); dir != "" {
		b, err := examine(ctx, dir, server)
		switch {
		case err != nil:
			return binaries{}, fmt.Errorf("PG_BIN does not help: %w", err)
		case major != 0 && b.major != major:
			return binaries{}, fmt.Errorf("the data are of PostgreSQL %d, but PG_BIN=%s has %d: point it to %d", major, dir, b.major, major)
		}
		return b, nil
	}
	cache := cacheDir(server)
	dirs := append(onPath(), newestFirst("/usr/lib/postgresql/*/bin")...)
	for _, p := range packages() {
		dirs = append(dirs, p.bin(cache))
	}
	var others, broken []string
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "postgres")); err != nil {
			continue
		}
		b, err := examine(ctx, dir, server)
		if err != nil {
			broken = append(broken, err.Error())
			continue
		}
		if major == 0 || b.major == major {
			return b, nil
		}
		if n := strconv.Itoa(b.major); !slices.Contains(others, n) {
			others = append(others, n)
		}
	}
	b, err := download(ctx, cache, server, major)
	if err == nil {
		return b, nil
	}
	var why string
	if !errors.Is(err, errNoPackage) {
		why = fmt.Sprintf(" (a download failed: %v)", err)
	}
	if len(broken) > 0 {
		why += fmt.Sprintf(" (not usable: %s)", strings.Join(broken, "; "))
	}
	switch {
	case major != 0 && len(others) > 0:
		return binaries{}, fmt.Errorf("the data are of PostgreSQL %d, but only %s is installed%s: apt-get install postgresql-%d", major, strings.Join(others, " and "), why, major)
	case major != 0:
		return binaries{}, fmt.Errorf("the data are of PostgreSQL %d, which is not installed%s: apt-get install postgresql-%d", major, why, major)
	default:
		return binaries{}, fmt.Errorf("PostgreSQL is not installed%s: apt-get install postgresql", why)
	}
}

var versionNumber = regexp.MustCompile(`\) (\d+)`)

// examine asks a folder's server for its version, as the user who will run it.
func examine(ctx context.Context, dir string, server account) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	b := binaries{dir: dir}
	if _, err := os.Stat(b.initdb()); err != nil {
		return binaries{}, fmt.Errorf("%s has no initdb", dir)
	}
	cmd := exec.CommandContext(ctx, b.postgres(), "--version")
	cmd.Dir, cmd.Env = "/", environment()
	cmd.SysProcAttr = attributes(server, 0)
	out, err := cmd.Output()
	if err != nil {
		return binaries{}, fmt.Errorf("user %s cannot run %s: %w", server.name, b.postgres(), reason(err))
	}
	b.version = strings.TrimSpace(string(out))
	found := versionNumber.FindStringSubmatch(b.version)
	if found == nil {
		return binaries{}, fmt.Errorf("%s tells no version: %.40q", b.postgres(), b.version)
	}
	if b.major, err = strconv.Atoi(found[1]); err != nil || b.major < oldest {
		return binaries{}, fmt.Errorf("%s is older than PostgreSQL %d", b.postgres(), oldest)
	}
	return b, nil
}

func onPath() []string {
	var dirs []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if filepath.IsAbs(dir) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// newestFirst lists folders like /usr/lib/postgresql/17/bin by their number.
func newestFirst(pattern string) []string {
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		return nil // the pattern is a constant
	}
	number := func(dir string) int {
		n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err != nil {
			return 0
		}
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return number(b) - number(a) })
	return dirs
}

// cacheDir is where downloaded programs are kept: root's own cache is closed
// to the user the server runs as.
func cacheDir(server account) string {
	if server.other {
		return "/var/cache/roster"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("roster-cache-%d", server.uid))
	}
	return filepath.Join(dir, "roster")
}

// Binaries answers the folder and the version of the programs that Start would run for the data directory dir, or
// the one line that Start would fail with.
func Binaries(ctx context.Context, dir string) (string, error) {
	_, server, err := accounts()
	if err != nil {
		return "", err
	}
	major, err := place{cluster: filepath.Join(dir, "postgres")}.major()
	if err != nil {
		return "", err
	}
	b, err := find(ctx, server, major)
	if err != nil {
		return "", err
	}
	return b.dir + ": " + b.version, nil
}
