package projections

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxSortRunes bounds what a sort column holds of a text: an entry of a B-tree has at most about 2,700 bytes.
const maxSortRunes = 200

// foldText is the form in which names and addresses are compared and sorted, without regard to case and accents
// (SPEC 3.1): compatibility decomposition, marks and invisible characters dropped, lower case, and the Latin
// letters that Unicode does not decompose written with plain ones. White space of any kind is a space.
func foldText(s string) string {
	if plain(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	b.Grow(len(s))
	for _, r := range norm.NFKD.String(s) {
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case r == utf8.RuneError, unicode.In(r, unicode.Mn, unicode.Cf, unicode.Cc):
		default:
			foldLetter(&b, unicode.ToLower(r))
		}
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func foldLetter(b *strings.Builder, r rune) {
	switch r {
	case 'ß':
		b.WriteString("ss")
	case 'æ':
		b.WriteString("ae")
	case 'œ':
		b.WriteString("oe")
	case 'þ':
		b.WriteString("th")
	case 'ø':
		b.WriteByte('o')
	case 'ł':
		b.WriteByte('l')
	case 'đ', 'ð':
		b.WriteByte('d')
	case 'ħ':
		b.WriteByte('h')
	case 'ŧ':
		b.WriteByte('t')
	case 'ı':
		b.WriteByte('i')
	case 'ς':
		b.WriteRune('σ')
	default:
		b.WriteRune(r)
	}
}

// sortText is the folded text as far as sorting looks at it.
func sortText(s string) string {
	folded := strings.TrimSpace(foldText(s))
	n := 0
	for i := range folded {
		if n == maxSortRunes {
			return folded[:i]
		}
		n++
	}
	return folded
}

// cleanText is the text as PostgreSQL can hold it: valid UTF-8 without NUL.
func cleanText(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

// containsPattern is the LIKE pattern for texts that contain q, whose own wildcards count as themselves.
func containsPattern(q string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(foldText(q)) + "%"
}
