package archtest

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const module = "roster"

// root is the module's folder, seen from here.
var root = filepath.Join("..", "..")

// source is one Go file of the tree.
type source struct {
	path string // from the root, with slashes
	pkg  string // its folder
	test bool
	made bool // written by a program
	rows int
	fset *token.FileSet
	file *ast.File
}

func (s source) at(n ast.Node) string {
	p := s.fset.Position(n.Pos())
	return s.path + ":" + itoa(p.Line)
}

func parseSource(path, text string) (source, error) {
	s := source{path: path, pkg: filepath.ToSlash(filepath.Dir(path)), test: strings.HasSuffix(path, "_test.go"), fset: token.NewFileSet()}
	var err error
	s.file, err = parser.ParseFile(s.fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return s, err
	}
	s.made = ast.IsGenerated(s.file)
	s.rows = strings.Count(text, "\n")
	return s, nil
}

// tree reads every Go file of the module once. It walks the folders itself, so that go test notices a new file and
// does not answer from its cache.
var tree = sync.OnceValues(func() ([]source, error) {
	var all []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go"):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		s, err := parseSource(filepath.ToSlash(rel), string(text))
		all = append(all, s)
		return err
	})
	return all, err
})

func sources(t *testing.T) []source {
	t.Helper()
	all, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// listed is what go list says of a package.
type listed struct {
	ImportPath   string
	Standard     bool
	Module       *struct{ Path string }
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// own is the package's name in the table, or "" for one that is not ours.
func (l listed) own() string { return ownName(l.ImportPath) }

func ownName(path string) string {
	if name, ok := strings.CutPrefix(path, module+"/"); ok {
		return name
	}
	return ""
}

var packages = sync.OnceValues(func() ([]listed, error) {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Standard,Module,Imports,TestImports,XTestImports", "./...")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
})

func goList(t *testing.T) []listed {
	t.Helper()
	there := map[string]bool{}
	for _, s := range sources(t) { // which reads every folder, for the cache of go test
		there[s.pkg] = true
	}
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	// go list also lists what is imported and does not exist; the compiler says that better.
	return slices.DeleteFunc(slices.Clone(all), func(l listed) bool { return l.own() != "" && !there[l.own()] })
}

// matches says whether pattern, which may end in /..., means the package.
func matches(pattern, pkg string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == dir || strings.HasPrefix(pkg, dir+"/")
	}
	return pattern == pkg
}

func anyMatches(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, pkg) })
}

func report(t *testing.T, complaints []string) {
	t.Helper()
	for _, c := range complaints {
		t.Error(c)
	}
}
