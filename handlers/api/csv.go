package api

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"roster/domain"
)

func isCSV(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == typeCSV
}

// columns of a list of invitees, in the order in which they stand where no header says otherwise (SPEC 2.1).
func columns() []string { return []string{"email", "first_name", "last_name", "roles", "account"} }

// fromCSV makes a list of invitees into the body that JSON would have. Fields are separated by comma, semicolon or tab;
// a first line that names columns is a header.
func fromCSV(text []byte) ([]byte, error) {
	for at := 0; at < len(text); { // such as a file of an office program in another encoding
		c, size := utf8.DecodeRune(text[at:])
		if c == utf8.RuneError && size == 1 {
			return nil, lineError(1+bytes.Count(text[:at], []byte("\n")), "not valid UTF-8: save the file as UTF-8")
		}
		at += size
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	read := csv.NewReader(bytes.NewReader(text))
	read.FieldsPerRecord, read.TrimLeadingSpace = -1, true
	first, _, _ := bytes.Cut(text, []byte("\n"))
	for _, separator := range ";\t" {
		if !bytes.ContainsRune(first, ',') && bytes.ContainsRune(first, separator) {
			read.Comma = separator
		}
	}
	order := columns()
	people := []invitee{}
	for n := 0; ; n++ {
		fields, err := read.Read()
		switch wrong := (*csv.ParseError)(nil); {
		case errors.Is(err, io.EOF):
			return json.Marshal(inviteBody{People: people})
		case errors.As(err, &wrong):
			return nil, lineError(wrong.Line, wrong.Err.Error())
		case err != nil:
			return nil, malformed("body", "not CSV")
		case n == 0 && isHeader(fields):
			if order, err = header(fields); err != nil {
				return nil, err
			}
			continue
		case len(fields) > len(order):
			line, _ := read.FieldPos(0)
			return nil, lineError(line, "more fields than columns: "+strings.Join(order, ", "))
		case len(people) > domain.MaxInvitees:
			return nil, invalid("body", "at most 5,000 addresses at once")
		}
		var p invitee
		for i, value := range fields {
			value = strings.TrimSpace(value)
			switch order[i] {
			case "email":
				p.Email = value
			case "first_name":
				p.FirstName = cut(value, 200)
			case "last_name":
				p.LastName = cut(value, 200)
			case "roles":
				p.Roles = strings.FieldsFunc(value, func(c rune) bool { return strings.ContainsRune(" ,;|", c) })
			case "account":
				p.Account = value
			}
		}
		people = append(people, p)
	}
}

func isHeader(fields []string) bool {
	return slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(strings.TrimSpace(f), "email") })
}

func header(fields []string) ([]string, error) {
	var order []string
	for _, f := range fields {
		name := strings.ToLower(strings.TrimSpace(f))
		if !slices.Contains(columns(), name) || slices.Contains(order, name) {
			return nil, lineError(1, "the columns are "+strings.Join(columns(), ", ")+", each once")
		}
		order = append(order, name)
	}
	return order, nil
}

func lineError(line int, message string) error {
	return invalid("body.line["+strconv.Itoa(line)+"]", message)
}
