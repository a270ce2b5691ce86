package password

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bits-and-blooms/bloom/v3"
	zxcvbn "github.com/ccojocar/zxcvbn-go"
	"golang.org/x/text/unicode/norm"
)

// commonWords is a Bloom filter of the passwords that are tried first because breaches have shown how often they are
// chosen: those of 8 characters and more, in lower case, of the list that infra/adr/dependencies.md names. One in ten
// thousand other passwords is taken for one of them.
//
//go:embed common.bloom
var commonWords []byte

// minCommon is the shortest password that is looked at: a shorter one is refused by every policy, for its length.
const minCommon = 8

// maxGuessed is how much of a password is looked at for patterns: the work grows with its square and more.
const maxGuessed = 64

// readCommon reads the filter.
func readCommon() (*bloom.BloomFilter, error) {
	filter := &bloom.BloomFilter{}
	if _, err := filter.ReadFrom(bytes.NewReader(commonWords)); err != nil {
		return nil, fmt.Errorf("password: the list of common passwords: %w", err)
	}
	return filter, nil
}

// folded is the form in which passwords are looked for in the list.
func folded(password string) string { return strings.ToLower(norm.NFKC.String(password)) }

// Common says that a password is on the list of common ones, or so close to words, dates, rows of keys and the like that
// it is guessed at once, whatever characters it has. It asks nobody outside (SPEC 4.3).
func (h *Hasher) Common(password string) bool {
	if len(password) > MaxLength || utf8.RuneCountInString(password) < minCommon {
		return false
	}
	if h.common.TestString(folded(password)) {
		return true
	}
	runes := []rune(password)
	return zxcvbn.PasswordStrength(string(runes[:min(len(runes), maxGuessed)]), nil).Score == 0
}
