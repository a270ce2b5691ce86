package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Seed is a bug that was planted: a patch of the program, in infra/faults/seeded. The faults that it names must catch
// it, or that they hold means nothing. What stands before the diff says what is broken, in lines of free text, and in
// one line for each fault that must catch it
//
//	caught by: FAULT ROUNDS
type Seed struct {
	Name, About string
	Catch       []Catch
	Files       []string // that the patch changes, from the repository's root

	patch []byte
}

// Catch is a fault that must catch a bug, and in how many rounds.
type Catch struct {
	Fault  string
	Rounds int
}

const seedsBelow = "infra/faults/seeded"

// Seeds reads the bugs of these names, or all.
func Seeds(root string, names ...string) ([]Seed, error) {
	paths, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(seedsBelow), "*.patch"))
	if err != nil {
		return nil, err
	}
	var seeds []Seed
	known := map[string]bool{}
	for _, path := range paths {
		s := Seed{Name: strings.TrimSuffix(filepath.Base(path), ".patch")}
		known[s.Name] = true
		if len(names) > 0 && !slices.Contains(names, s.Name) {
			continue
		}
		if s.patch, err = os.ReadFile(path); err != nil {
			return nil, err
		}
		if err := s.parse(); err != nil {
			return nil, fmt.Errorf("seeded bug %s: %w", s.Name, err)
		}
		seeds = append(seeds, s)
	}
	for _, name := range names {
		if !known[name] {
			return nil, fmt.Errorf("there is no seeded bug %q", name)
		}
	}
	return seeds, nil
}

func (s *Seed) parse() error {
	head := true
	for line := range strings.Lines(string(s.patch)) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "+++ b/"); ok {
			s.Files = append(s.Files, name)
		}
		head = head && !strings.HasPrefix(line, "diff --git ") && !strings.HasPrefix(line, "--- ")
		if !head || line == "" {
			continue
		}
		by, ok := strings.CutPrefix(line, "caught by: ")
		if !ok {
			s.About = strings.TrimSpace(s.About + " " + line)
			continue
		}
		fault, text, _ := strings.Cut(by, " ")
		rounds, err := strconv.Atoi(text)
		if err != nil || rounds < 1 {
			return fmt.Errorf("%q: want the fault and how many rounds", line)
		}
		if _, err := Find(fault); err != nil {
			return err
		}
		s.Catch = append(s.Catch, Catch{fault, rounds})
	}
	switch {
	case s.About == "":
		return errors.New("it does not say what is broken")
	case len(s.Catch) == 0:
		return errors.New("it does not say what must catch it")
	case len(s.Files) == 0:
		return errors.New("it changes nothing")
	}
	return nil
}

// Apply applies the patch to copies of the files that it changes, below a directory, and says in a file for go build's
// -overlay where they are. A patch that does not fit any more is an error.
func (s Seed) Apply(ctx context.Context, root, dir string) (overlay string, err error) {
	replace := map[string]string{}
	for _, name := range s.Files {
		from, to := filepath.Join(root, filepath.FromSlash(name)), filepath.Join(dir, filepath.FromSlash(name))
		text, err := os.ReadFile(from)
		if err != nil {
			return "", fmt.Errorf("seeded bug %s: %w", s.Name, err)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, text, 0o600)); err != nil {
			return "", err
		}
		replace[from] = to
	}
	apply := exec.CommandContext(ctx, "git", "apply", "--whitespace=nowarn", "-")
	apply.Dir, apply.Stdin = dir, bytes.NewReader(s.patch)
	apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir), "GIT_DIR="+os.DevNull) // no repository: files alone
	if out, err := apply.CombinedOutput(); err != nil {
		return "", fmt.Errorf("seeded bug %s does not apply any more: %w: %s", s.Name, err, bytes.TrimSpace(out))
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// BuildSeeded builds the program with a bug in it.
func (l *Lab) BuildSeeded(ctx context.Context, name string) (path string, err error) {
	seeds, err := Seeds(l.Root, name)
	if err != nil {
		return "", err
	}
	dir, err := l.Dir()
	if err != nil {
		return "", err
	}
	overlay, err := seeds[0].Apply(ctx, l.Root, dir)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "roster")
	return path, l.Build(ctx, l.Root, path, "-overlay", overlay)
}

// Try builds the program with the bug in it and runs the faults that must catch it, until one does. how is how that one
// broke a promise; "" says that none did. That a fault cannot be run at all catches nothing, and is an error where no
// other caught it.
func (s Seed) Try(ctx context.Context, o Options) (how string, err error) {
	o.Program = ""
	builder := &Lab{Options: o}
	if builder.dir, err = os.MkdirTemp("", "roster-seeded-"); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(builder.dir)) }()
	if o.Program, err = builder.BuildSeeded(ctx, s.Name); err != nil {
		return "", err
	}
	for _, c := range s.Catch {
		found, unknown := Find(c.Fault)
		if unknown != nil {
			return "", unknown
		}
		lab, trouble := NewLab(ctx, o)
		if trouble != nil {
			return "", trouble
		}
		_, wrong := found[0].Run(ctx, lab, c.Rounds)
		closed := lab.Close()
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if errors.Is(wrong, ErrBroken) {
			_, what, _ := strings.Cut(wrong.Error(), ErrBroken.Error())
			return c.Fault + ": " + strings.TrimLeft(what, ":\n "), nil
		}
		if wrong = errors.Join(wrong, closed); wrong != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", c.Fault, wrong))
		}
	}
	return "", err
}
