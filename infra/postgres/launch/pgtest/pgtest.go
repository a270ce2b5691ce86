// Package pgtest gives tests a real PostgreSQL: one fast cluster for each test
// process, an empty database for each test that asks.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"roster/infra/postgres/launch"
	"roster/infra/postgres/launch/scratch"
)

const (
	patience              = 60 * time.Second
	insufficientPrivilege = "42501"
)

// shared is the one cluster of this process. It is package state on purpose:
// Go gives test packages no other place that all their tests share.
var shared = sync.OnceValues(start)

type cluster struct {
	server *launch.Server
	// alive is held, never used: when the process ends in whatever way, the
	// system closes it, and the waiting shell removes the cluster's files.
	alive io.Closer
}

// Database returns the address of a new, empty database. It is dropped when
// the test is over, with whoever is still connected to it. The cluster behind
// it starts with the first call and ends with the process; it is not durable.
func Database(t testing.TB) string {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := c.run("create database " + name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.drop(name); err != nil {
			t.Errorf("the test's database is not dropped: %v", err)
		}
	})
	return c.server.URL(name)
}

// Dir returns a new data directory for a test that starts a server of its own
// with launch.Start. Unlike t.TempDir it is open to the user PostgreSQL runs
// as when the test runs as root. It is removed when the test is over.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := scratch.Dir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := os.RemoveAll(dir)
		for since := time.Now(); err != nil && time.Since(since) < patience; err = os.RemoveAll(dir) { // a killed server's children may write still
			<-time.After(100 * time.Millisecond)
		}
		if err != nil {
			t.Errorf("the test's data directory is not removed: %v", err)
		}
	})
	return dir
}

func start() (cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dir, err := scratch.Dir()
	if err != nil {
		return cluster{}, err
	}
	alive, err := removeAfterwards(dir)
	if err != nil {
		return cluster{}, err
	}
	c := launch.Config{Dir: dir, Fast: true}
	if cache, err := os.UserCacheDir(); err == nil {
		c.Templates = filepath.Join(cache, "roster", "test-clusters")
	}
	server, err := launch.Start(ctx, c)
	if err != nil && c.Templates != "" {
		// A template may be damaged: the machine may have gone down over it.
		if err := os.RemoveAll(c.Templates); err != nil {
			return cluster{}, err
		}
		if err := os.RemoveAll(filepath.Join(dir, "postgres")); err != nil {
			return cluster{}, err
		}
		server, err = launch.Start(ctx, c)
	}
	if err != nil {
		return cluster{}, err
	}
	return cluster{server: server, alive: alive}, nil
}

// run executes one statement outside the tests' databases.
func (c cluster) run(statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.server.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // nothing is lost with it
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}

// drop drops a database with whoever is connected to it. A worker of the server's own that cleans up there may not be
// ended by us: it ends itself.
func (c cluster) drop(name string) error {
	for since := time.Now(); ; {
		err := c.run("drop database if exists " + name + " with (force)")
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || refusal.Code != insufficientPrivilege || time.Since(since) > patience {
			return err
		}
		<-time.After(100 * time.Millisecond)
	}
}

// removeAfterwards starts a shell that waits for this process's end, then for
// the server's, and removes the files.
func removeAfterwards(dir string) (alive io.Closer, err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }() // the shell has its own
	const script = `trap '' INT HUP TERM
read -r _
n=0
while [ -e "$1/postgres/postmaster.pid" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n+1)); done
rm -rf "$1"`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", dir)
	cmd.Stdin, cmd.Dir = read, "/"
	if err := cmd.Start(); err != nil {
		_ = write.Close() // the error that is worth telling is err
		return nil, err
	}
	return write, nil
}
