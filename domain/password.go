package domain

import (
	"unicode"
	"unicode/utf8"
)

// The default rules for passwords (SPEC 4.3), by name.
const (
	RuleLength  = "length"
	RuleLower   = "lower_case"
	RuleUpper   = "upper_case"
	RuleDigit   = "digit"
	RuleSpecial = "special"
	RuleTooLong = "too_long"
)

const (
	minPassword = 10
	maxPassword = 1024 // characters: far beyond what anybody types, and cheap to hash
)

// CheckPassword lists every rule that a password fails, all at once; location says where it stands in the request.
func CheckPassword(location, password string) error {
	var lower, upper, digit, special bool
	for _, r := range password {
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
	n := utf8.RuneCountInString(password)
	var fields []Field
	for _, rule := range []struct {
		ok            bool
		name, message string
	}{
		{n >= minPassword, RuleLength, "at least 10 characters"},
		{n <= maxPassword, RuleTooLong, "at most 1024 characters"},
		{lower, RuleLower, "a lower-case letter"},
		{upper, RuleUpper, "an upper-case letter"},
		{digit, RuleDigit, "a digit"},
		{special, RuleSpecial, "a special character"},
	} {
		if !rule.ok {
			fields = append(fields, Field{location, rule.name + ": " + rule.message})
		}
	}
	switch {
	case !utf8.ValidString(password):
		return invalid(location, "the password is not valid UTF-8")
	case fields != nil:
		return &Error{Code: PasswordRules, Detail: "the password fails the rules named", Fields: fields}
	}
	return nil
}
