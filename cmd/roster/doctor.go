package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/infra/keyring"
	"roster/infra/postgres/launch"
)

type doctorCmd struct {
	place
	NATS       natsFlags `embed:""`
	LogName    string    `help:"Prefix of streams and subjects." env:"ROSTER_LOG_NAME" default:"roster"`
	OpsURL     string    `help:"Where its health is." env:"ROSTER_OPS_URL" default:"http://localhost:8081"`
	HealthOnly bool      `help:"Ask for the health alone."`
}

// Run makes every check and fails when one of them does.
func (c doctorCmd) Run(ctx context.Context, io stdio) error {
	if c.HealthOnly {
		_, err := c.health(ctx)
		return err
	}
	failed := 0
	models := func(ctx context.Context) (string, error) { return c.models(ctx, io) }
	for _, check := range []struct {
		name string
		run  func(context.Context) (string, error)
	}{
		{"data directory", c.data},
		{"keyring", c.keyring},
		{"operator's key", c.operator},
		{"PostgreSQL binaries", c.binaries},
		{"log", c.log},
		{"health", c.health},
		{"read models", models},
	} {
		said, err := check.run(ctx)
		mark := "ok  "
		if err != nil {
			mark, said = "FAIL", err.Error()
			failed++
		}
		_, _ = fmt.Fprintf(io.out, "%s  %-20s %s\n", mark, check.name, said)
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

func (c doctorCmd) data(context.Context) (string, error) {
	info, err := os.Stat(c.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%s is not there yet: roster serve makes it", c.Data)
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("%s is no directory", c.Data)
	}
	return c.Data, nil
}

func (c doctorCmd) keyring(context.Context) (string, error) {
	path := filepath.Join(c.Data, "keyring.json")
	text := []byte(os.Getenv("ROSTER_KEYRING"))
	if len(text) == 0 {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("%s is not there: without it no personal data can be read", path)
		}
		if info.Mode().Perm()&0o077 != 0 {
			return "", fmt.Errorf("%s can be read by others: chmod 600 it", path)
		}
		if text, err = os.ReadFile(path); err != nil {
			return "", err
		}
	}
	keys, err := keyring.Parse(text)
	if err != nil {
		return "", err
	}
	return "fingerprint " + keys.Fingerprint() + "; keep a copy of it apart from the data", nil
}

func (c doctorCmd) operator(context.Context) (string, error) {
	if os.Getenv("ROSTER_OPERATOR_KEY") != "" {
		return "from ROSTER_OPERATOR_KEY", nil
	}
	path := filepath.Join(c.Data, "operator.key")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s is not there: roster serve makes it", path)
	}
	return path, nil
}

func (c doctorCmd) binaries(ctx context.Context) (string, error) {
	return launch.Binaries(ctx, c.Data)
}

// log looks at servers elsewhere as a start does. The embedded log is the running program's alone.
func (c doctorCmd) log(ctx context.Context) (string, error) {
	if err := c.NATS.check(); err != nil {
		return "", err
	}
	if c.NATS.URLs == "" {
		return "embedded", nil
	}
	conn, err := c.NATS.connect(ctx, nil)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return "", err
	}
	said, warnings, err := promises(ctx, conn, js, c.LogName, c.NATS.Monitor)
	return strings.Join(append([]string{said}, warnings...), "; "), err
}

func (c doctorCmd) health(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.OpsURL+"/readyz", nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("nothing answers at %s: is roster serve running?", c.OpsURL)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return "", err
	}
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("not ready: %s", body)
	}
	return "ready", nil
}

func (c doctorCmd) models(ctx context.Context, io stdio) (string, error) {
	var list struct {
		Items []projectionStatus `json:"items"`
	}
	if err := c.call(ctx, io, http.MethodGet, "/v1/operator/projections", &list); err != nil {
		return "", err
	}
	var lag uint64
	serving := 0
	for _, s := range list.Items {
		if s.State != "serving" {
			continue
		}
		serving++
		if len(s.Parked) > 0 {
			return "", fmt.Errorf("%s has parked %d boundaries: roster projections status", s.Name, len(s.Parked))
		}
		if s.Problem != "" {
			return "", fmt.Errorf("%s has stopped: %s", s.Name, s.Problem)
		}
		lag = max(lag, s.Lag)
	}
	return fmt.Sprintf("%d read models, at most %d commits behind", serving, lag), nil
}
