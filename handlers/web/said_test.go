package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// What the rules say to whoever filled in a form is in the catalogue, words of theirs that stand in it or not; and so is
// every code with which something is refused (SPEC 7.2), and every mail that the operator is shown. What is said of the form of a JSON body is no page's.
func TestRulesInCatalogue(t *testing.T) {
	c, err := readCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	english := words{Lang: "en", texts: c.fallback, fallback: c.fallback, patterns: c.patterns}
	said, codes, _ := messagesOf(t, "../../domain", "../access", "../enroll", "../eraser", "../locale", "../api")
	if len(said) < 120 || len(codes) < 35 {
		t.Fatalf("only %d messages and %d codes are found", len(said), len(codes))
	}
	for message, where := range said {
		if _, ok := english.known(strings.NewReplacer("%d", "7", "%s", "one, two").Replace(message)); !ok {
			t.Errorf("%s: there is no text for %q", where, message)
		}
	}
	for code, where := range codes {
		if c.fallback["code."+code] == "" && code != "invalid" && !slices.Contains([]string{"method_not_allowed", "not_acceptable", "unsupported_media_type"}, code) {
			t.Errorf("%s: there is no text code.%s", where, code) // invalid says what is; the pages have words of their own for the rest
		}
	}
	_, _, mails := messagesOf(t, "../mailer")
	if len(mails) < 20 {
		t.Fatalf("only %d mails are found", len(mails))
	}
	for mail, where := range mails {
		if c.fallback["operator.mail_of."+mail] == "" {
			t.Errorf("%s: there is no text operator.mail_of.%s", where, mail)
		}
	}
}

// messagesOf are the formats of what rules say of what they were given, the codes and the kinds of mails that there are,
// with where each stands.
func messagesOf(t *testing.T, folders ...string) (said, codes, mails map[string]string) {
	t.Helper()
	said, codes, mails = map[string]string{}, map[string]string{}, map[string]string{}
	for _, folder := range folders {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", folder, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				for _, e := range messagesIn(n) {
					if m := formatOf(e); strings.Trim(m, "%s: ") != "" { // else another says it
						said[m] = set.Position(e.Pos()).String()
					}
				}
				if v, ok := n.(*ast.ValueSpec); ok && nameOf(v.Type) == "Code" && len(v.Values) == 1 {
					codes[formatOf(v.Values[0])] = set.Position(v.Pos()).String()
				} else if ok && nameOf(v.Type) == "Kind" && len(v.Values) == 1 {
					mails[formatOf(v.Values[0])] = set.Position(v.Pos()).String()
				}
				return true
			})
		}
	}
	return said, codes, mails
}

// messagesIn are the expressions in a node that are messages for people.
func messagesIn(n ast.Node) []ast.Expr {
	switch n := n.(type) {
	case *ast.CallExpr:
		switch name := nameOf(n.Fun); {
		case (name == "invalid" || name == "wrong" || name == "lineError") && len(n.Args) > 1:
			return n.Args[1:2]
		case name == "refuse" && nameOf(n.Args[0]) == "Invalid":
			return n.Args[1:2]
		case name == "New" && strings.HasPrefix(formatOf(n.Args[0]), "want "): // of package locale's
			return n.Args
		}
	case *ast.CompositeLit:
		return messagesOfLiteral(n)
	case *ast.FuncDecl: // checkName and the like answer what is wrong, or ""
		if name := strings.ToLower(n.Name.Name); strings.HasPrefix(name, "check") || name == "word" {
			return returned(n)
		}
	case *ast.ValueSpec:
		if n.Names[0].Name == "loosens" {
			return n.Values
		}
	}
	return nil
}

// messagesOfLiteral are those in a Field, in an Error that says what is invalid, and in a table of rules.
func messagesOfLiteral(n *ast.CompositeLit) (list []ast.Expr) {
	value := func(key string) ast.Expr {
		for _, e := range n.Elts {
			if kv, ok := e.(*ast.KeyValueExpr); ok && nameOf(kv.Key) == key {
				return kv.Value
			}
		}
		return nil
	}
	switch of, isTable := n.Type.(*ast.ArrayType); {
	case (n.Type == nil || nameOf(n.Type) == "Field") && value("Message") != nil:
		return []ast.Expr{value("Message")}
	case nameOf(n.Type) == "Field" && len(n.Elts) == 2:
		return n.Elts[1:]
	case nameOf(n.Type) == "Error" && nameOf(value("Code")) == "Invalid" && value("Detail") != nil:
		return []ast.Expr{value("Detail")}
	case isTable:
		row, ok := of.Elt.(*ast.StructType)
		if !ok {
			return nil
		}
		if last := row.Fields.List[len(row.Fields.List)-1].Names; last[len(last)-1].Name == "message" {
			for _, e := range n.Elts {
				cells := e.(*ast.CompositeLit).Elts
				list = append(list, cells[len(cells)-1])
			}
		}
	}
	return list
}

// returned are the texts that a function answers.
func returned(f *ast.FuncDecl) (list []ast.Expr) {
	if r := f.Type.Results; r == nil || len(r.List) != 1 || nameOf(r.List[0].Type) != "string" {
		return nil
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if r, ok := n.(*ast.ReturnStmt); ok {
			list = append(list, r.Results...)
		}
		return true
	})
	return list
}

// nameOf is what a name means without its package.
func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// formatOf is an expression as a format: what is not written there is %s.
func formatOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return text
		}
	case *ast.BinaryExpr:
		return formatOf(e.X) + formatOf(e.Y)
	case *ast.CallExpr:
		if nameOf(e.Fun) == "Sprintf" {
			return formatOf(e.Args[0])
		}
	}
	return "%s"
}
