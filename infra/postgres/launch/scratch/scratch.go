// Package scratch makes folders for test clusters: open to the user PostgreSQL
// runs as, and in memory where there is room, which makes a new cluster many
// times faster than some disks do.
package scratch

import (
	"errors"
	"os"
)

// Dir makes a new folder; the caller removes it. TMPDIR, if set, decides where.
func Dir() (string, error) {
	parent := ""
	if os.Getenv("TMPDIR") == "" {
		parent = memory()
	}
	dir, err := os.MkdirTemp(parent, "roster-test-")
	if err != nil && parent != "" {
		dir, err = os.MkdirTemp("", "roster-test-")
	}
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", errors.Join(err, os.Remove(dir))
	}
	return dir, nil
}
