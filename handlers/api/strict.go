package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gowebpki/jcs"

	"roster/domain"
)

// maxDepth is how deep a body may be nested; no request needs a third of it.
const maxDepth = 32

// level is an object or array that is being read.
type level struct {
	object bool
	keys   map[string]bool // folded, so that "Name" beside "name" is a repetition
	name   string          // of the member being read
	index  int
	inside bool // a name has been read, its value has not
}

// checkJSON refuses what encoding/json would quietly make something of: a second value behind the first, a key said
// twice (whatever the case), invalid UTF-8, deep nesting, numbers that a 64-bit float does not hold exactly. It
// answers malformed with the place, never with what stands there.
func checkJSON(body []byte) error {
	if !utf8.Valid(body) {
		return malformed("body", "not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var levels []level
	for {
		token, err := dec.Token()
		switch {
		case errors.Is(err, io.EOF) && len(levels) == 0:
			return malformed("body", "empty")
		case err != nil:
			return malformed(where(levels), "not JSON")
		}
		if levels, err = step(levels, token); err != nil {
			return err
		}
		if len(levels) > 0 {
			continue
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return malformed("body", "something stands behind the JSON value")
		}
		return nil
	}
}

// step takes in one token.
func step(levels []level, token json.Token) ([]level, error) {
	var top *level
	if len(levels) > 0 {
		top = &levels[len(levels)-1]
	}
	if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
		levels = levels[:len(levels)-1]
		return valueRead(levels), nil
	}
	if top != nil && top.object && !top.inside {
		name, _ := token.(string)
		folded := strings.ToLower(name)
		top.name, top.inside = name, true
		if top.keys[folded] {
			return nil, malformed(where(levels), "this key stands here more than once")
		}
		top.keys[folded] = true
		return levels, nil
	}
	switch t := token.(type) {
	case json.Delim:
		if len(levels) == maxDepth {
			return nil, malformed("body", "nested deeper than "+strconv.Itoa(maxDepth))
		}
		return append(levels, level{object: t == '{', keys: map[string]bool{}}), nil
	case json.Number:
		if f, err := t.Float64(); err != nil || math.Abs(f) > 1<<53 {
			return nil, malformed(where(levels), "a number beyond what can be held exactly")
		}
	}
	return valueRead(levels), nil
}

// valueRead moves on behind a value.
func valueRead(levels []level) []level {
	if len(levels) > 0 {
		top := &levels[len(levels)-1]
		top.index++
		top.inside = false
	}
	return levels
}

// where is the place of the value being read, as errors name it. Names are cut: they are the caller's.
func where(levels []level) string {
	path := "body"
	for _, l := range levels {
		switch {
		case !l.object:
			path += "[" + strconv.Itoa(l.index) + "]"
		case l.inside:
			path += "." + cut(l.name, 40)
		}
	}
	return cut(path, 200)
}

func cut(s string, most int) string {
	for i := range s {
		if i >= most {
			return s[:i]
		}
	}
	return s
}

func malformed(location, message string) *domain.Error {
	return &domain.Error{Code: codeMalformed, Detail: message, Fields: []domain.Field{{Location: location, Message: message}}}
}

// canonical is what an idempotency key stands for: command, target and body without secrets, as RFC 8785 writes it.
func canonical(command string, target map[string]string, body []byte) ([]byte, error) {
	var content any
	if len(body) > 0 {
		if err := json.Unmarshal(body, &content); err != nil {
			return nil, malformed("body", "not JSON")
		}
	}
	text, err := json.Marshal(map[string]any{"command": command, "target": target, "body": withoutSecrets(content)})
	if err != nil {
		return nil, err
	}
	out, err := jcs.Transform(text)
	if err != nil {
		return nil, malformed("body", "cannot be brought into canonical form")
	}
	return out, nil
}

// withoutSecrets drops every password, the current one, and what was typed once more.
func withoutSecrets(v any) any {
	switch v := v.(type) {
	case map[string]any:
		_, set := v["password"]
		_, changed := v["current"]
		if set || changed { // elsewhere confirm is no secret
			delete(v, "confirm")
			delete(v, "current")
			delete(v, "new")
		}
		delete(v, "password")
		delete(v, "client_secret")
		for _, member := range v {
			withoutSecrets(member)
		}
	case []any:
		for _, member := range v {
			withoutSecrets(member)
		}
	}
	return v
}
