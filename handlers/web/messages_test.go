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
