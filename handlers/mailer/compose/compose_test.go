package compose

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

func invitation() Invitation {
	return Invitation{
		PortalName:   "Harbour Portal",
		PublicURL:    "https://portal.example/",
		Link:         "https://portal.example/invitations/AQAB-_token",
		InviterName:  "Ada Okafor",
		InviterEmail: "ada@harbour.example",
		Invitee:      Person{Name: "Jörg Müller", Email: "joerg@mueller.example"},
		Grants: []Grant{
			{Account: "Harbour Holding", Roles: []string{"User manager", "Billing contact"}},
			{Account: "Harbour <North> & Sons", Roles: []string{"Viewer"}},
		},
		ExpiresAt: time.Date(2026, 3, 1, 0, 30, 0, 0, time.FixedZone("", 2*60*60)),
	}
}

func TestGolden(t *testing.T) {
	single := invitation()
	single.Grants, single.Invitee.Name, single.Resent = single.Grants[:1], "", true
	operator := invitation()
	operator.InviterName, operator.InviterEmail, operator.Grants = "", "", operator.Grants[:1]
	requested := LinkRequested{
		PortalName: "Harbour Portal", PublicURL: "https://portal.example", Inviter: Person{Name: "Ada Okafor", Email: "ada@harbour.example"},
		Invitee: Person{Name: "Jörg Müller", Email: "joerg@mueller.example"}, Account: "Harbour Holding",
		Link: "https://portal.example/accounts/0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57/users?status=invited",
	}
	reminder := single
	reminder.Reminder, reminder.Resent = true, true
	ada, grace := Person{Name: "Ada Okafor", Email: "ada@harbour.example"}, Person{Name: "Grace <Hopper>", Email: "grace@guests.example"}
	portal := Portal{"Harbour Portal", "https://portal.example"}
	ends := AccessEnds{Portal: portal, To: grace, Member: grace, Account: "Harbour Holding", Roles: []string{"Viewer"}, Until: invitation().ExpiresAt}
	granter := ends
	granter.To = ada
	roles := RolesChanged{Portal: portal, To: grace, By: ada, Account: "Harbour <North> & Sons", At: invitation().ExpiresAt,
		Roles: []Held{{"Viewer", time.Time{}}, {"On <call>", invitation().ExpiresAt.AddDate(0, 0, 3)}}}
	nameless := roles
	nameless.By, nameless.Roles = Person{}, roles.Roles[:1]
	won := OwnerChanged{Portal: portal, To: Person{Name: "Security desk", Email: "desk@harbour.example"}, Member: grace, Account: "Harbour Holding", Won: true}
	lost := won
	lost.Won, lost.Member = false, Person{}
	digest := Digest{Portal: portal, To: ada, Account: "Harbour Holding", Link: "https://portal.example/accounts/0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57/users", More: 3,
		Failed: []Failed{{grace, false}, {Person{Email: "joerg@mueller.example"}, true}}}
	unnamed := requested
	unnamed.Invitee.Name, unnamed.Inviter.Name = "", ""

	for file, mail := range map[string]func() (string, string, string, error){
		"invitation":             func() (string, string, string, error) { return Compose(invitation()) },
		"invitation_resent":      func() (string, string, string, error) { return Compose(single) },
		"invitation_by_operator": func() (string, string, string, error) { return Compose(operator) },
		"invitation_reminder":    func() (string, string, string, error) { return Compose(reminder) },
		"access_ends":            func() (string, string, string, error) { return ComposeAccessEnds(ends) },
		"access_ends_granter":    func() (string, string, string, error) { return ComposeAccessEnds(granter) },
		"roles_changed":          func() (string, string, string, error) { return ComposeRolesChanged(roles) },
		"roles_changed_unnamed":  func() (string, string, string, error) { return ComposeRolesChanged(nameless) },
		"owner_won":              func() (string, string, string, error) { return ComposeOwnerChanged(won) },
		"owner_lost":             func() (string, string, string, error) { return ComposeOwnerChanged(lost) },
		"digest":                 func() (string, string, string, error) { return ComposeDigest(digest) },
		"factor_added": func() (string, string, string, error) {
			return ComposeFactorsChanged(FactorsChanged{portal, grace, FactorAdded})
		},
		"factor_removed": func() (string, string, string, error) {
			return ComposeFactorsChanged(FactorsChanged{portal, grace, FactorRemoved})
		},
		"factor_reset": func() (string, string, string, error) {
			return ComposeFactorsChanged(FactorsChanged{portal, grace, FactorsReset})
		},
		"recovery_codes": func() (string, string, string, error) {
			return ComposeFactorsChanged(FactorsChanged{portal, grace, CodesIssued})
		},
		"link_requested":         func() (string, string, string, error) { return ComposeLinkRequested(requested) },
		"link_requested_unnamed": func() (string, string, string, error) { return ComposeLinkRequested(unnamed) },
	} {
		t.Run(file, func(t *testing.T) {
			subject, text, html, err := mail()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file+".txt", "Subject: "+subject+"\n\n"+text)
			golden(t, file+".html", html)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs from what is written now (go test -update writes it anew):\n%s", path, got)
	}
}

func TestTheMailNamesAllThatTheInviteeNeeds(t *testing.T) {
	in := invitation()
	_, text, html, err := Compose(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Ada Okafor", "ada@harbour.example", "Harbour Holding", "User manager, Billing contact", "Viewer",
		"https://portal.example/sign-in", "joerg@mueller.example", in.Link,
		"Saturday, 28 February 2026, 22:30 (UTC&#43;00:00)", "Harbour &lt;North&gt; &amp; Sons",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the HTML lacks %q", want)
		}
		want = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&", "&#43;", "+").Replace(want)
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q", want)
		}
	}
}

