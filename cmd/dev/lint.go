package main

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// lint says all that it finds, not only the first.
func lint(ctx context.Context, d *dev, _ []string) error {
	d.say("lint")
	found := 0
	err := goFiles(d.root, func(path string, text []byte) error {
		complaints, err := lintFile(path, text)
		for _, c := range complaints {
			found++
			d.say("%s", c)
		}
		return err
	})
	if err != nil {
		return err
	}
	failed := found > 0
	if err := d.command(ctx, "go", "vet", "./...").Run(); err != nil {
		failed = true
	}
	if _, err := exec.LookPath("golangci-lint"); err == nil && ctx.Err() == nil {
		// Advice only: what passes must not depend on what happens to be installed.
		if err := d.command(ctx, "golangci-lint", "run").Run(); err != nil {
			d.say("golangci-lint: %v (advice, not a failure)", err)
		}
	}
	if failed {
		d.say("lint failed")
		return errFailed
	}
	return nil
}

// goFiles calls do for every Go file of the repository; path is from the root, with slashes.
func goFiles(root string, do func(path string, text []byte) error) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		name := ""
		if e != nil {
			name = e.Name()
		}
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "node_modules"):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(name, ".go"):
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
		return do(filepath.ToSlash(rel), text)
	})
}

// lintFile checks the form of a file, and what neither the compiler nor go vet forbids.
func lintFile(path string, text []byte) (complaints []string, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return []string{err.Error()}, nil
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	if pretty, err := format.Source(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	} else if !bytes.Equal(pretty, text) {
		complaints = append(complaints, path+": not in gofmt's form: run gofmt -w "+path)
	}
	isTest, isCommand := strings.HasSuffix(path, "_test.go"), strings.HasPrefix(path, "cmd/")
	// In a bubble of testing/synctest nobody waits.
	mayNotSleep := isTest && !slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		at := fset.Position(call.Pos())
		if x, ok := call.Fun.(*ast.Ident); ok && (x.Name == "print" || x.Name == "println") && !isTest {
			complaints = append(complaints, fmt.Sprintf("%s: %s is for a minute's debugging", at, x.Name))
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		from, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch from.Name + "." + sel.Sel.Name {
		case "fmt.Print", "fmt.Println", "fmt.Printf":
			if !isTest && !isCommand {
				complaints = append(complaints, fmt.Sprintf("%s: %s.%s: only commands write to standard output", at, from.Name, sel.Sel.Name))
			}
		case "time.Sleep":
			if mayNotSleep {
				complaints = append(complaints, fmt.Sprintf("%s: time.Sleep in a test: wait for what you wait for, or use testing/synctest", at))
			}
		}
		return true
	})
	return complaints, nil
}

// testFunctions finds the packages (as ./path) that have test functions whose name begins with prefix, and these.
func testFunctions(root, prefix, parameter string) (map[string][]string, error) {
	found := map[string][]string{}
	err := goFiles(root, func(path string, text []byte) error {
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, prefix) || len(f.Type.Params.List) != 1 {
				continue
			}
			star, ok := f.Type.Params.List[0].Type.(*ast.StarExpr)
			if !ok {
				continue
			}
			if of, ok := star.X.(*ast.SelectorExpr); ok && of.Sel.Name == parameter {
				pkg := "./" + filepath.ToSlash(filepath.Dir(path))
				found[pkg] = append(found[pkg], f.Name.Name)
			}
		}
		return nil
	})
	return found, err
}
