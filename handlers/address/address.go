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
	if len(domain) > 4*maxAddress { // no domain is as long, however it is written; encoding a long label is slow
		return "", fmt.Errorf("%w: longer than 254 characters", ErrInvalid)
	}
	profile := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.Transitional(false))
	domain, err := profile.ToASCII(domain)
	domain = strings.ToLower(strings.TrimSuffix(domain, ".")) // the root's, which may have been typed as U+3002
	switch {
	case err != nil, !strings.Contains(domain, "."), strings.HasSuffix(domain, "."), strings.Trim(domain, "0123456789.") == "", mixed(domain):
		return "", fmt.Errorf("%w: what stands behind the @ is no domain", ErrInvalid)
	case len(local)+1+len(domain) > maxAddress:
		return "", fmt.Errorf("%w: longer than 254 characters", ErrInvalid)
	}
	return strings.ToLower(local) + "@" + domain, nil
}

// mixed says that a label of a domain mixes Latin letters with those of a script that looks like it: nobody can tell
// such a name from another.
func mixed(domain string) bool {
	if !strings.Contains(domain, "xn--") {
		return false
	}
	written, err := idna.ToUnicode(domain)
	if err != nil {
		return true
	}
	for label := range strings.SplitSeq(written, ".") {
		like := func(r rune) bool {
			return unicode.In(r, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee)
		}
		latin := func(r rune) bool { return unicode.Is(unicode.Latin, r) }
		if strings.ContainsFunc(label, like) && strings.ContainsFunc(label, latin) {
			return true
		}
	}
	return false
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
	start, blank, quoted := 0, true, 0 // blank: nothing but space since start; quoted: where the closing quote stands
	cut := func(end, next int) {
		if chunk := strings.TrimSpace(text[start:end]); chunk != "" {
			chunks = append(chunks, chunk)
		}
		start, blank = next, true
	}
	for i, r := range text {
		switch {
		case i < quoted:
		case r == '"' && blank: // a quote that its line does not close is none
			if n := strings.IndexAny(text[i+1:], "\"\r\n"); n >= 0 && text[i+1+n] == '"' {
				quoted = i + 1 + n
			}
			blank = false
		case r == ',' || r == ';' || r == '\n' || r == '\r':
			cut(i, i+1)
		case r == '>':
			cut(i+1, i+1)
		case !unicode.IsSpace(r):
			blank = false
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
