package access

import (
	"strings"
	"testing"
	"time"

	"roster/events"
)

// The vectors of RFC 6238, appendix B, for SHA-1: eight digits.
func TestVectorsOfRFC6238(t *testing.T) {
	seed := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924",
		2000000000: "69279037", 20000000000: "65353130"} {
		if got := totpCode(seed, stepAt(events.TimeOf(time.Unix(at, 0))), 8); got != want {
			t.Errorf("SPEC 4.5, RFC 6238: at %d: %s, want %s", at, got, want)
		}
	}
	// RFC 4226, appendix D: six digits.
	for step, want := range []string{"755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"} {
		if got := totpCode(seed, int64(step), 6); got != want {
			t.Errorf("RFC 4226: %d: %s, want %s", step, got, want)
		}
	}
}

// S17: a step of 30 seconds, and one step to either side.
func TestWindowOfCodes(t *testing.T) {
	seed, at := []byte("12345678901234567890"), events.TimeOf(time.Unix(1_800_000_015, 0))
	for off, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		step, ok := checkTOTP(seed, totpCode(seed, stepAt(at)+off, 6), at)
		if ok != want || ok && step != stepAt(at)+off {
			t.Errorf("SPEC 4.5: %+d: %v, step %+d", off, ok, step-stepAt(at))
		}
	}
}

func TestPicture(t *testing.T) {
	u := otpauth("Acme & Söhne", "ann@example.com", seedText([]byte("12345678901234567890")))
	if u != "otpauth://totp/Acme%20%26%20S%C3%B6hne:ann%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme%20%26%20S%C3%B6hne&algorithm=SHA1&digits=6&period=30" {
		t.Errorf("SPEC 4.5: %s", u)
	}
	p, err := picture(u)
	if err != nil || !strings.HasPrefix(p, "data:image/png;base64,iVBORw0KGgo") {
		t.Errorf("SPEC 4.5: %.60s, %v", p, err)
	}
}
