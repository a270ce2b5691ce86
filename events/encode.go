package events

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// append writes the envelope as json.Marshal would, byte for byte: the bytes are frozen, and a command waits while
// they are made. What needs more than its characters between quotes is left to json.Marshal.
func (w *wireCommit) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"v":`...), int64(w.V), 10)
	b = appendID(append(b, `,"log":`...), w.Log)
	b = appendBase64(append(b, `,"id":`...), w.ID[:], w.ID.IsZero())
	b = append(w.Boundary.append(append(b, `,"boundary":"`...)), '"')
	b = strconv.AppendUint(append(b, `,"prev":{"pos":`...), w.Prev.Pos, 10)
	b = appendBase64(append(b, `,"hash":`...), w.Prev.Hash[:], w.Prev.Hash.IsZero())
	b = append(b, `},"at":"`...)
	if !w.At.IsZero() {
		b = w.At.Std().AppendFormat(b, timeForm)
	}
	b = w.Cmd.append(append(b, `","cmd":`...))
	if w.Batch != nil {
		b = appendBase64(append(b, `,"batch":{"id":`...), w.Batch.ID[:], w.Batch.ID.IsZero())
		b = strconv.AppendInt(append(b, `,"n":`...), int64(w.Batch.N), 10)
		b = strconv.AppendInt(append(b, `,"of":`...), int64(w.Batch.Of), 10)
		b = append(b, '}')
	}
	b = w.Actor.append(append(b, `,"actor":`...))
	if w.Behalf != nil {
		b = w.Behalf.append(append(b, `,"behalf":`...))
	}
	b = appendGiven(b, `,"cause":`, w.Cause)
	b = appendGiven(b, `,"corr":`, w.Corr)
	b = appendGiven(b, `,"trace":`, w.Trace)
	if w.Origin != nil {
		b = w.Origin.append(append(b, `,"origin":`...))
	}
	b = appendGiven(b, `,"build":`, w.Build)
	b = append(b, `,"facts":[`...)
	for i := range w.Facts {
		if i > 0 {
			b = append(b, ',')
		}
		b = w.Facts[i].append(b)
	}
	return append(b, `]}`...)
}

// size is about how many bytes append writes: the log keeps them, and room that is not used would be kept as well.
func (w *wireCommit) size() int {
	const envelope, fact = 560, 80
	n := envelope + w.Origin.size()
	for i := range w.Facts {
		n += fact + len(w.Facts[i].Data)
		for _, box := range w.Facts[i].Sealed {
			n += fact + box.size()
		}
	}
	return n
}

func (x *Box) size() int {
	if x == nil {
		return 0
	}
	return len(`{"k":"","b":""}`) + base64.RawURLEncoding.EncodedLen(len(x.K)) + base64.RawURLEncoding.EncodedLen(len(x.B))
}

func (c *Cmd) append(b []byte) []byte {
	b = appendBase64(append(b, `{"id":`...), c.ID[:], c.ID.IsZero())
	b = appendText(append(b, `,"name":`...), c.Name)
	b = strconv.AppendInt(append(b, `,"part":`...), int64(c.Part), 10)
	b = strconv.AppendInt(append(b, `,"parts":`...), int64(c.Parts), 10)
	if !c.Undoes.IsZero() {
		b = appendBase64(append(b, `,"undoes":`...), c.Undoes[:], false)
	}
	b = appendGiven(b, `,"mac":`, c.MAC)
	for i, outcome := range c.Outcomes {
		if i == 0 {
			b = append(b, `,"outcomes":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendText(b, outcome)
	}
	if len(c.Outcomes) > 0 {
		b = append(b, ']')
	}
	return append(b, '}')
}

func (a *Actor) append(b []byte) []byte {
	b = appendText(append(b, `{"type":`...), string(a.Type))
	b = appendGiven(b, `,"id":`, a.ID)
	if !a.Session.IsZero() {
		b = appendID(append(b, `,"session":`...), a.Session)
	}
	return append(b, '}')
}

func (f *wireFact) append(b []byte) []byte {
	b = appendText(append(b, `{"type":`...), f.Type)
	b = strconv.AppendInt(append(b, `,"v":`...), int64(f.V), 10)
	b = append(append(b, `,"data":`...), f.Data...) // json.Marshal has written it
	if len(f.Sealed) > 0 {
		b = append(b, `,"sealed":{`...)
		for i, part := range slices.Sorted(maps.Keys(f.Sealed)) {
			if i > 0 {
				b = append(b, ',')
			}
			box := f.Sealed[part]
			b = box.append(append(appendText(b, part), ':'))
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

func (x *Box) append(b []byte) []byte {
	b = appendBase64(append(b, `{"k":`...), x.K[:], x.K.IsZero())
	return append(appendBase64(append(b, `,"b":`...), x.B, false), '}')
}

func appendID[Of any](b []byte, id ID[Of]) []byte {
	b = append(b, '"')
	if !id.IsZero() {
		b = id.append(b)
	}
	return append(b, '"')
}

func appendBase64(b, value []byte, none bool) []byte {
	b = append(b, '"')
	if !none {
		b = base64.RawURLEncoding.AppendEncode(b, value)
	}
	return append(b, '"')
}

// appendGiven writes a member that is left out when it is empty.
func appendGiven(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	return appendText(append(b, name...), value)
}

func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // of a string it cannot fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
