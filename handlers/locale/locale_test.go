package locale

import "testing"

// SPEC 4.1: what people say of themselves is what it is meant to be, in the one form in which it is known.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		name string
		read func(string) (string, error)
		good map[string]string
		bad  []string
	}{
		{"zone", Zone, map[string]string{"Europe/Berlin": "Europe/Berlin", "UTC": "UTC", "America/Argentina/Buenos_Aires": "America/Argentina/Buenos_Aires", "Etc/GMT+3": "Etc/GMT+3"},
			[]string{"", "Local", "Mars/Olympus", "../etc/passwd", "/etc/localtime", "Europe/../Europe/Berlin", "Europe/", "posix/Europe/Berlin", "posixrules", "right/UTC", "Factory", "Europe/Berlin\n", "zone.tab", "CEST"}},
		{"tag", Tag, map[string]string{"de": "de", "de-at": "de-AT", "EN_us": "en-US", "zh-hant-tw": "zh-Hant-TW", "sr-Latn": "sr-Latn"},
			[]string{"", "x", "english", "de-", "und", "de-AT-AT-AT", "de\n", "qqqq-1", "en-u-ca-gregory-x-a-b-c-d-e-f-g-h-i-j-k"}},
		{"country", Country, map[string]string{"DE": "DE", "at": "AT", "XK": "XK", "GB": "GB"},
			[]string{"", "D", "DEU", "EU", "ZZ", "AA", "UK", "276", "D\n", "QO", "XX"}},
		{"phone", Phone, map[string]string{"+436601234567": "+436601234567", "+49 (170) 123-45.67": "+491701234567"},
			[]string{"", "0660 1234567", "+0660123456", "+4366", "+49170123456789012", "+49 170 CALLME", "+49 170 1234567 x3", "00491701234567", "+٤٩١٧٠١٢٣٤٥٦٧"}},
	} {
		for in, want := range c.good {
			if got, err := c.read(in); err != nil || got != want {
				t.Errorf("%s %q: %q, %v, want %q", c.name, in, got, err, want)
			}
		}
		for _, in := range c.bad {
			if got, err := c.read(in); err == nil {
				t.Errorf("%s %q: %q", c.name, in, got)
			}
		}
	}
}
