package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func grammar(t *testing.T) *kong.Kong {
	t.Helper()
	k, err := newParser(new(cli), stdio{out: new(bytes.Buffer), err: new(bytes.Buffer)}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// words are those of a line as a shell takes it, in quotes or not.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// SPEC 7.3: every command says what it does, with an example that it understands.
func TestEveryCommandHasAnExample(t *testing.T) {
	for _, command := range grammar(t).Model.Leaves(false) {
		example := words(command.Tag.Get("example"))
		path := strings.Fields("roster " + pathOf(command))
		if !strings.HasSuffix(command.Help, ".") || len(example) < len(path) || !slices.Equal(example[:len(path)], path) || !strings.Contains(command.Detail, "Example:") {
			t.Errorf("%s: %q, %q", pathOf(command), command.Help, example)
			continue
		}
		parsed, err := grammar(t).Parse(withDash(example[1:]))
		if err != nil || parsed.Selected().Path() != pathOf(command) {
			t.Errorf("%q is not understood: %v", example, err)
		}
	}
}

// SPEC 7.3: what changes something can be tried, confirmed, and repeated; everything that asks says whom.
func TestEveryCommandHasTheFlags(t *testing.T) {
	local := []string{"serve", "doctor", "login", "logout", "completion", "version", "portal list", "projections status", "projections rebuild"}
	reads := []string{"account list", "account show", "account tree", "user list", "user show", "user sessions", "invitation list", "invitation show", "role list", "module list", "contact list", "key list", "audit", "check", "portal show"}
	for _, command := range grammar(t).Model.Leaves(false) {
		var flags []string
		for _, group := range command.AllFlags(true) {
			for _, flag := range group {
				flags = append(flags, flag.Name)
			}
		}
		var want []string
		if path := pathOf(command); !slices.Contains(local, path) {
			want = []string{"endpoint", "key", "profile", "on-behalf", "json"}
			if !slices.Contains(reads, path) {
				want = append(want, "dry-run", "confirm", "idempotency-key")
			}
		}
		for _, name := range want {
			if !slices.Contains(flags, name) {
				t.Errorf("%s has no --%s", pathOf(command), name)
			}
		}
	}
}

func TestUndoTakesIdsThatLookLikeFlags(t *testing.T) {
	got := withDash([]string{"undo", "acc", "-HQvEjYCbxnbG5rYmhn10A", "--dry-run"})
	if !slices.Equal(got, []string{"undo", "acc", "--dry-run", "--", "-HQvEjYCbxnbG5rYmhn10A"}) {
		t.Errorf("%q", got)
	}
	if _, err := grammar(t).Parse(got); err != nil {
		t.Error(err)
	}
}

// SPEC 7.3: what bash completes are the commands and flags that there are.
func TestCompletion(t *testing.T) {
	script := bashScript(placesOf(grammar(t).Model.Node))
	for _, c := range []struct {
		typed []string
		want  string
	}{
		{[]string{"acc"}, "account"},
		{[]string{"user", "re"}, "reactivate revoke reset-factors"},
		{[]string{"user", "list", "acc", "--sta"}, "--status"},
		{[]string{"audit", "--format", ""}, "table csv ndjson"},
		{[]string{"user", "bulk", "acc", "s"}, "suspend"},
		{[]string{"user", "list", "--q", "account", "--so"}, "--sort"},
		{[]string{"invite", "--file", ""}, ""},
	} {
		line := script + "COMP_WORDS=(roster"
		for _, word := range c.typed {
			line += " " + quote(word)
		}
		line += "); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _roster; echo ${COMPREPLY[@]}"
		out, err := exec.Command("bash", "-c", line).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != c.want {
			t.Errorf("%q: %v %s", c.typed, err, out)
		}
	}
	for _, script := range []string{zshScript(placesOf(grammar(t).Model.Node)), fishScript(placesOf(grammar(t).Model.Node))} {
		for _, word := range []string{"'account tree'", "ndjson", "--valid-for"} {
			if !strings.Contains(script, word) {
				t.Errorf("a script without %s", word)
			}
		}
	}
}

func TestAddressesOfFiles(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"email,name\nann@x.example,Ann Lee\n,\nbob@x.example,\n", []string{`"Ann Lee" <ann@x.example>`, "bob@x.example"}},
		{"\ufeffLast Name;First Name;E-Mail\r\nLee;Ann;ann@x.example\r\n", []string{`"Lee, Ann" <ann@x.example>`}},
		{"ann@x.example\nbob@x.example,Bob\n", []string{"ann@x.example", "bob@x.example"}},
		{"email,name\nann@x.example,\"Lee \"\"A\"\" <evil>, Ann\"\n", []string{`"Lee A <evil>, Ann" <ann@x.example>`}},
	} {
		got, err := fromCSV(c.text)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q %v", c.text, got, err)
		}
	}
	var many []string
	for i := range 5001 {
		many = append(many, fmt.Sprintf("u%d@x.example", i))
	}
	if parts := partsOf(many); len(parts) != 2 || len(parts[0]) != 5000 {
		t.Errorf("%d parts", len(parts))
	}
	if parts := partsOf([]string{"A@x.example, a@x.example", "Ann Lee <b@x.example>", "nobody"}); len(parts) != 1 || !slices.Equal(parts[0], []string{"a@x.example", `"Lee, Ann" <b@x.example>`, "nobody"}) {
		t.Errorf("%q", parts)
	}
}
