package web

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every text that a page asks for is there in English, none is there for nothing, and every other language has the same
// keys with the same arguments.
func TestCatalogue(t *testing.T) {
	c, err := readCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	var used, begun []string
	files, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, "_templ.go") || !strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, ".templ") {
			continue
		}
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"([a-z_]+\.[a-z0-9_.]*)"( ?\+)?`).FindAllStringSubmatch(string(raw), -1) {
			if m[2] != "" {
				begun = append(begun, m[1])
			} else {
				used = append(used, m[1])
			}
		}
	}
	for _, key := range used {
		group, _, _ := strings.Cut(key, ".")
		isGroup := slices.ContainsFunc(keysOf(c.fallback), func(k string) bool { return strings.HasPrefix(k, group+".") })
		_, is := c.fallback[key]
		_, one := c.fallback[key+".one"]
		_, other := c.fallback[key+".other"]
		_, isFact := c.fallback["did."+key] // names of facts look like keys
		if isGroup && !is && !(one && other) && !strings.Contains(key, ".example") && !slices.Contains([]string{"css", "js", "csv", "ndjson"}, key[strings.LastIndexByte(key, '.')+1:]) && !isFact {
			t.Errorf("there is no text %s", key)
		}
	}
	for key := range c.fallback {
		base := strings.TrimSuffix(strings.TrimSuffix(key, ".one"), ".other")
		if !slices.Contains(used, key) && !slices.Contains(used, base) && !slices.ContainsFunc(begun, func(b string) bool { return strings.HasPrefix(key, b) }) {
			t.Errorf("nothing shows the text %s", key)
		}
	}
	argument := regexp.MustCompile(`%(\[\d+\])?[a-z]`)
	verbs := func(text string) string {
		list := argument.FindAllString(text, -1)
		for i := range list {
			list[i] = "%" + list[i][len(list[i])-1:]
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	for name, texts := range c.texts {
		for key, text := range c.fallback {
			switch other, ok := texts[key]; {
			case !ok:
				t.Errorf("%s has no text %s", name, key)
			case verbs(other) != verbs(text):
				t.Errorf("%s of %s takes other arguments: %q and %q", key, name, other, text)
			}
		}
		for key := range texts {
			if _, ok := c.fallback[key]; !ok {
				t.Errorf("%s has a text %s that there is not in English", name, key)
			}
		}
	}
}

func keysOf(texts map[string]string) []string {
	var list []string
	for key := range texts {
		list = append(list, key)
	}
	return list
}

// What the rules say to whoever filled in a form is in the catalogue, as far as it holds no words of theirs; and so is
// every code with which something is refused.
func TestRulesInCatalogue(t *testing.T) {
	c, err := readCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	read := func(pattern string) (text string) {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, "_test.go") {
				text += string(raw)
			}
		}
		return text
	}
	said := regexp.MustCompile(`(?:invalid|wrong)\("[^,]*, "([a-zA-Z0-9](?:[^"\\%]|%d)*)"[,)]|errors.New\("(want a [^"]*)"\)`)
	messages := said.FindAllStringSubmatch(read("../../domain/*.go")+read("../access/*.go")+read("../enroll/*.go")+read("../locale/*.go"), -1)
	if len(messages) < 40 {
		t.Fatalf("only %d messages are found", len(messages))
	}
	for _, m := range messages {
		if key, _ := saidBy(strings.ReplaceAll(m[1]+m[2], "%d", "1")); c.fallback[key] == "" {
			t.Errorf("there is no text %s for %q", key, m[0])
		}
	}
	codes := regexp.MustCompile(`Code = "([a-z_]+)"`).FindAllStringSubmatch(read("../../domain/error.go"), -1)
	if len(codes) < 25 {
		t.Fatalf("only %d codes are found", len(codes))
	}
	for _, m := range codes {
		if c.fallback["code."+m[1]] == "" && m[1] != "invalid" { // which says what is
			t.Errorf("there is no text code.%s", m[1])
		}
	}
}
