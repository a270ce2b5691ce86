package web

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"roster/domain"
)

// pattern finds what a rule says with words of its own in it, such as the roles that there are.
type pattern struct {
	key string
	is  *regexp.Regexp
}

// patternsOf makes patterns of the English texts of rules whose key is not made of their words. The longest is first, so
// that what says more is not taken for what says less.
func patternsOf(texts map[string]string) ([]pattern, error) {
	var list []pattern
	for key, text := range texts {
		group, _, _ := strings.Cut(key, ".")
		made, _ := saidBy(strings.ReplaceAll(text, "%d", "1"))
		if group != "said" || made == key {
			continue
		}
		expression := strings.ReplaceAll(regexp.QuoteMeta(text), "%s", "(.+)")
		is, err := regexp.Compile("(?is)^" + expression + "$")
		if err != nil {
			return nil, fmt.Errorf("the text %s: %w", key, err)
		}
		list = append(list, pattern{key, is})
	}
	slices.SortFunc(list, func(a, b pattern) int {
		return cmp.Or(len(texts[b.key])-len(texts[a.key]), strings.Compare(a.key, b.key))
	})
	return list, nil
}

// Said is what a rule says, in the viewer's words where the catalogue has them: its key is made of the English words,
// with n for a number; one that has names in it is found by its pattern.
func (w words) Said(message string) string {
	text, _ := w.said(message)
	return text
}

func (w words) said(message string) (text string, ok bool) {
	if text, ok = w.known(message); ok {
		return sentence(text), true
	}
	if name, rule, cut := strings.Cut(message, ": "); cut && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == "" { // "length: at least 10 characters"
		if text, ok = w.known(rule); ok {
			return sentence(text), true
		}
	}
	return sentence(message), false
}

// known is the text for a message, if there is one.
func (w words) known(message string) (text string, ok bool) {
	if key, numbers := saidBy(message); w.has(key) {
		return w.T(key, numbers...), true
	}
	for _, p := range w.patterns {
		if found := p.is.FindStringSubmatch(message); found != nil {
			var args []any
			for _, arg := range found[1:] {
				if inner, ok := w.known(arg); ok { // "7 days"
					arg = inner
				}
				args = append(args, arg)
			}
			return w.T(p.key, args...), true
		}
	}
	return "", false
}

// saidBy is the key of a message, and its numbers.
func saidBy(message string) (key string, numbers []any) {
	words := strings.FieldsFunc(strings.ToLower(message), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, word := range words {
		if n, err := strconv.Atoi(word); err == nil {
			words[i], numbers = "n", append(numbers, n)
		}
	}
	return "said." + strings.Join(words, "_"), numbers
}

// Because says why something was refused as a sentence of its own: as the rule does, and where that is not in the
// viewer's language, what its code means.
func (p *page) Because(refusal *domain.Error) string {
	said, ok := p.said(refusal.Detail)
	if key := "code." + string(refusal.Code); !ok && p.Lang != "en" && p.has(key) {
		said = p.T(key)
	}
	return strings.TrimSuffix(said, ".") + "."
}