// What people may call themselves, and what must not come of it.
func TestNamesAreOnlyNames(t *testing.T) {
	for _, evil := range []string{
		"Ada\r\nBcc: all@evil.example\r\n\r\nbody",
		"Ada\nSubject: other",
		"Ada\x00\x1b[31m\x85\u2028\u2029red",
		"Ada\u202egnp.exe\u202c\u2066x\u2069\u200e\u200f\u061c",
		"A\u200bd\u200c\u200da\ufeff\u2060\u00ad",
		"<script>alert(1)</script><img src=x onerror=alert(1)>",
		"\"><a href=\"https://evil.example\">click</a>",
		"{{.Link}}{{printf \"%s\" .}}${7*7}#{7*7}",
		"\xff\xfe broken",
		strings.Repeat("very long ", 1000),
	} {
		in := invitation()
		in.PortalName, in.InviterName, in.Invitee.Name = evil, evil, evil
		in.Grants = []Grant{{Account: evil, Roles: []string{evil, ""}}}
		plain := invitation()
		plain.Grants = []Grant{{Account: "x", Roles: []string{"y"}}}

		subject, text, html, err := Compose(in)
		if err != nil {
			t.Fatalf("%q: %v", evil, err)
		}
		_, plainText, plainHTML, err := Compose(plain)
		if err != nil {
			t.Fatal(err)
		}
		checkHarmless(t, evil, subject)
		if strings.Count(subject, "\n") > 0 || len([]rune(subject)) > 3*maxName {
			t.Errorf("%q: the subject is %q", evil, subject)
		}
		if got, want := strings.Count(text, "\n"), strings.Count(plainText, "\n"); got != want {
			t.Errorf("%q: the text has %d lines, want %d", evil, got, want)
		}
		for _, tag := range []string{"<a ", "<img", "<script", "<table", "<title"} {
			if got, want := strings.Count(html, tag), strings.Count(plainHTML, tag); got != want {
				t.Errorf("%q: the HTML has %d of %s, want %d", evil, got, tag, want)
			}
		}
		for _, l := range strings.Split(text+html, "\n") {
			checkHarmless(t, evil, l)
		}
		if strings.Contains(text, "#{49}") || strings.Count(text, in.Link) != 1 {
			t.Errorf("%q: was read as a template", evil)
		}
	}
}

func checkHarmless(t *testing.T, evil, line string) {
	t.Helper()
	for _, r := range line {
		switch {
		case r < ' ', 0x7f <= r && r < 0xa0, 0x200b <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202e, 0x2060 <= r && r <= 0x2069,
			r == 0xfeff, r == 0xad, r == 0x61c:
			t.Errorf("%q: %U stands in %q", evil, r, line)
		}
	}
}

func TestRefuses(t *testing.T) {
	for name, change := range map[string]func(*Invitation){
		"no link":                 func(in *Invitation) { in.Link = "" },
		"a script as link":        func(in *Invitation) { in.Link = "javascript:alert(1)" },
		"a link with a break":     func(in *Invitation) { in.Link += "\r\nX: y" },
		"a link with a blank":     func(in *Invitation) { in.Link += " x" },
		"no portal address":       func(in *Invitation) { in.PublicURL = "" },
		"a portal of no scheme":   func(in *Invitation) { in.PublicURL = "portal.example" },
		"a portal with a user":    func(in *Invitation) { in.PublicURL = "https://a:b@portal.example" },
		"no address to sign in":   func(in *Invitation) { in.Invitee.Email = " \u200b" },
		"nothing granted":         func(in *Invitation) { in.Grants = nil },
		"a link without an end":   func(in *Invitation) { in.ExpiresAt = time.Time{} },
		"a link hidden from view": func(in *Invitation) { in.Link += "\u202e" },
	} {
		in := invitation()
		change(&in)
		subject, text, html, err := Compose(in)
		if err == nil || subject+text+html != "" {
			t.Errorf("%s: composed %q, error %v", name, subject, err)
		} else if strings.Contains(err.Error(), "AQAB") {
			t.Errorf("%s: the error repeats the link: %v", name, err)
		}
	}
	for _, in := range []LinkRequested{
		{PublicURL: "https://portal.example", Link: "https://portal.example/x"},
		{PublicURL: "https://portal.example", Invitee: Person{Email: "a@b.example"}},
		{Link: "https://portal.example/x", Invitee: Person{Email: "a@b.example"}},
	} {
		if _, _, _, err := ComposeLinkRequested(in); err == nil {
			t.Errorf("composed %+v", in)
		}
	}
}
