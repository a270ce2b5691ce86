package web

import "testing"

// Whatever colour a portal has, words in it can be read (SPEC 7.2).
func TestReadable(t *testing.T) {
	for _, colour := range []string{"#0b6e4f", "#ffee00", "#000000", "#ffffff", "#7f7f7f", "#1a4f9c", "#ff0000"} {
		for on, end := range map[string]int{"#eef3fb": 0, "#1d2b40": 255} {
			a, b := luminance(readable(colour, on, end)), luminance(on)
			if contrast := (max(a, b) + 0.05) / (min(a, b) + 0.05); contrast < 4.5 {
				t.Errorf("%s on %s is %s, at a contrast of %.2f", colour, on, readable(colour, on, end), contrast)
			}
		}
	}
	if got := readable("#0b6e4f", "#eef3fb", 0); got != "#0b6e4f" {
		t.Errorf("a colour that can be read became %s", got)
	}
}
