package events

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"reflect"
	"testing"
	"testing/quick"
)

// What is written by hand is what json.Marshal writes, whatever stands in the envelope.
func TestEnvelopeAsMarshalled(t *testing.T) {
	data := []string{`{}`, `{"name":"Müller \u0026 Söhne GmbH"}`, `{"a":["x",1]}`}
	boundaries := []string{account, "system", "tree", "user.0198c5d4-7e1a-7c3f-9b1d-0000000000b1"}
	random := rand.New(rand.NewSource(1))
	awkward := []string{"", "plain", "a<b>&c", `quote " and \`, "line\nend\t", "é", "\u2028\u2029", "\x7f", "\xff\xfe", "😀"}
	for n := range 2000 {
		v, ok := quick.Value(reflect.TypeFor[wireCommit](), random)
		if !ok {
			t.Fatal("no value")
		}
		w := v.Interface().(wireCommit)
		w.Boundary = mustBoundary(t, boundaries[n%len(boundaries)])
		w.Cmd.Name, w.Trace, w.Cause = awkward[n%len(awkward)], awkward[n/3%len(awkward)], awkward[n/7%len(awkward)]
		for i := range w.Facts {
			w.Facts[i].Data = json.RawMessage(data[(n+i)%len(data)])
		}
		if n%5 == 0 { // what an id that names nothing looks like
			w.Log, w.ID, w.Prev, w.At = LogID{}, CommitID{}, Prev{}, 0
			w.Actor.Session, w.Cmd.Undoes, w.Cmd.Outcomes = SessionID{}, CommitID{}, nil
		}
		if w.Facts == nil {
			w.Facts = []wireFact{} // Encode makes a list in any case
		}
		want, err := json.Marshal(w)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.append(nil); !bytes.Equal(got, want) {
			t.Fatalf("written by hand it is another\nby hand    %s\nmarshalled %s", got, want)
		}
	}
}

// BenchmarkEncode encodes the full vector.
func BenchmarkEncode(b *testing.B) {
	boundary, err := ParseBoundary(account)
	if err != nil {
		b.Fatal(err)
	}
	text, err := vectorFile("full")
	if err != nil {
		b.Fatal(err)
	}
	c, err := Decode(Record{Pos: 42, Boundary: boundary, Payload: text})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(c); err != nil {
			b.Fatal(err)
		}
	}
}
