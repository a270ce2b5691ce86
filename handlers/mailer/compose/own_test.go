package compose

import (
	"strings"
	"testing"
	"time"
)

func own(about About) Own {
	return Own{Portal: Portal{"Harbour Portal", "https://portal.example"}, To: Person{Name: "Grace <Hopper>", Email: "grace@guests.example", Zone: "Europe/Berlin"},
		About: about, Account: "Guests <Ltd>", IP: "192.0.2.7", Device: "Firefox <148>", Link: "https://portal.example/reset/AQAB-_token", At: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC)}
}

func TestOwnGolden(t *testing.T) {
	for _, about := range []About{PasswordChanged, PasswordReset, ResetLink, ConfirmAddress, AddressTaken, AddressAsked, AddressChanged, SignupLink, SignupKnown, Unlinked, SignedInElsewhere} {
		t.Run(string(about), func(t *testing.T) {
			subject, text, html, err := ComposeOwn(own(about))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "own_"+string(about)+".txt", "Subject: "+subject+"\n\n"+text)
			golden(t, "own_"+string(about)+".html", html)
			withLink := about == ResetLink || about == ConfirmAddress || about == SignupLink
			if strings.Contains(text, "AQAB-_token") != withLink || strings.Contains(html, "AQAB-_token") != withLink {
				t.Error("only mails that are for a link have one")
			}
		})
	}
}

// SPEC 4.8: times are in the reader's own time zone, with the offset; in UTC where they have none.
func TestTimesAreTheReaders(t *testing.T) {
	for zone, want := range map[string]string{
		"":                  "Sunday, 1 March 2026, 12:30 (UTC+00:00)",
		"Europe/Berlin":     "Sunday, 1 March 2026, 13:30 (UTC+01:00)",
		"Asia/Kathmandu":    "Sunday, 1 March 2026, 18:15 (UTC+05:45)",
		"Pacific/Pago_Pago": "Sunday, 1 March 2026, 01:30 (UTC-11:00)",
		"Mars/Olympus":      "Sunday, 1 March 2026, 12:30 (UTC+00:00)",
	} {
		in := own(PasswordChanged)
		in.To.Zone = zone
		if _, text, _, err := ComposeOwn(in); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %v: %s", zone, err, text)
		}
		invited := invitation()
		invited.Invitee.Zone, invited.ExpiresAt = zone, in.At
		if _, text, _, err := Compose(invited); err != nil || !strings.Contains(text, want) {
			t.Errorf("%s: %v: %s", zone, err, text)
		}
	}
}

func TestOwnRefuses(t *testing.T) {
	for what, spoil := range map[string]func(*Own){
		"no address": func(o *Own) { o.To.Email = "" }, "no time": func(o *Own) { o.At = time.Time{} }, "a link that is none": func(o *Own) { o.Link = "javascript:x" },
		"an unknown mail": func(o *Own) { o.About = "x" }, "no portal": func(o *Own) { o.Portal.URL = "" },
	} {
		in := own(ResetLink)
		spoil(&in)
		if _, _, _, err := ComposeOwn(in); err == nil {
			t.Errorf("%s: it was written", what)
		}
	}
}
