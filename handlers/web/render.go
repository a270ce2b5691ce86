package web

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is how much of a name or an address is shown.
const maxShown = 254

// text makes one harmless line of what somebody typed: no control characters, no direction marks and nothing
// invisible but the joiners that scripts need between letters. The pages escape it and isolate its direction.
func text(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case r == '\u200c', r == '\u200d':
			return r
		case unicode.IsControl(r), unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs), invisible(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	s = strings.Join(strings.Fields(strings.Trim(s, "\u200c\u200d ")), " ")
	if utf8.RuneCountInString(s) > maxShown {
		s = strings.TrimSpace(string([]rune(s)[:maxShown-1])) + "…"
	}
	return s
}

// invisible are letters and marks that are shown as nothing: Hangul fillers, the Braille blank, the combining
// grapheme joiner.
func invisible(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800', '\u034f':
		return true
	}
	return false
}

func roleLabel(role string) string { return sentence(text(role)) }

// sentence begins with a capital letter.
func sentence(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}
