package archtest

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"testing"
)

func TestStatementsAreCited(t *testing.T) { report(t, checkCited(sources(t))) }

// statements are those of the specification that have a test each: the sections 1 to 4, 9 and 10.
func statements() (all []string) {
	for section, last := range []int{1: 5, 2: 13, 3: 13, 4: 10} {
		for n := range last {
			all = append(all, fmt.Sprintf("%d.%d", section, n+1))
		}
	}
	return append(all, "9", "10")
}

// checkCited complains of statements that no test names: as "SPEC 3.7", or at the beginning of a case's name.
func checkCited(all []source) (complaints []string) {
	citation := regexp.MustCompile(`(?:SPEC |^["` + "`" + `])(\d+(?:\.\d+)?(?:(?:, | and | to |/)\d+(?:\.\d+)?)*)[ :,.;)"]`)
	number := regexp.MustCompile(`\d+(?:\.\d+)?`)
	cited := map[string]bool{}
	cite := func(text string) {
		for _, m := range citation.FindAllStringSubmatch(text, -1) {
			for _, n := range number.FindAllString(m[1], -1) {
				cited[n] = true
			}
		}
	}
	for _, s := range all {
		if !s.test {
			continue
		}
		for _, group := range s.file.Comments {
			cite(group.Text())
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok {
				cite(text.Value)
			}
			return true
		})
	}
	for _, n := range statements() {
		if !cited[n] {
			complaints = append(complaints, "SPEC "+n+" is cited by no test")
		}
	}
	slices.Sort(complaints)
	return complaints
}

func TestUncitedIsFound(t *testing.T) {
	for name, want := range map[string]int{"3.7 the last owner": len(statements()) - 1, "it is 3.7 of them": len(statements()),
		"see SPEC 3.7, 3.9 and 9.": len(statements()) - 3, "a3.7 b": len(statements())} {
		of, err := parseSource("p/x_test.go", fmt.Sprintf("package p\n\nvar x = %q\n", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := len(checkCited([]source{of})); got != want {
			t.Errorf("%q leaves %d, want %d", name, got, want)
		}
	}
}
