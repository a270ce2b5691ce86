package archtest

import (
	"fmt"
	"go/ast"
	"slices"
	"strings"
	"testing"
)

func TestFacts(t *testing.T) { report(t, checkFacts(sources(t))) }

const catalogFile = "events/catalog.go"

// checkFacts compares three lists that have to agree: the facts that are declared, the catalog, and what each
// switch over facts names.
func checkFacts(all []source) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	declared, listed := map[string]string{}, map[string]int{}
	for _, s := range all {
		if s.pkg != "events" || s.test {
			continue
		}
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil && f.Name.Name == "kind" {
				name, _, _ := strings.Cut(funcName(f), ".")
				declared[name] = s.at(f)
			}
		}
		if s.path == catalogFile {
			ast.Inspect(s.file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if x, ok := call.Fun.(*ast.IndexExpr); ok && isName(x.X, "fact") {
						if of, ok := x.Index.(*ast.Ident); ok {
							listed[of.Name]++
						}
					}
				}
				return true
			})
		}
	}
	if len(declared) == 0 || len(listed) == 0 {
		complain("found %d facts in package events and %d in %s: this test no longer knows how they are written down",
			len(declared), len(listed), catalogFile)
		return complaints
	}
	for name, at := range declared {
		if listed[name] == 0 {
			complain("%s: events.%s is not in the catalog: it could be written but never read", at, name)
		}
	}
	for name, n := range listed {
		if n > 1 {
			complain("%s lists events.%s %d times", catalogFile, name, n)
		}
	}
	facts := sortedKeys(declared)
	for _, s := range all {
		if !s.test && anyMatches([]string{"domain/...", "projections/...", "handlers/..."}, s.pkg) {
			complaints = append(complaints, checkSwitches(s, facts)...)
		}
	}
	return complaints
}

func sortedKeys(m map[string]string) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func isName(e ast.Expr, name string) bool {
	x, ok := e.(*ast.Ident)
	return ok && x.Name == name
}

// checkSwitches wants of every switch over facts that it names all of them and has no default. Those that it
// ignores share one case with nothing in it. //roster:partial and a reason, on the line above, exempt one.
func checkSwitches(s source, facts []string) (complaints []string) {
	events := ""
	for _, i := range s.file.Imports {
		if strings.Trim(i.Path.Value, `"`) == module+"/events" {
			events = importName(i, "events")
		}
	}
	if events == "" {
		return nil
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		sw, ok := n.(*ast.TypeSwitchStmt)
		if !ok {
			return true
		}
		named, hasDefault, empty := map[string]bool{}, false, 0
		for _, c := range sw.Body.List {
			clause := c.(*ast.CaseClause)
			hasDefault = hasDefault || clause.List == nil
			before := len(named)
			for _, e := range clause.List {
				if star, ok := e.(*ast.StarExpr); ok {
					e = star.X
				}
				if x, ok := e.(*ast.SelectorExpr); ok && isName(x.X, events) && slices.Contains(facts, x.Sel.Name) {
					named[x.Sel.Name] = true
				}
			}
			if len(clause.Body) == 0 && len(named) > before {
				empty++
			}
		}
		if len(named) == 0 {
			return true
		}
		switch exempt, reason := partial(s, sw); {
		case exempt && reason == "":
			complaints = append(complaints, fmt.Sprintf("%s: //roster:partial wants a reason", s.at(sw)))
			return true
		case exempt:
			return true
		}
		if hasDefault {
			complaints = append(complaints, fmt.Sprintf("%s: a switch over facts has a default, which would swallow the next fact", s.at(sw)))
		}
		if empty > 1 {
			complaints = append(complaints, fmt.Sprintf("%s: the facts that a switch ignores share one case", s.at(sw)))
		}
		var forgotten []string
		for _, f := range facts {
			if !named[f] {
				forgotten = append(forgotten, events+"."+f)
			}
		}
		if len(forgotten) > 0 {
			complaints = append(complaints, fmt.Sprintf("%s: a switch over facts forgets %s", s.at(sw), strings.Join(forgotten, ", ")))
		}
		return true
	})
	return complaints
}

// partial finds the exemption above a switch.
func partial(s source, sw ast.Node) (exempt bool, reason string) {
	line := s.fset.Position(sw.Pos()).Line
	for _, g := range s.file.Comments {
		if s.fset.Position(g.End()).Line != line-1 {
			continue
		}
		for _, c := range g.List {
			if rest, ok := strings.CutPrefix(c.Text, "//roster:partial"); ok {
				return true, strings.TrimSpace(rest)
			}
		}
	}
	return false, ""
}
