package web_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"roster/handlers/web"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"Ann Lee":                     "Ann Lee",
		"Ann\u202eeeL\u2066 x\u2069":  "AnneeL x",
		"A\u200bd\u00admin\ufeff":     "Admin",
		"line\r\nbreak\u2028and\ttab": "line break and tab",
		"\u3164\u115f":                "",
		"Zo\u0308e":                   "Zo\u0308e",
		"می\u200cخواهم":               "می\u200cخواهم",
		"\u200d\u200c":                "",
		"a\x00b\x1b[31m":              "ab[31m",
		"bad\xff":                     "bad\ufffd",
		"\U000e0041\U000e0042x":       "x",
		strings.Repeat("é", 300):      strings.Repeat("é", 253) + "…",
	} {
		if got := web.Text(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("Ann\u202e Lee")
	f.Fuzz(func(t *testing.T, in string) {
		out := web.Text(in)
		if !utf8.ValidString(out) || utf8.RuneCountInString(out) > 254 || web.Text(out) != out {
			t.Errorf("%q is shown as %q", in, out)
		}
		for _, r := range out {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d' {
				t.Errorf("%q is shown as %q", in, out)
			}
		}
	})
}
