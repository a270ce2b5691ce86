package events

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func vector(t *testing.T, name string) []byte {
	t.Helper()
	text, err := vectorFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func vectorFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join("testdata", "envelope", name+".v1.json"))
}

func mustBoundary(t *testing.T, s string) Boundary {
	t.Helper()
	b, err := ParseBoundary(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	account = "account.0198c5d4-7e1a-7c3f-9b1d-0000000000a1"
	user    = "user:0198c5d4-7e1a-7c3f-9b1d-0000000000b1"
)

// The bytes of an envelope and its hash; the hashes were computed apart from this program. They never change.
func TestEnvelopeVectors(t *testing.T) {
	for _, c := range []struct {
		name, boundary string
		pos            uint64
		hash           string
	}{
		{"full", account, 42, "z3JWTtAMgduzkjLfx68GlFw_rJDuXFrytcyoSMSDwyA"},
		{"minimal", "system", 1, "GX9H3bV8nVT6Up5SVMP_AylpzQJruTT00Nr2bcpp-Io"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := vector(t, c.name)
			r := Record{Pos: c.pos, Boundary: mustBoundary(t, c.boundary), Payload: text}
			if got := r.Hash().String(); got != c.hash {
				t.Errorf("hash %s, want %s", got, c.hash)
			}
			commit, err := Decode(r)
			if err != nil {
				t.Fatal(err)
			}
			if commit.Pos != c.pos || commit.Hash != r.Hash() || commit.Boundary != r.Boundary {
				t.Errorf("place %d %s %s", commit.Pos, commit.Hash, commit.Boundary)
			}
			got, err := Encode(commit)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, text) {
				t.Errorf("the envelope has changed\nfrozen %s\ntoday  %s", text, got)
			}
		})
	}
}

// The full vector says something about every field of a commit.
func TestFullVectorIsComplete(t *testing.T) {
	c, err := Decode(Record{Pos: 42, Boundary: mustBoundary(t, account), Payload: vector(t, "full")})
	if err != nil {
		t.Fatal(err)
	}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() {
			t.Errorf("%s is left out", v.Type().Field(i).Name)
		}
	}
	for _, part := range []any{c.Prev, c.Cmd, *c.Batch, c.Actor} {
		if empty := emptyFields(reflect.ValueOf(part), "commit"); empty != nil {
			t.Errorf("%v are left out", empty)
		}
	}
}

func TestHashVectors(t *testing.T) {
	for _, c := range []struct {
		r    Record
		want string
	}{
		{Record{Pos: 1}, "KuHBnAy9N45GySep82EZI-wHzBrjV1AqCVNtRVJ1zyE"},
		{Record{Pos: 1<<64 - 1, Payload: []byte("x")}, "KpK4ldQhW4w5ok01h-a1eCwPj_Az1rRM54Kms8T60z8"},
	} {
		if got := c.r.Hash().String(); got != c.want {
			t.Errorf("position %d: %s, want %s", c.r.Pos, got, c.want)
		}
	}
}

func TestIDVectors(t *testing.T) {
	if got := CommitIDOf(mustBoundary(t, account), user, "key-1", 1).String(); got != "OGB7CEMG3FYpHjpsflhQ9Q" {
		t.Errorf("commit id %s", got)
	}
	behalf := "operator:0198c5d4-7e1a-7c3f-9b1d-000000000091" + user
	if got := CommitIDOf(Portal(), behalf, "", 12).String(); got != "YVgVGhXUCcw6g4NsP_JHKA" {
		t.Errorf("commit id on behalf %s", got)
	}
	log, err := ParseID[struct{ log byte }]("0198c5d4-7e1a-7c3f-9b1d-000000000002")
	if err != nil {
		t.Fatal(err)
	}
	for ordinal, want := range map[int]string{0: "bf686dad-7f2d-809d-b527-96f53f355173", 1<<20 | 1: "f3db34ab-2150-839e-a5a3-9dfbad77639a"} {
		if got := DerivedID(log, user, "key-1", ordinal).String(); got != want {
			t.Errorf("derived id %d: %s, want %s", ordinal, got, want)
		}
	}
	if got := LengthPrefixed("", "a", "äö"); string(got) != "\x00\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x00\x04äö" {
		t.Errorf("length prefixed %x", got)
	}
	if bytes.Equal(LengthPrefixed("ab", "c"), LengthPrefixed("a", "bc")) || len(LengthPrefixed()) != 0 {
		t.Error("two lists of fields have the same bytes")
	}
}

