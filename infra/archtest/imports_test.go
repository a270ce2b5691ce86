package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestImports(t *testing.T) { report(t, checkImports(goList(t), table())) }

func checkImports(all []listed, rows []row) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	by := map[string]listed{}
	for _, p := range all {
		by[p.ImportPath] = p
	}
	used := map[string]bool{}
	for _, p := range all {
		pkg := p.own()
		if pkg == "" {
			continue
		}
		r, ok := rowOf(rows, pkg)
		if !ok {
			complain("%s is in no row of the table: a new package is a decision, add a row to infra/archtest/table_test.go", pkg)
			continue
		}
		used[r.pkg] = true
		if r.later {
			complain("%s exists now: take later out of its row (%s), and see that the rest of it is still right", pkg, r.pkg)
		}
		for _, i := range p.Imports {
			if i == "C" {
				complain("%s uses C", pkg)
			} else if why := forbidden(r, i, by[i]); why != "" {
				complain("%s imports %s: %s", pkg, i, why)
			}
		}
		for _, i := range append(p.TestImports, p.XTestImports...) {
			if matches("cmd/...", ownName(i)) {
				complain("a test of %s imports %s: nobody imports cmd", pkg, i)
			}
		}
	}
	for _, r := range rows {
		if !used[r.pkg] && !r.later {
			complain("the table has a row for %s, which does not exist: take it out", r.pkg)
		}
	}
	return complaints
}

// rowOf is the most exact row that means the package.
func rowOf(rows []row, pkg string) (best row, found bool) {
	for _, r := range rows {
		better := !found || len(r.pkg) > len(best.pkg)
		if matches(r.pkg, pkg) && (r.pkg == pkg || (better && best.pkg != pkg)) {
			best, found = r, true
		}
	}
	return best, found
}

func forbidden(r row, path string, p listed) string {
	own := ownName(path)
	switch {
	case p.Standard:
		return ""
	case own != "" && matches("cmd/...", own):
		return "nobody imports cmd"
	case r.any:
		return ""
	case own != "":
		if !anyMatches(r.own, own) {
			return "its row allows of our own packages only " + words(r.own)
		}
	case p.Module == nil:
		return "no module is known that has it"
	default:
		for _, m := range r.third {
			if m == p.Module.Path {
				return ""
			}
		}
		return "its row allows of other people's modules only " + words(r.third)
	}
	return ""
}

func words(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// Every module that anything imports has a line in infra/adr/dependencies.md, and every line there is in go.mod.
func TestDependenciesAreExplained(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root, "infra", "adr", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `?(v[^ |`]+)").FindAllStringSubmatch(string(doc), -1) {
		explained[m[1]] = true
		if !strings.Contains(string(mod), m[1]+" "+m[2]) {
			t.Errorf("dependencies.md explains %s %s, which is not in go.mod", m[1], m[2])
		}
	}
	if len(explained) == 0 {
		t.Fatal("no table of modules found in dependencies.md")
	}
	told := map[string]bool{}
	for _, s := range sources(t) {
		for _, i := range s.file.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			first, _, _ := strings.Cut(path, "/")
			if !strings.Contains(first, ".") {
				continue
			}
			known := false
			for m := range explained {
				known = known || path == m || strings.HasPrefix(path, m+"/")
			}
			if !known && !told[path] {
				told[path] = true
				t.Errorf("%s imports %s: say in infra/adr/dependencies.md what it saves us from writing", s.at(i), path)
			}
		}
	}
}
