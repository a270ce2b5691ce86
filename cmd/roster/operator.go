package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/infra/token"
)

// operatorKey is the operator's first key: from ROSTER_OPERATOR_KEY, else from the file in the data directory, made
// on the first start (mode 0600).
func operatorKey(dir string) (key, path string, err error) {
	if key := strings.TrimSpace(os.Getenv("ROSTER_OPERATOR_KEY")); key != "" {
		return key, "", nil
	}
	path = filepath.Join(dir, "operator.key")
	text, err := os.ReadFile(path)
	switch {
	case err == nil:
		return strings.TrimSpace(string(text)), path, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("read the operator's key: %w", err)
	}
	key, _, err = token.MintOperator(rand.Reader, events.AnyID(uuid.Must(uuid.NewV7())))
	if err != nil {
		return "", "", err
	}
	if err := keepKey(path, key); err != nil {
		return "", "", fmt.Errorf("keep the operator's key: %w", err)
	}
	return key, path, nil
}

// keepKey writes the key down, all or nothing, on disk on return: the log is about to know it.
func keepKey(path, key string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".operator-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(key + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// knowOperator writes the key's hash down, once, and answers the key's id.
func knowOperator(ctx context.Context, app *handlers.App, key string) (string, error) {
	b, err := token.Parse(key)
	if err != nil || b.Kind != token.Operator {
		return "", errors.New("the operator's key is not one: want ro_…, as Roster makes it on its first start")
	}
	_, err = app.Do(ctx, handlers.Call{Actor: handlers.System("roster")}, domain.AddOperatorKey{Key: b.B, KeyName: "operator", Hash: b.Hash})
	if err != nil {
		return "", fmt.Errorf("note the operator's key: %w", err)
	}
	return b.B.String(), nil
}
