// Package address reads e-mail addresses as people type and paste them, and brings each into the one form under
// which it is known.
package address

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ErrInvalid: the text is no e-mail address that a mail could be sent to.
var ErrInvalid = errors.New("not an e-mail address")

const (
	maxLocal   = 64  // RFC 5321, 4.5.3.1.1
	maxAddress = 254 // RFC 5321, 4.5.3.1.3, less the angle brackets
)

// Normalize answers the form under which an address is known: trimmed, lower case, the domain as IDNA A-labels
// (RFC 5891, UTS 46). Two addresses are the same when their forms are. Quoted local parts, address literals,
// domains without a dot, and local parts beyond ASCII are ErrInvalid.
func Normalize(s string) (string, error) {
	s = strings.TrimSpace(s)
	at := strings.LastIndexByte(s, '@')
	if at < 1 || !utf8.ValidString(s) {
		return "", fmt.Errorf("%w: want name@example.com", ErrInvalid)
	}
	local, domain := s[:at], s[at+1:]
	if len(local) > maxLocal || !isDotAtom(local) {
		return "", fmt.Errorf("%w: what stands before the @ is not allowed", ErrInvalid)
	}
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.Transitional(false))
	domain, err := profile.ToASCII(strings.TrimSuffix(domain, "."))
	if err != nil || !strings.Contains(domain, ".") || strings.Trim(domain, "0123456789.") == "" {
		return "", fmt.Errorf("%w: what stands behind the @ is no domain", ErrInvalid)
	}
	if len(local)+1+len(domain) > maxAddress {
		return "", fmt.Errorf("%w: longer than 254 characters", ErrInvalid)
	}
	return strings.ToLower(local) + "@" + strings.ToLower(domain), nil
}

// isDotAtom says whether s is a dot-atom (RFC 5322, 3.2.3).
func isDotAtom(s string) bool {
	if s[0] == '.' || s[len(s)-1] == '.' || strings.Contains(s, "..") {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-/=?^_`{|}~.", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// Entry is one address of a list: as it was typed, its normal form ("" when it is none), and the name it came with.
type Entry struct {
	Typed string
	Email string
	First string
	Last  string
}

// ParseList reads addresses separated by comma, semicolon, space, tab or newline, each optionally as
// `Name <address>` (SPEC 2.1). Addresses that are the same collapse to the first; what is no address is kept, with
// Email empty, so that whoever typed it is told.
func ParseList(text string) []Entry {
	var list []Entry
	seen := map[string]bool{}
	add := func(typed, name string) {
		e := Entry{Typed: typed}
		if email, err := Normalize(typed); err == nil {
			e.Email = email
			e.First, e.Last = splitName(name)
		}
		key := e.Email
		if key == "" {
			key = "\x00" + strings.ToLower(typed)
		}
		if typed != "" && !seen[key] {
			seen[key] = true
			list = append(list, e)
		}
	}
	for _, chunk := range split(text) {
		open := strings.LastIndexByte(chunk, '<')
		if open >= 0 && strings.HasSuffix(chunk, ">") {
			add(strings.TrimSpace(chunk[open+1:len(chunk)-1]), chunk[:open])
			continue
		}
		for _, word := range strings.Fields(chunk) {
			add(word, "")
		}
	}
	return list
}

// split cuts at commas, semicolons and line ends outside quotes, and behind each closing angle bracket.
func split(text string) []string {
	var chunks []string
	var quoted bool
	start := 0
	cut := func(end, next int) {
		if chunk := strings.TrimSpace(text[start:end]); chunk != "" {
			chunks = append(chunks, chunk)
		}
		start = next
	}
	for i, r := range text {
		switch {
		case r == '"' && (quoted || strings.TrimSpace(text[start:i]) == ""):
			quoted = !quoted
		case r == '\n' || r == '\r':
			quoted = false
			cut(i, i+1)
		case quoted:
		case r == ',' || r == ';':
			cut(i, i+1)
		case r == '>':
			cut(i+1, i+1)
		}
	}
	cut(len(text), len(text))
	return mergeNames(chunks)
}

// mergeNames cuts plain addresses off in front of a name: "a@x Ann Lee <b@y>" is two entries.
func mergeNames(chunks []string) []string {
	var out []string
	for _, chunk := range chunks {
		open := strings.LastIndexByte(chunk, '<')
		if open < 0 {
			out = append(out, chunk)
			continue
		}
		name := strings.Fields(chunk[:open])
		for len(name) > 0 && strings.Contains(name[0], "@") && !strings.HasPrefix(name[0], `"`) {
			out = append(out, name[0])
			name = name[1:]
		}
		out = append(out, strings.Join(name, " ")+" "+chunk[open:])
	}
	return out
}

// splitName takes the last word of a display name as the last name; "Last, First" in quotes is read as such.
func splitName(name string) (first, last string) {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '"' || unicode.IsControl(r) {
			return -1
		}
		return r
	}, name))
	if l, f, ok := strings.Cut(name, ","); ok {
		return strings.TrimSpace(f), strings.TrimSpace(l)
	}
	words := strings.Fields(name)
	if len(words) < 2 {
		return name, ""
	}
	return strings.Join(words[:len(words)-1], " "), words[len(words)-1]
}
