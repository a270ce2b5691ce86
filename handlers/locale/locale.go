// Package locale reads what people say of where they are: time zone, language and country. What it answers depends on
// lists that change from year to year, so that rules do not ask it: it stands at the edge.
package locale

import (
	"errors"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // zones are known wherever the program runs

	"golang.org/x/text/language"
)

// What may be wrong.
var (
	ErrZone    = errors.New("want a time zone of the IANA database, such as Europe/Berlin")
	ErrTag     = errors.New("want a language tag of BCP 47, such as de-AT")
	ErrCountry = errors.New("want a country of ISO 3166-1, two letters, such as AT")
	ErrPhone   = errors.New("want a number in international form, such as +436601234567")
)

const maxTag = 35 // of a language tag: RFC 5646, 4.4.1

// Zone answers the name of a time zone as it is known. It is loaded to see whether it is one.
func Zone(s string) (string, error) {
	named := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$`)
	if !named.MatchString(s) || s == "Local" || strings.HasPrefix(s, "posix") || strings.HasPrefix(s, "right/") || s == "Factory" {
		return "", ErrZone
	}
	if _, err := time.LoadLocation(s); err != nil {
		return "", ErrZone
	}
	return s, nil
}

// Location is the time zone of a name that Zone has answered; nil where somebody has none, or where it has been taken out of
// the database since.
func Location(name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if name == "" || err != nil {
		return nil
	}
	return zone
}

// Tag answers a language tag in its canonical form.
func Tag(s string) (string, error) {
	tag, err := language.Parse(s)
	if err != nil || len(s) > maxTag || tag == language.Und {
		return "", ErrTag
	}
	return tag.String(), nil
}

// Country answers the two letters of a country in upper case.
func Country(s string) (string, error) {
	code := strings.ToUpper(s)
	region, err := language.ParseRegion(code)
	if err != nil || len(s) != 2 || !region.IsCountry() || region.Canonicalize().String() != code {
		return "", ErrCountry
	}
	return code, nil
}

// Phone answers a telephone number as E.164 has it. Blanks, dots, hyphens and brackets between digits are how people
// write; letters and extensions are not.
func Phone(s string) (string, error) {
	digits := strings.NewReplacer(" ", "", "\u00a0", "", "-", "", ".", "", "(", "", ")", "").Replace(s)
	if !regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`).MatchString(digits) {
		return "", ErrPhone
	}
	return digits, nil
}
