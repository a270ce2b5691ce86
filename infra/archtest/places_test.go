package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The repository is the same wherever it lies: no file names a folder of the machine it was edited on, nor the
// host from which that machine fetches packages.
func TestNoFileNamesAPlace(t *testing.T) {
	sources(t) // reads every folder, for the cache of go test
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		path := filepath.Join(root, filepath.FromSlash(name))
		if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
			continue // deleted but not yet committed, or a link
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, found := range places(string(text)) {
			t.Errorf("%s holds %q", name, found)
		}
	}
}

// places finds what must not be in a file. The words are put together here, so that this file does not hold them.
func places(text string) []string {
	start := `(?:^|[^A-Za-z0-9_.\-/\]])`
	folders := start + `/(?:` + strings.Join([]string{"wo" + "rk", "ro" + "ot"}, "|") + `)/[A-Za-z0-9_.]`
	hosts := strings.Join([]string{`pro` + `xy\.golang\.org`, `sum` + `\.golang\.org`, `regi` + `stry\.npmjs\.org`}, "|")
	return regexp.MustCompile(`(?m)`+folders+`|`+hosts).FindAllString(text, 5)
}

func TestPlacesFindsThem(t *testing.T) {
	for text, want := range map[string]int{
		"see /wo" + "rk/main/x":                           1,
		"\"/ro" + "ot/go/pkg\" and pro" + "xy.golang.org": 2,
		"file:///wo" + "rk/x":                             0, // a slash before it: cannot be told from a path of a URL
		"https://x.example/wo" + "rk/y":                   0,
		"a net/wo" + "rk/z, /workers/":                    0,
	} {
		if got := places(text); len(got) != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// Every decision is in the index, and the index names no other.
func TestDecisionsAreIndexed(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(root, "infra", "adr", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(root, "infra", "adr"))
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, f := range files {
		if f.Name() == "README.md" || !strings.HasSuffix(f.Name(), ".md") {
			continue
		}
		there[f.Name()] = true
		if !strings.Contains(string(index), "]("+f.Name()+")") {
			t.Errorf("infra/adr/README.md does not list %s", f.Name())
		}
	}
	for _, m := range regexp.MustCompile(`\]\(([^)]+\.md)\)`).FindAllStringSubmatch(string(index), -1) {
		if !there[m[1]] {
			t.Errorf("infra/adr/README.md lists %s, which does not exist", m[1])
		}
	}
}
