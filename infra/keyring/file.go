package keyring

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const fileMode = 0o600

// Load gives the keyring of this instance: env, the value of ROSTER_KEYRING, where it is set; otherwise the file at
// path, which is made on the first start (created is true) and is durable before Load returns. Two first starts at
// once agree on one keyring. A file that others may read is refused.
func Load(path, env string, now time.Time) (kr *Keyring, created bool, err error) {
	if strings.TrimSpace(env) != "" {
		kr, err = Parse([]byte(env))
		if err != nil {
			return nil, false, fmt.Errorf("ROSTER_KEYRING: %w", err)
		}
		return kr, false, nil
	}
	kr, err = read(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return kr, false, err
	}
	if kr, err = New(rand.Reader, now); err != nil {
		return nil, false, err
	}
	text, err := kr.Encode()
	if err != nil {
		return nil, false, err
	}
	switch err = write(path, text, os.Link); {
	case errors.Is(err, fs.ErrExist): // somebody else started at the same moment
		kr, err = read(path)
		return kr, false, err
	case err != nil:
		return nil, false, err
	}
	return kr, true, nil
}

// Save replaces the file at path, all or nothing, durable on return. It is for rotation: every process reads the
// keyring at its start.
func (kr *Keyring) Save(path string) error {
	text, err := kr.Encode()
	if err != nil {
		return err
	}
	return write(path, text, os.Rename)
}

func read(path string) (*Keyring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("keyring: %s has mode %04o: others may read it; set it to 0600", path, info.Mode().Perm())
	}
	const most = 1 << 20
	if info.Size() > most {
		return nil, fmt.Errorf("keyring: %s is larger than %d bytes", path, most)
	}
	text := make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	kr, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return kr, nil
}

// write makes the text durable beside path and then puts it in place: os.Link fails where something is there,
// os.Rename replaces it.
func write(path string, text []byte, place func(from, to string) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	f, err := os.CreateTemp(dir, ".keyring-*") // mode 0600
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	defer os.Remove(f.Name()) // after a rename it is gone already
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(fileMode), f.Sync())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if err := place(f.Name(), path); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("keyring: %w", err)
	}
	return nil
}
