package web

import (
	"testing"

	"roster/domain"
)

func german(t *testing.T, d domain.Definition) *page {
	t.Helper()
	c, err := readCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{shipped: map[string]domain.Definition{}}
	for _, one := range domain.Profiles() {
		s.shipped[one.Name] = one
	}
	profile := &domain.Profile{Definition: d}
	for _, r := range d.Roles {
		profile.Roles = append(profile.Roles, &domain.Role{Name: r.Name, Label: r.Label})
	}
	return &page{site: s, Profile: profile, words: words{Lang: "de", texts: c.texts["de"], fallback: c.fallback, patterns: c.patterns}}
}

// What the profiles that come with the program call roles, statuses and buttons is there in every language (SPEC 7.2, 9).
func TestProfilesInGerman(t *testing.T) {
	for _, d := range domain.Profiles() {
		p := german(t, d)
		same := func(what, word, shown string) {
			if shown == word && word != "" && word != "Manager" { // which is the same in German
				t.Errorf("%s: %s is %q in German", d.Name, what, shown)
			}
		}
		for _, r := range d.Roles {
			same("the role "+r.Name, r.Label, p.RoleLabel(r.Name))
			same("the role "+r.Name, r.Label, p.RoleName(role{ID: r.Name, Label: r.Label, BuiltIn: true}))
		}
		for status, label := range d.Labels {
			same("the status "+status, label, p.StatusText(status, label))
		}
		for action, label := range d.Actions {
			same("the button "+action, label, p.Action(action))
		}
	}
}

// What an operator has declared is shown as it is, in every language.
func TestDeclaredStays(t *testing.T) {
	d := domain.Profiles()[0]
	d.Roles = []domain.RoleDefinition{{Name: domain.Owner, Label: "Chief"}, {Name: domain.Admin, Label: "Admin"}}
	d.Labels, d.Actions = map[string]string{"pending": "Invited"}, map[string]string{"revoke": "Delete"}
	p := german(t, d)
	if a, b := p.RoleLabel(domain.Owner), p.RoleLabel(domain.Admin); a != "Chief" || b != "Administrator" {
		t.Errorf("%q, %q", a, b)
	}
	d.Name = "ours"
	p = german(t, d)
	if a, b, c := p.RoleLabel(domain.Admin), p.StatusText("pending", "Invited"), p.Action("revoke"); a != "Admin" || b != "Invited" || c != "Delete" {
		t.Errorf("%q, %q, %q", a, b, c)
	}
	if name := p.RoleName(role{ID: "viewer-2", Label: "Viewer"}); name != "Viewer" {
		t.Errorf("%q", name)
	}
}

// What a rule says with names in it is said in the viewer's language, and the names as they are.
func TestSaid(t *testing.T) {
	p := german(t, domain.Profiles()[0])
	for message, want := range map[string]string{
		"from 1 hour to 90 days":                                "Von 1 Stunde bis 90 Tage",
		"no such role: known are owner, desk":                   "Eine solche Rolle gibt es nicht, sondern: owner, desk",
		"pricing stands there twice":                            "Pricing steht zweimal da",
		"an account stands there twice":                         "Ein Konto steht zweimal da",
		"length: at least 12 characters":                        "Mindestens 12 Zeichen",
		"at most 5,000 addresses at once":                       "Höchstens 5.000 Adressen auf einmal",
		"a key cannot have the role master, which makes owners": "Ein Schlüssel kann die Rolle master nicht haben, die Inhaber macht",
		`expected value to be one of "true, false"`:             "Möglich sind true, false",
		"Zeile 3: Mehr Felder als Spalten: email":               "Zeile 3: Mehr Felder als Spalten: email",
		"what no catalogue has":                                 "What no catalogue has",
	} {
		if said := p.Said(message); said != want {
			t.Errorf("%q is said as %q, want %q", message, said, want)
		}
	}
	if said := p.Because(&domain.Error{Code: domain.WrongRecipient, Detail: "what no catalogue has"}); said != "Das ist für jemand anderen als den, der angemeldet ist." {
		t.Error(said)
	}
}
