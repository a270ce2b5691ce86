package archtest

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestSources(t *testing.T) {
	report(t, checkSources(sources(t), allowedVars(), allowedPanics()))
}

const maxRows = 500

func checkSources(all []source, vars, panics map[string]string) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	seenVars, seenPanics := map[string]bool{}, map[string]bool{}
	for _, s := range all {
		if s.test {
			continue
		}
		if s.rows > maxRows && !s.made {
			complain("%s has %d lines, more than %d: split it by what it talks about", s.path, s.rows, maxRows)
		}
		if slices.Contains(pure(), s.pkg) {
			complaints = append(complaints, impurities(s)...)
		}
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					complain("%s: init: nothing happens by being imported", s.at(d))
				}
				if name := s.pkg + "." + funcName(d); mayNotPanic(s.pkg) {
					for _, p := range panicsIn(d) {
						seenPanics[name] = true
						if panics[name] == "" {
							complain("%s: %s panics: return an error", s.at(p), name)
						}
					}
				}
			case *ast.GenDecl:
				if d.Tok != token.VAR {
					continue
				}
				for _, spec := range d.Specs {
					v := spec.(*ast.ValueSpec)
					if harmless(d, v) {
						continue
					}
					for _, n := range v.Names {
						name := s.pkg + "." + n.Name
						seenVars[name] = true
						if vars[name] == "" {
							complain("%s: package-level variable %s: pass it along, or make it a constant or a function; if nobody can change it, say so in allowedVars",
								s.at(n), name)
						}
					}
				}
			}
		}
	}
	for name := range vars {
		if !seenVars[name] {
			complain("allowedVars names %s, which does not exist: take it out", name)
		}
	}
	for name := range panics {
		if !seenPanics[name] {
			complain("allowedPanics names %s, which does not panic: take it out", name)
		}
	}
	return complaints
}

func mayNotPanic(pkg string) bool {
	return anyMatches([]string{"events", "domain/...", "handlers/...", "projections/...", "infra/..."}, pkg)
}

func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	of := d.Recv.List[0].Type
	for {
		switch x := of.(type) {
		case *ast.StarExpr:
			of = x.X
		case *ast.IndexExpr:
			of = x.X
		case *ast.IndexListExpr:
			of = x.X
		case *ast.Ident:
			return x.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}

func panicsIn(d *ast.FuncDecl) (found []*ast.CallExpr) {
	ast.Inspect(d, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "panic" {
				found = append(found, call)
			}
		}
		return true
	})
	return found
}

// harmless says that a variable is one in name only: a promise to the compiler, an error to compare with, a
// compiled expression or template, an embedded file.
func harmless(d *ast.GenDecl, v *ast.ValueSpec) bool {
	if !slices.ContainsFunc(v.Names, func(n *ast.Ident) bool { return n.Name != "_" }) {
		return true
	}
	for _, doc := range []*ast.CommentGroup{d.Doc, v.Doc} {
		if doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") }) {
			return true
		}
	}
	if len(v.Values) == 0 {
		return false
	}
	return !slices.ContainsFunc(v.Values, func(e ast.Expr) bool { return !constantCall(e) })
}

func constantCall(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, ok := f.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch from.Name + "." + f.Sel.Name {
	case "errors.New", "fmt.Errorf", "regexp.MustCompile", "template.Must", "htmltemplate.Must", "texttemplate.Must":
		return true
	}
	return false
}

// impurities are the places where a pure package reaches for the world.
func impurities(s source) (complaints []string) {
	timeName := ""
	for _, i := range s.file.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		for _, bad := range impure() {
			if path == bad || (strings.HasSuffix(bad, "/") && strings.HasPrefix(path+"/", bad)) {
				complaints = append(complaints, fmt.Sprintf("%s: %s imports %s: what it needs of the world comes in as data", s.at(i), s.pkg, path))
			}
		}
		if path == "time" {
			timeName = importName(i, "time")
		}
	}
	if timeName == "" {
		return complaints
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		if x, ok := n.(*ast.SelectorExpr); ok {
			if from, ok := x.X.(*ast.Ident); ok && from.Name == timeName && slices.Contains(clocks(), x.Sel.Name) {
				complaints = append(complaints, fmt.Sprintf("%s: %s uses time.%s: the time comes in as data", s.at(x), s.pkg, x.Sel.Name))
			}
		}
		return true
	})
	return complaints
}

func importName(i *ast.ImportSpec, usual string) string {
	if i.Name != nil {
		return i.Name.Name
	}
	return usual
}
