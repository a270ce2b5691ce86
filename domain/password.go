package domain

import (
	"fmt"
	"unicode"
	"unicode/utf8"

	"roster/events"
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
func CheckPassword(location, password string, rule events.PasswordRule) error {
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
		{n >= rule.Length, RuleLength, fmt.Sprintf("at least %d characters", rule.Length)},
		{n <= maxPassword, RuleTooLong, "at most 1024 characters"},
		{lower || !rule.Lower, RuleLower, "a lower-case letter"},
		{upper || !rule.Upper, RuleUpper, "an upper-case letter"},
		{digit || !rule.Digit, RuleDigit, "a digit"},
		{special || !rule.Special, RuleSpecial, "a special character"},
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
