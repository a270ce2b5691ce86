package domain

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"roster/events"
)

// The rules for passwords (SPEC 4.3), by name.
const (
	RuleLength   = "length"
	RuleLower    = "lower_case"
	RuleUpper    = "upper_case"
	RuleDigit    = "digit"
	RuleSpecial  = "special"
	RuleTooLong  = "too_long"
	RuleCommon   = "common"
	RulePersonal = "personal"
	RuleAround   = "account_name"
)

const (
	minPassword = 10
	maxPassword = 1024 // characters: far beyond what anybody types, and cheap to hash
	minPersonal = 4    // letters and digits of a word that a password must not contain: shorter ones stand in many words
)

// Chosen is a password that somebody wants to have, and what is known of it and of them.
type Chosen struct {
	Password string
	Common   bool // it is on the list of common ones, or guessed at once
	Name     events.PersonName
	Email    string
	Around   []string // what the portal and the accounts are called
}

// Check lists every rule that the password fails, all at once; location says where it stands in the request.
func (c Chosen) Check(location string, rule events.PasswordRule) error {
	var lower, upper, digit, special bool
	for _, r := range c.Password {
		switch {
		case unicode.IsLower(r):
			lower = true
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsDigit(r):
			digit = true
		default:
			special = true
		}
	}
	n := utf8.RuneCountInString(c.Password)
	var fields []Field
	for _, rule := range []struct {
		ok            bool
		name, message string
	}{
		{n >= rule.Length, RuleLength, fmt.Sprintf("at least %d characters", rule.Length)},
		{n <= maxPassword, RuleTooLong, "at most 1024 characters"},
		{lower || !rule.Lower, RuleLower, "a lower-case letter"},
		{upper || !rule.Upper, RuleUpper, "an upper-case letter"},
		{digit || !rule.Digit, RuleDigit, "a digit"},
		{special || !rule.Special, RuleSpecial, "a special character"},
		{!c.Common, RuleCommon, "nothing that many others use, or that is guessed at once"},
		{!c.personal(), RulePersonal, "nothing of your own name or e-mail address"},
		{!c.around(), RuleAround, "nothing of the name of the account or of the portal"},
	} {
		if !rule.ok {
			fields = append(fields, Field{location, rule.name + ": " + rule.message})
		}
	}
	switch {
	case !utf8.ValidString(c.Password):
		return invalid(location, "the password is not valid UTF-8")
	case fields != nil:
		return &Error{Code: PasswordRules, Detail: "the password fails the rules named", Fields: fields}
	}
	return nil
}

// personal says that the password contains the person's name, a word of it, or the address up to its @.
func (c Chosen) personal() bool {
	local, _, _ := strings.Cut(c.Email, "@")
	own := []string{squeezed(local), squeezed(c.Name.First + c.Name.Last), squeezed(c.Name.Last + c.Name.First)}
	return c.contains(append(own, wordsOf(c.Name.First+" "+c.Name.Last+" "+local)...))
}

// around says that the password contains the name of the portal or of an account, or a word of it (OWASP ASVS 5.0, 6.2.11).
func (c Chosen) around() bool {
	var texts []string
	for _, name := range c.Around {
		texts = append(append(texts, squeezed(name)), wordsOf(name)...)
	}
	return c.contains(texts)
}

// contains says whether one of these texts is in the password, if it is long enough to mean anything.
func (c Chosen) contains(texts []string) bool {
	password := squeezed(c.Password)
	return slices.ContainsFunc(texts, func(s string) bool {
		return utf8.RuneCountInString(s) >= minPersonal && strings.Contains(password, s)
	})
}

// wordsOf are the words of a text, squeezed.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i := range words {
		words[i] = squeezed(words[i])
	}
	return words
}

// squeezed is the letters and digits of a text, in lower case.
func squeezed(s string) string {
	return strings.ToLower(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s))
}