func TestDecodeRefuses(t *testing.T) {
	full := string(vector(t, "full"))
	swap := func(old, new string) string {
		if strings.Count(full, old) < 1 {
			t.Fatalf("the vector has no %s", old)
		}
		return strings.Replace(full, old, new, 1)
	}
	cut := func(from, to string) string { // without the field that begins with from, up to to
		a := strings.Index(full, from)
		b := strings.Index(full, to)
		if a < 0 || b < a {
			t.Fatalf("the vector has no %s before %s", from, to)
		}
		return full[:a] + full[b:]
	}
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", ErrCorrupt},
		{"no JSON", "\x00\x01", ErrCorrupt},
		{"null", "null", ErrCorrupt},
		{"an array", "[" + full + "]", ErrCorrupt},
		{"cut off", full[:len(full)-1], ErrCorrupt},
		{"a second envelope behind", full + full, ErrCorrupt},
		{"a bracket behind", full + "}", ErrCorrupt},
		{"a line end behind", full + "\n", ErrCorrupt},
		{"a boundary of another", swap(account, "account.0198c5d4-7e1a-7c3f-9b1d-0000000000a2"), ErrCorrupt},
		{"a boundary that is a wildcard", swap(account, "account.*"), ErrCorrupt},
		{"no boundary", cut(`"boundary":`, `"prev":`), ErrCorrupt},
		{"an unknown field", swap(`{"v":1,`, `{"v":1,"more":1,`), ErrCorrupt},
		{"an unknown field of the command", swap(`"cmd":{`, `"cmd":{"more":1,`), ErrCorrupt},
		{"an unknown field of the actor", swap(`"actor":{`, `"actor":{"more":1,`), ErrCorrupt},
		{"an unknown field of a fact", swap(`{"type":`, `{"more":1,"type":`), ErrCorrupt},
		{"an unknown field of a box", swap(`"origin":{`, `"origin":{"more":1,`), ErrCorrupt},
		{"a newer version", swap(`{"v":1,`, `{"v":2,`), ErrUnknown},
		{"a newer version with more fields", swap(`{"v":1,`, `{"v":2,"more":1,`), ErrUnknown},
		{"a newer version of another shape", swap(`{"v":1,"log":"`, `{"v":2,"log":7,"name":"`), ErrUnknown},
		{"version 0", swap(`{"v":1,`, `{"v":0,`), ErrCorrupt},
		{"no version", cut(`"v":1`, `"log":`), ErrCorrupt},
		{"no log", cut(`"log":`, `"id":`), ErrCorrupt},
		{"no id", cut(`"id":`, `"boundary":`), ErrCorrupt},
		{"no time", cut(`"at":`, `"cmd":`), ErrCorrupt},
		{"no command", cut(`"cmd":`, `"batch":`), ErrCorrupt},
		{"part 4 of 3", swap(`"part":2`, `"part":4`), ErrCorrupt},
		{"part 0", swap(`"part":2`, `"part":0`), ErrCorrupt},
		{"no actor", cut(`"actor":`, `"behalf":`), ErrCorrupt},
		{"no facts", full[:strings.Index(full, `,"facts"`)] + "}", ErrCorrupt},
		{"an empty list of facts", full[:strings.Index(full, `,"facts"`)] + `,"facts":[]}`, ErrCorrupt},
		{"a time without its digits", swap(`"at":"2026-01-02T03:04:05.123456Z"`, `"at":"2026-01-02T03:04:05Z"`), ErrCorrupt},
		{"a time with three digits", swap(`05.123456Z","cmd"`, `05.123Z","cmd"`), ErrCorrupt},
		{"a time with an offset", swap(`05.123456Z","cmd"`, `05.123456+00:00","cmd"`), ErrCorrupt},
		{"a time in lower case", swap(`T03:04:05.123456Z","cmd"`, `t03:04:05.123456z","cmd"`), ErrCorrupt},
		{"a time as a number", swap(`"at":"2026-01-02T03:04:05.123456Z"`, `"at":1767323045`), ErrCorrupt},
		{"an id in upper case", swap(`"log":"0198c5d4`, `"log":"0198C5D4`), ErrCorrupt},
		{"an id in braces", swap(`"log":"0198c5d4-7e1a-7c3f-9b1d-000000000002"`, `"log":"{0198c5d4-7e1a-7c3f-9b1d-000000000002}"`), ErrCorrupt},
		{"a commit id with padding", swap(`","boundary"`, `==","boundary"`), ErrCorrupt},
		{"a commit id of 15 bytes", swap(full[strings.Index(full, `"id":"`):strings.Index(full, `,"boundary"`)], `"id":"AAAAAAAAAAAAAAAAAAAA"`), ErrCorrupt},
		{"a commit id with loose bits", swap(full[strings.Index(full, `"id":"`):strings.Index(full, `,"boundary"`)], `"id":"AAAAAAAAAAAAAAAAAAAAAB"`), ErrCorrupt},
		{"a hash in the other alphabet", swap(`"hash":"`, `"hash":"+`), ErrCorrupt},
		{"a position below zero", swap(`"pos":41`, `"pos":-41`), ErrCorrupt},
		{"a position that is no integer", swap(`"pos":41`, `"pos":41.5`), ErrCorrupt},
		{"an unknown fact", swap("membership.left", "membership.gone"), ErrUnknown},
		{"a newer fact", swap(`"membership.left","v":1`, `"membership.left","v":9`), ErrUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Decode(Record{Pos: 42, Boundary: mustBoundary(t, account), Payload: []byte(c.text)})
			if !errors.Is(err, c.want) || errors.Is(err, ErrCorrupt) == errors.Is(err, ErrUnknown) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !reflect.DeepEqual(got, Commit{}) {
				t.Errorf("refused, and answered %+v", got)
			}
		})
	}
}

