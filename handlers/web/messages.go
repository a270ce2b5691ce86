package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"

	"golang.org/x/text/language"
)

//go:embed messages/*.json
var messageFiles embed.FS

// catalogue is every text of the pages, by language and key. English is complete; a test holds the others to it.
type catalogue struct {
	texts    map[string]map[string]string
	matcher  language.Matcher
	tags     []language.Tag
	fallback map[string]string
	patterns []pattern
}

// readCatalogue reads messages/GROUP.LANGUAGE.json: one object of texts a file, whose keys begin with the group. Texts
// are formats of package fmt.
func readCatalogue() (catalogue, error) {
	c := catalogue{texts: map[string]map[string]string{}, tags: []language.Tag{language.English}}
	files, err := messageFiles.ReadDir("messages")
	if err != nil {
		return c, err
	}
	for _, f := range files {
		raw, err := messageFiles.ReadFile(path.Join("messages", f.Name()))
		if err != nil {
			return c, err
		}
		texts := map[string]string{}
		if err := json.Unmarshal(raw, &texts); err != nil {
			return c, fmt.Errorf("messages %s: %w", f.Name(), err)
		}
		parts := strings.Split(f.Name(), ".")
		tag, err := language.Parse(parts[1])
		if err != nil {
			return c, fmt.Errorf("messages %s: %w", f.Name(), err)
		}
		name := tag.String()
		if c.texts[name] == nil {
			c.texts[name] = map[string]string{}
			if tag != language.English {
				c.tags = append(c.tags, tag)
			}
		}
		for key, text := range texts {
			if _, twice := c.texts[name][key]; twice {
				return c, fmt.Errorf("messages %s: %s is there twice", f.Name(), key)
			}
			c.texts[name][key] = text
		}
	}
	c.matcher, c.fallback = language.NewMatcher(c.tags), c.texts["en"]
	c.patterns, err = patternsOf(c.fallback)
	return c, err
}

// words are the texts of one language.
type words struct {
	Lang     string
	texts    map[string]string
	fallback map[string]string
	patterns []pattern
}

// of answers the language that somebody has chosen, else the one that their browser asks for.
func (c catalogue) of(r *http.Request, locale string) words {
	wanted, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		wanted = nil
	}
	if tag, err := language.Parse(locale); err == nil && locale != "" {
		wanted = append([]language.Tag{tag}, wanted...)
	}
	_, i, _ := c.matcher.Match(wanted...)
	name := c.tags[i].String()
	return words{Lang: name, texts: c.texts[name], fallback: c.fallback, patterns: c.patterns}
}

// T is the text of a key with its arguments in place. A key that there is not is shown as it is, so that it is seen.
func (w words) T(key string, args ...any) string {
	text, ok := w.texts[key]
	if !ok {
		if text, ok = w.fallback[key]; !ok {
			return key
		}
	}
	if len(args) == 0 {
		return text
	}
	return fmt.Sprintf(text, args...)
}

// N is T of key.one for one thing and of key.other for any other number.
func (w words) N(key string, n int, args ...any) string {
	if n == 1 {
		return w.T(key+".one", append([]any{n}, args...)...)
	}
	return w.T(key+".other", append([]any{n}, args...)...)
}

// has says whether there is a text for a key.
func (w words) has(key string) bool { _, ok := w.fallback[key]; return ok }
