package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// wire reads a fact as it stands in the log.
func wire(t *testing.T, text []byte) wireFact {
	t.Helper()
	var w wireFact
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		t.Fatal(err)
	}
	return w
}

func fixtures(t *testing.T) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(p), ".json")] = bytes.TrimSuffix(text, []byte("\n"))
	}
	return all
}

// again decodes a fixture and writes it anew.
func again(t *testing.T, text []byte) (Event, []byte, error) {
	t.Helper()
	e, err := decodeFact(wire(t, text))
	if err != nil {
		return nil, nil, err
	}
	w, err := encodeFact(e)
	if err != nil {
		return e, nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	if err := enc.Encode(w); err != nil {
		t.Fatal(err)
	}
	return e, bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Every fixture is read for ever; what today's version writes is what its fixture says, byte for byte.
func TestFixtures(t *testing.T) {
	all := fixtures(t)
	for name, text := range all {
		t.Run(name, func(t *testing.T) {
			if want := fmt.Sprintf(`{"type":%q,"v":`, name[:strings.LastIndex(name, ".v")]); !bytes.HasPrefix(text, []byte(want)) {
				t.Fatalf("the fixture is not of the fact that it is named after: %s", text)
			}
			e, got, err := again(t, text)
			if err != nil {
				t.Fatalf("written once, and not readable any more: %v", err)
			}
			if KindOf(e).String() != name { // an old version, lifted to today's
				return
			}
			if !bytes.Equal(got, text) {
				t.Errorf("the wire form has changed\nfrozen %s\ntoday  %s", text, got)
			}
		})
	}
	for _, k := range Kinds() {
		for v := 1; v <= k.Version; v++ {
			if all[Kind{k.Name, v}.String()] == nil {
				t.Errorf("no testdata/%s.json: every version that was ever written has a fixture", Kind{k.Name, v})
			}
		}
	}
}

// A fixture says something about every field: one that it leaves out could be renamed unseen.
func TestFixturesAreComplete(t *testing.T) {
	all := fixtures(t)
	for _, k := range Kinds() {
		e, _, err := again(t, all[k.String()])
		if err != nil {
			t.Fatal(err)
		}
		for _, empty := range emptyFields(reflect.ValueOf(e), k.Name) {
			t.Errorf("%s: the fixture leaves %s out", k, empty)
		}
	}
}

func emptyFields(v reflect.Value, path string) (empty []string) {
	for i := range v.NumField() {
		name, f := path+"."+v.Type().Field(i).Name, v.Field(i)
		switch {
		case strings.HasPrefix(f.Type().Name(), "Sealed["):
			if f.FieldByName("Box").IsZero() {
				empty = append(empty, name)
			}
		case f.IsZero():
			empty = append(empty, name)
		case f.Kind() == reflect.Struct:
			empty = append(empty, emptyFields(f, name)...)
		case f.Kind() == reflect.Slice && f.Index(0).Kind() == reflect.Struct:
			var whole []string // one element may be minimal
			for n := range f.Len() {
				found := emptyFields(f.Index(n), fmt.Sprintf("%s[%d]", name, n))
				if n == 0 || len(found) < len(whole) {
					whole = found
				}
			}
			empty = append(empty, whole...)
		}
	}
	return empty
}

// A field renamed in the code shows in the fixture's test: what is frozen is read into nothing and is gone in what
// is written.
func TestRenamedFieldIsNoticed(t *testing.T) {
	renamed := entryOf(t, fact[left]())
	text := fixtures(t)["membership.left.v1"]
	e, err := renamed.decode(wire(t, text).Data, nil)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(data, wire(t, text).Data) {
		t.Errorf("a renamed field went unseen: %s", data)
	}
}

func entryOf(t *testing.T, e entry) entry { t.Helper(); return e }

// left is membership.left with its field renamed.
type left struct {
	Member UserID `json:"member"`
}

func (left) kind() Kind { return Kind{"membership.left", 1} }

func TestCatalog(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.Name] {
			t.Errorf("%s stands in the catalog twice", k.Name)
		}
		seen[k.Name] = true
		noun, verb, ok := strings.Cut(k.Name, ".")
		if !ok || noun == "" || verb == "" || strings.Trim(k.Name, "abcdefghijklmnopqrstuvwxyz_.") != "" || strings.Contains(verb, ".") {
			t.Errorf("%q is not noun.verb", k.Name)
		}
		if k.Version < 1 {
			t.Errorf("%s has no version", k)
		}
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Kinds() {
		if !bytes.Contains(changes, []byte("`"+k.Name+"` v"+fmt.Sprint(k.Version))) {
			t.Errorf("CHANGELOG.md does not name `%s` v%d", k.Name, k.Version)
		}
	}
}

func TestFactRefusals(t *testing.T) {
	box := `{"k":"yBcf-E_4jKbdpti19zCWlLniWt71PEbS","b":"AQID"}`
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"unknown kind", `{"type":"membership.promoted","v":1,"data":{}}`, ErrUnknown},
		{"newer version", `{"type":"membership.left","v":2,"data":{}}`, ErrUnknown},
		{"version 0", `{"type":"membership.left","v":0,"data":{}}`, ErrCorrupt},
		{"no version", `{"type":"membership.left","data":{}}`, ErrCorrupt},
		{"no type", `{"v":1,"data":{}}`, ErrUnknown},
		{"no data", `{"type":"membership.left","v":1}`, ErrCorrupt},
		{"null data", `{"type":"membership.left","v":1,"data":null}`, ErrCorrupt},
		{"data of another shape", `{"type":"membership.left","v":1,"data":[]}`, ErrCorrupt},
		{"an id in upper case", `{"type":"membership.left","v":1,"data":{"user":"0198C5D4-7E1A-7C3F-9B1D-0000000000B1"}}`, ErrCorrupt},
		{"the zero id", `{"type":"membership.left","v":1,"data":{"user":"00000000-0000-0000-0000-000000000000"}}`, ErrCorrupt},
		{"a number for an id", `{"type":"membership.left","v":1,"data":{"user":7}}`, ErrCorrupt},
		{"a negative generation", `{"type":"invitation.expired","v":1,"data":{"generation":-1}}`, ErrCorrupt},
		{"a sealed part that it does not have", `{"type":"membership.left","v":1,"data":{},"sealed":{"reason":` + box + `}}`, ErrCorrupt},
		{"one part too many", `{"type":"membership.revoked","v":1,"data":{},"sealed":{"reason":` + box + `,"note":` + box + `}}`, ErrCorrupt},
		{"a part without ciphertext", `{"type":"membership.revoked","v":1,"data":{},"sealed":{"reason":{"k":"yBcf-E_4jKbdpti19zCWlLniWt71PEbS","b":""}}}`, ErrCorrupt},
		{"a part without key", `{"type":"membership.revoked","v":1,"data":{},"sealed":{"reason":{"k":"","b":"AQID"}}}`, ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			if e, err := decodeFact(wire(t, []byte(c.text))); !errors.Is(err, c.want) {
				t.Errorf("got %+v, %v; want %v", e, err, c.want)
			}
		})
	}
}

// A reader takes a later optional field of the same version as it takes all that JSON tolerates.
func TestNewOptionalField(t *testing.T) {
	e, err := decodeFact(wire(t, []byte(`{"type":"membership.left","v":1,"data":{"user":"0198c5d4-7e1a-7c3f-9b1d-0000000000b1","later":true}}`)))
	if err != nil || e.(MembershipLeft).User.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
}

// unlisted is a fact that nobody put into the catalog.
type unlisted struct{}

func (unlisted) kind() Kind { return Kind{"test.unlisted", 1} }

func TestUnlistedFactIsNotWritten(t *testing.T) {
	if _, err := encodeFact(unlisted{}); err == nil || !strings.Contains(err.Error(), "not in the catalog") {
		t.Errorf("got %v", err)
	}
	if _, err := Seal(unlisted{}, nil); err == nil {
		t.Error("sealed")
	}
}
