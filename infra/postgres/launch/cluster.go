package launch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

const unfinished = ".new-" // marks what may be removed by whoever finds it

// create makes the cluster beside its place and moves it there when it is
// whole, so that there is never half a one.
func (p place) create(ctx context.Context, bin binaries, server account, fast bool, templates string) error {
	leftover, err := filepath.Glob(p.cluster + unfinished + "*")
	if err != nil {
		return err
	}
	for _, dir := range leftover {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("a half-made cluster cannot be removed: %w", err)
		}
	}
	tmp, err := os.MkdirTemp(p.dir, filepath.Base(p.cluster)+unfinished)
	if err != nil {
		return fmt.Errorf("the data directory %s cannot be written: %w", p.dir, reason(err))
	}
	if err := fill(ctx, tmp, bin, server, fast, templates); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	if err := os.Rename(tmp, p.cluster); err != nil {
		return errors.Join(fmt.Errorf("the new cluster cannot be put in place: %w", err), os.RemoveAll(tmp))
	}
	if fast {
		return nil
	}
	return flush(p.dir)
}

// fill makes a cluster in an empty folder, from a template if there is one.
func fill(ctx context.Context, dir string, bin binaries, server account, fast bool, templates string) error {
	var template string
	if templates != "" {
		sum := sha256.Sum256([]byte(strings.Join(append(initArgs(bin, fast, utf8Locale), bin.version, bin.dir), "\x00")))
		template = filepath.Join(templates, "cluster-"+hex.EncodeToString(sum[:8]))
		if _, err := os.Stat(template); err == nil {
			if err := copyTree(template, dir); err != nil {
				return fmt.Errorf("the template %s cannot be copied: %w", template, err)
			}
			return chownFor(dir, server)
		}
	}
	if err := chownFor(dir, server); err != nil {
		return err
	}
	err := initialise(ctx, dir, bin, server, initArgs(bin, fast, utf8Locale))
	if err != nil && strings.Contains(err.Error(), "locale") {
		// An old system without C.UTF-8: case rules for ASCII only.
		err = initialise(ctx, dir, bin, server, initArgs(bin, fast, "C"))
	}
	if err != nil {
		return err
	}
	if template != "" {
		keep(dir, template)
	}
	return nil
}

func chownFor(dir string, server account) error {
	if !server.other {
		return nil
	}
	if err := chown(dir, server); err != nil {
		return fmt.Errorf("the cluster cannot be given to user %s: %w", server.name, err)
	}
	return nil
}

const utf8Locale = "C.UTF-8"

func initArgs(bin binaries, fast bool, locale string) []string {
	args := []string{
		"--username=" + superuser, "--encoding=UTF8", "--data-checksums",
		"--auth-local=peer", "--auth-host=reject", "--no-instructions",
	}
	if bin.major >= 17 { // knows C.UTF-8 itself, the same on every system
		args = append(args, "--locale-provider=builtin", "--builtin-locale="+utf8Locale, "--locale=C")
	} else {
		args = append(args, "--locale="+locale)
	}
	if fast {
		args = append(args, "--no-sync", "--wal-segsize=1")
	}
	return args
}

func initialise(ctx context.Context, dir string, bin binaries, server account, args []string) error {
	runtime.LockOSThread() // initdb ends with the thread that started it
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, bin.initdb(), append(args, "--pgdata="+dir)...)
	cmd.Dir, cmd.Env = dir, environment()
	cmd.SysProcAttr, cmd.WaitDelay = attributes(server, syscall.SIGTERM), killWait
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb failed (%w): %s", err, serious(bytes.NewReader(out)))
	}
	return nil
}

// keep stores a copy of a new cluster as a template. It is a convenience: when
// it does not work out, the next cluster is made the slow way.
func keep(dir, template string) {
	if err := os.MkdirAll(filepath.Dir(template), 0o700); err != nil {
		return
	}
	tmp, err := os.MkdirTemp(filepath.Dir(template), filepath.Base(template)+unfinished)
	if err != nil {
		return
	}
	defer func() { _ = os.RemoveAll(tmp) }() // not there any more when all went well
	if err := copyTree(dir, tmp); err == nil {
		_ = os.Rename(tmp, template) // fails when another process was first
	}
}

// copyTree copies folders and plain files with their permissions.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if entry.IsDir() {
			if err := os.MkdirAll(target, 0o700); err != nil {
				return err
			}
			return nil
		}
		return copyFile(path, target)
	})
}

func copyFile(from, to string) (err error) {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	_, err = io.Copy(dst, src)
	return err
}

// write brings the configuration up to date. It stands outside the cluster, in
// files the server's user cannot change.
func (p place) write(me string, major int, fast bool) error {
	hba := "# written at every start\nlocal all all peer map=roster\n"
	ident := "# written at every start: system user, then database role\n"
	for _, role := range []string{superuser, Role} {
		ident += fmt.Sprintf("roster \"%s\" %s\n", me, role)
	}
	for name, text := range map[string]string{p.conf: p.settings(major, fast), p.hba: hba, p.ident: ident} {
		if err := replace(name, text); err != nil {
			return fmt.Errorf("the data directory %s cannot be written: %w", p.dir, reason(err))
		}
	}
	return nil
}

type setting struct{ name, value string }

// settings come in three parts: defaults, the operator's own, and what has to
// be as it is. The log gets no statements and no values: they are people's.
func (p place) settings(major int, fast bool) string {
	defaults := []setting{
		{"shared_buffers", "128MB"}, {"max_connections", "60"}, {"superuser_reserved_connections", "3"},
		{"timezone", "UTC"}, {"log_timezone", "UTC"}, {"max_wal_size", "512MB"},
		{"log_line_prefix", "%m [%p] "}, {"log_checkpoints", "off"}, {"cluster_name", "roster"},
	}
	fixed := []setting{
		{"listen_addresses", ""}, {"port", fmt.Sprint(port)},
		{"unix_socket_directories", p.socket}, {"unix_socket_permissions", "0700"},
		{"hba_file", p.hba}, {"ident_file", p.ident}, {"external_pid_file", ""},
		{"ssl", "off"}, {"logging_collector", "off"}, {"log_destination", "stderr"},
		{"log_min_error_statement", "panic"}, {"log_error_verbosity", "terse"}, {"log_statement", "none"},
		{"restart_after_crash", "on"},
	}
	if fast {
		defaults = append(defaults, setting{"shared_buffers", "32MB"}, setting{"max_connections", "200"})
		fixed = append(fixed, setting{"fsync", "off"}, setting{"synchronous_commit", "off"}, setting{"full_page_writes", "off"})
	}
	if major >= 18 {
		defaults = append(defaults, setting{"io_method", "sync"}) // fewer processes on a small machine
	}
	var b strings.Builder
	b.WriteString("# Written at every start. Your own settings go to postgres.local.conf beside it.\n")
	list := func(settings []setting) {
		for _, s := range settings {
			fmt.Fprintf(&b, "%s = '%s'\n", s.name, strings.ReplaceAll(s.value, "'", "''"))
		}
	}
	list(defaults)
	b.WriteString("include_if_exists = 'postgres.local.conf'\n")
	list(fixed)
	return b.String()
}

// replace writes a file that all may read, whole or not at all.
func replace(name, text string) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == text {
		return os.Chmod(name, 0o644)
	}
	next := name + ".new" // the lock is held: nobody else writes it
	if err := os.WriteFile(next, []byte(text), 0o644); err != nil {
		return err
	}
	return errors.Join(os.Chmod(next, 0o644), os.Rename(next, name))
}

// flush makes a rename inside a folder last.
func flush(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
