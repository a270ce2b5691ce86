package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// texts are those of the catalogue in a language, by key.
func texts(t testing.TB, language string) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../handlers/web/messages/*." + language + ".json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no texts in %s: %v", language, err)
	}
	all := map[string]string{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &all); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	return all
}

// englishOnly are the English texts that are said in other words in German, as expressions of what a page shows of them.
func englishOnly(t testing.TB) map[string]*regexp.Regexp {
	t.Helper()
	german, only := texts(t, "de"), map[string]*regexp.Regexp{}
	var words []string
	for _, text := range german {
		words = append(words, text)
	}
	argument := regexp.MustCompile(`%(\[\d+\])?[a-z]`)
	for key, text := range texts(t, "en") {
		if slices.Contains(words, text) || len(regexp.MustCompile(`[a-z]`).FindAllString(argument.ReplaceAllString(text, ""), -1)) < 4 {
			continue
		}
		var parts []string
		for _, part := range argument.Split(text, -1) {
			parts = append(parts, regexp.QuoteMeta(part))
		}
		only[key] = regexp.MustCompile("^" + strings.Join(parts, ".+") + "$")
	}
	return only
}

// speaksGerman wants pages to show nothing of the English catalogue to whoever's browser asks for German (SPEC 7.2).
func (b *tab) speaksGerman(paths ...string) {
	b.t.Helper()
	english := englishOnly(b.t)
	for _, path := range paths {
		b.isGerman(english, path, `fetch(`+quoted(path)+`, {headers: {"Accept-Language": "de"}})`)
	}
}

// answersGerman is speaksGerman for the page that follows the form in which a field stands, as it is filled in.
func (b *tab) answersGerman(field string) {
	b.t.Helper()
	form := `document.querySelector(` + quoted(field) + `).form`
	var where string
	b.do(chromedp.Evaluate(form+`.action`, &where))
	b.isGerman(englishOnly(b.t), "what is answered at "+where, `fetch(`+form+`.action, {method: "POST", body: new URLSearchParams(new FormData(`+form+`)), headers: {"Accept-Language": "de"}})`)
}

// isGerman wants a page that a script fetches to be in German.
func (b *tab) isGerman(english map[string]*regexp.Regexp, what, fetch string) {
	b.t.Helper()
	var shown []string
	b.do(chromedp.Evaluate(fetch+`.then((r) => r.text()).then((html) => {
		const page = new DOMParser().parseFromString(html, "text/html"), all = [page.documentElement.lang], walk = page.createTreeWalker(page.documentElement, NodeFilter.SHOW_TEXT);
		while (walk.nextNode()) all.push(walk.currentNode.data);
		page.querySelectorAll("[aria-label], [placeholder], [title], [data-chosen]").forEach((e) => all.push(e.ariaLabel, e.placeholder, e.title, e.dataset.chosen));
		return [...new Set(all.filter(Boolean).map((s) => s.trim().replace(/\s+/g, " ")))]; })`, &shown,
		func(p *cdpruntime.EvaluateParams) *cdpruntime.EvaluateParams { return p.WithAwaitPromise(true) }))
	if len(shown) < 5 || shown[0] != "de" {
		b.t.Errorf("%s is no page in German: %q", what, shown)
	}
	for _, text := range shown {
		for key, is := range english { // which no text of data's in these tests is
			if is.MatchString(text) {
				b.t.Errorf("%s says %q in English (%s)", what, text, key)
			}
		}
	}
}
