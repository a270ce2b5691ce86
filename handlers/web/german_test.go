package web_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"roster/domain"
	"roster/handlers"
)

// The pages before a sign-in speak the language of whoever looks: of the browser, and of the person whom a link is for
// where that is known (SPEC 7.2).
func TestInGerman(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.language = "de-AT,en;q=0.5"
	setup := w.setupPath()
	b.get("/").want(http.StatusOK, "Es gibt noch kein Konto.")
	b.submit(setup, setup, "name", "", "email", "x", "first_name", "", "last_name", "", "password", "kurz", "confirm", "y").
		want(http.StatusUnprocessableEntity, `lang="de"`, "Erstes Konto einrichten", "Geben Sie einen Namen an", "Keine E-Mail-Adresse", "Mindestens 10 Zeichen", "Eine Ziffer", "nicht gleich")
	account, owner := w.open()
	b.get("/sign-in").want(http.StatusOK, "Anmelden", "Passwort vergessen")
	b.submit("/sign-in", "/sign-in", "email", "olga@acme.example", "password", "wrong").want(http.StatusUnauthorized, "Passwort ist falsch")
	b.get("/forgotten").want(http.StatusOK, "Link senden")
	b.get("/reset/nonsense").want(http.StatusNotFound, "führt nirgendwohin")
	b.get("/invitations/").want(http.StatusNotFound, "keine Seite")

	_, link := w.invite(owner, account, "ann@acme.example", domain.Manager)
	shown := b.get(link).want(http.StatusOK, "Olga Owner</bdi></strong> (<bdi>olga@acme.example</bdi>) lädt Sie ein zu <strong><bdi>Acme GmbH</bdi></strong>", "Ihre Rolle", "Einladung ablehnen")
	for _, english := range []string{"Invit", "Accept", " the ", " your ", "works"} {
		if strings.Contains(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(shown.body, " "), english) {
			t.Errorf("%q is left on the page:\n%s", english, shown.body)
		}
	}
	b.submit(link, link+"/decline").want(http.StatusOK, "Einladung abgelehnt", "überlegen")
	b.get(link).want(http.StatusGone, "Diese Einladung wurde abgelehnt.", "Neuen Link anfordern")
	b.submit(link, link+"/ask").want(http.StatusOK, "weitergegeben")

	// Olga reads German, whatever browser she has borrowed.
	olga, _, err := w.app.User(t.Context(), owner.Actor.User())
	if err != nil {
		t.Fatal(err)
	}
	was, _, err := w.app.Person(t.Context(), olga)
	if err != nil {
		t.Fatal(err)
	}
	german := was
	german.Locale = "de"
	w.do(owner, domain.ChangeProfile{User: olga.ID, Seen: olga.ProfileVersion, Was: was, Profile: german})
	if err := w.access.RequestReset(t.Context(), handlers.Call{}, "olga@acme.example"); err != nil {
		t.Fatal(err)
	}
	borrowed := w.browser()
	borrowed.language = "en"
	borrowed.get(w.resetPath(owner.Actor.User(), 1)).want(http.StatusOK, "Neues Passwort wählen", "mit Kleinbuchstabe, Großbuchstabe, Ziffer und Sonderzeichen.")
}