// What Decode would refuse is not written.
func TestEncodeRefuses(t *testing.T) {
	good, err := Decode(Record{Pos: 42, Boundary: mustBoundary(t, account), Payload: vector(t, "full")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		spoil func(*Commit)
	}{
		{"no facts", func(c *Commit) { c.Facts = nil }},
		{"no log", func(c *Commit) { c.Log = LogID{} }},
		{"no id", func(c *Commit) { c.ID = CommitID{} }},
		{"no boundary", func(c *Commit) { c.Boundary = Boundary{} }},
		{"a boundary without its id", func(c *Commit) { c.Boundary = Boundary{Kind: AccountBoundary} }},
		{"no time", func(c *Commit) { c.At = 0 }},
		{"no actor", func(c *Commit) { c.Actor = Actor{} }},
		{"no command", func(c *Commit) { c.Cmd = Cmd{} }},
		{"part 3 of 2", func(c *Commit) { c.Cmd.Part, c.Cmd.Parts = 3, 2 }},
		{"a fact of no catalog", func(c *Commit) { c.Facts = []Event{unlisted{}} }},
		{"a part that nobody sealed", func(c *Commit) {
			c.Facts = []Event{MembershipSuspended{Reason: For(KeyID{1}, Note{"left"})}}
		}},
		{"more than a message may have", func(c *Commit) { c.Trace = strings.Repeat("x", MaxCommitBytes) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := good
			c.spoil(&bad)
			if got, err := Encode(bad); err == nil {
				t.Errorf("wrote %.200s", got)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"full", "minimal"} {
		text, err := vectorFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, uint64(42), account)
		f.Add(text, uint64(1), "system")
	}
	f.Add([]byte(`{"v":2}`), uint64(1), "tree")
	f.Fuzz(func(t *testing.T, payload []byte, pos uint64, boundary string) {
		b, err := ParseBoundary(boundary)
		if err != nil {
			return
		}
		if b.String() != boundary {
			t.Fatalf("%q reads as %q", boundary, b)
		}
		c, err := Decode(Record{Pos: pos, Boundary: b, Payload: payload})
		if err != nil {
			if errors.Is(err, ErrCorrupt) == errors.Is(err, ErrUnknown) {
				t.Fatalf("neither or both: %v", err)
			}
			return
		}
		written, err := Encode(c)
		if err != nil {
			if len(payload) <= MaxCommitBytes/8 { // escapes may make it longer
				t.Fatalf("read, and not writable: %v", err)
			}
			return
		}
		c.Hash = Record{Pos: pos, Boundary: b, Payload: written}.Hash()
		twice, err := Decode(Record{Pos: pos, Boundary: b, Payload: written})
		if err != nil || !reflect.DeepEqual(twice, c) {
			t.Fatalf("%v: read anew it is another\n%+v\n%+v", err, c, twice)
		}
	})
}
