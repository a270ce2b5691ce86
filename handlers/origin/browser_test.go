package origin

import (
	"strings"
	"testing"
)

func TestBrowser(t *testing.T) {
	for device, want := range map[string][2]string{
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36":                                   {"Chrome", "Linux"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15":                   {"Safari", "macOS"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:148.0) Gecko/20100101 Firefox/148.0":                                                        {"Firefox", "Windows"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36 Edg/148.0.0.0":           {"Edge", "Windows"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 Safari/604.1": {"Safari", "iPhone"},
		"Mozilla/5.0 (iPad; CPU OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/148.0 Mobile/15E148 Safari/604.1":           {"Chrome", "iPad"},
		"Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Mobile Safari/537.36":                   {"Chrome", "Android"},
		"curl/8.5.0":               {"curl/8.5.0", ""},
		"Firefox on Linux":         {"Firefox on Linux", ""},
		"<b>x</b>":                 {"<b>x</b>", ""},
		"":                         {"", ""},
		strings.Repeat("ö ", 2000): {strings.Repeat("ö ", 29) + "ö…", ""},
	} {
		if name, system := Browser(device); name != want[0] || system != want[1] {
			t.Errorf("%.60q is %q on %q, want %q", device, name, system, want)
		}
	}
}
