package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"

	"roster/events"
	"roster/infra/seal"
)

func counting(from byte) io.Reader {
	b := make([]byte, 64)
	for i := range b {
		b[i] = from + byte(i)
	}
	return bytes.NewReader(b)
}

func fixedKey() (key [32]byte) {
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func somewhere(t *testing.T) seal.Where {
	t.Helper()
	w := seal.Where{Boundary: "account.0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b58", Index: 2, Type: "membership.role_changed", V: 1, Part: "target"}
	if err := w.Log.UnmarshalText([]byte("0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57")); err != nil {
		t.Fatal(err)
	}
	for i := range w.Commit {
		w.Commit[i] = byte(i)
	}
	return w
}

const plain = `{"name":"Ann Lee","email":"ann@example.com"}`

// They never change: what is in a log was sealed so. All of it was computed apart from this program.
const (
	wantKeyID      = "g6oFlipzpr7_BCWUBeMXIdXqe7uxQybx"
	wantAssociated = "0000000e726f737465722e7365616c2e76310000002430313938633564342d376531612d376333662d396231642d3266366138653463306235370000002c6163636f756e742e30313938633564342d376531612d376333662d396231642d3266366138653463306235380000001641414543417751464267634943516f4c4441304f44770000000132000000176d656d626572736869702e726f6c655f6368616e6765640000000131000000067461726765740000002067366f466c69707a7072375f4243575542654d58496458716537757851796278"
	wantBox        = `{"k":"g6oFlipzpr7_BCWUBeMXIdXqe7uxQybx","b":"AcjJysvMzc7P0NHS09TV1tfY2drb3N3e3wJKRuUvF15ceuoY2GCPWgY6-OeCyvpD3QHUVG6N0N5did1pVNwrFHPH0ZuaPw0BNAtZKLLT-Xr8lQOHDDBtpG_w2cco3-xRpZ9X09FhlmgV"}`
	wantOriginBox  = `{"k":"g6oFlipzpr7_BCWUBeMXIdXqe7uxQybx","b":"AcjJysvMzc7P0NHS09TV1tfY2drb3N3e3wJKQfRgSF5XYZlYhm7xEVI6qeXHh7sKkQPOVi_Dnr4Y0ZwkBJBuGjCInJnHPw0BNAtZKLLT-Xr8lQOHDDBtpG_LN-XiZCIxaEYBGiUJK_tv"}`
)

func TestVector(t *testing.T) {
	key, w := fixedKey(), somewhere(t)
	box, err := seal.Seal(counting(200), key, w, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(box)
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != wantBox {
		t.Errorf("box %s, want %s", text, wantBox)
	}
	if got := seal.KeyIDOf(key).String(); got != wantKeyID {
		t.Errorf("key id %s, want %s", got, wantKeyID)
	}
	var read events.Box
	if err := json.Unmarshal([]byte(wantBox), &read); err != nil {
		t.Fatal(err)
	}
	if got, err := seal.Open(key, w, read); err != nil || string(got) != plain {
		t.Errorf("%q, %v", got, err)
	}

	// The same by hand: algorithm, nonce, and the object padded to 64 bytes under that associated data.
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		t.Fatal(err)
	}
	associated, err := hex.DecodeString(wantAssociated)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := aead.Open(nil, read.B[1:25], read.B[25:], associated)
	if err != nil || string(opened) != plain+strings.Repeat(" ", 64-len(plain)) || read.B[0] != 1 || read.B[1] != 200 || read.B[24] != 223 {
		t.Errorf("%q, %v", opened, err)
	}
}

func TestOriginVector(t *testing.T) {
	w := somewhere(t)
	w = seal.Origin(w.Log, w.Boundary, w.Commit)
	if w.Index != -1 || w.Type != "" || w.V != 0 || w.Part != "origin" {
		t.Errorf("%+v", w)
	}
	box, err := seal.Seal(counting(200), fixedKey(), w, []byte(`{"ip":"192.0.2.1"}`))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(box); err != nil || string(text) != wantOriginBox {
		t.Errorf("box %s, want %s", text, wantOriginBox)
	}
}

func TestPadding(t *testing.T) {
	for _, c := range []struct{ plain, padded int }{{2, 64}, {63, 64}, {64, 64}, {65, 128}, {128, 128}, {129, 192}} {
		text := []byte("{" + strings.Repeat(" ", c.plain-2) + "}")
		box, err := seal.Seal(counting(0), fixedKey(), somewhere(t), text)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(box.B) - 41; got != c.padded {
			t.Errorf("%d bytes became %d, want %d", c.plain, got, c.padded)
		}
		if got, err := seal.Open(fixedKey(), somewhere(t), box); err != nil || !bytes.Equal(got, text) {
			t.Errorf("%d bytes: %q, %v", c.plain, got, err)
		}
	}
}

func TestOpenRefusesAnotherPlace(t *testing.T) {
	box, err := seal.Seal(counting(0), fixedKey(), somewhere(t), []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	for name, move := range map[string]func(*seal.Where){
		"log":                func(w *seal.Where) { w.Log[0] ^= 1 },
		"boundary":           func(w *seal.Where) { w.Boundary = "user" + strings.TrimPrefix(w.Boundary, "account") },
		"commit":             func(w *seal.Where) { w.Commit[15] ^= 1 },
		"index":              func(w *seal.Where) { w.Index++ },
		"type":               func(w *seal.Where) { w.Type = "membership.revoked" },
		"version":            func(w *seal.Where) { w.V = 2 },
		"part":               func(w *seal.Where) { w.Part = "actor" },
		"a letter moved":     func(w *seal.Where) { w.Type, w.Boundary = w.Type[1:], w.Boundary+w.Type[:1] },
		"digits moved":       func(w *seal.Where) { w.Index, w.Type = 0, "2"+w.Type },
		"origin":             func(w *seal.Where) { *w = seal.Origin(w.Log, w.Boundary, w.Commit) },
		"no log":             func(w *seal.Where) { w.Log = events.LogID{} },
		"no commit":          func(w *seal.Where) { w.Commit = events.CommitID{} },
		"no part":            func(w *seal.Where) { w.Part = "" },
		"origin with a type": func(w *seal.Where) { w.Index = -1 },
		"index -2":           func(w *seal.Where) { w.Index = -2 },
		"no version":         func(w *seal.Where) { w.V = 0 },
	} {
		w := somewhere(t)
		move(&w)
		if got, err := seal.Open(fixedKey(), w, box); !errors.Is(err, seal.ErrBroken) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestOpenRefusesEditsAndKeys(t *testing.T) {
	box, err := seal.Seal(counting(0), fixedKey(), somewhere(t), []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	open := func(key [32]byte, b events.Box) error {
		got, err := seal.Open(key, somewhere(t), b)
		if err != nil && got != nil {
			t.Error("plaintext beside an error")
		}
		return err
	}
	for i := range box.B {
		b := events.Box{K: box.K, B: bytes.Clone(box.B)}
		b.B[i] ^= 1
		if err := open(fixedKey(), b); !errors.Is(err, seal.ErrBroken) {
			t.Errorf("edited at %d: %v", i, err)
		}
		if err := open(fixedKey(), events.Box{K: box.K, B: box.B[:i]}); !errors.Is(err, seal.ErrBroken) {
			t.Errorf("cut to %d: %v", i, err)
		}
	}
	if err := open(fixedKey(), events.Box{K: box.K, B: append(bytes.Clone(box.B), make([]byte, 64)...)}); !errors.Is(err, seal.ErrBroken) {
		t.Error("longer:", err)
	}
	other := fixedKey()
	other[0] ^= 1
	if err := open(other, box); !errors.Is(err, seal.ErrOtherKey) {
		t.Error("another key:", err)
	}
	if err := open(other, events.Box{K: seal.KeyIDOf(other), B: box.B}); !errors.Is(err, seal.ErrBroken) {
		t.Error("another key under its own id:", err)
	}
	if err := open(fixedKey(), events.Box{}); !errors.Is(err, seal.ErrOtherKey) {
		t.Error("no box:", err)
	}
}

func TestSealRefuses(t *testing.T) {
	for _, text := range []string{"", " ", "{", `"text"`, "[]", "null", "1", "{} ", " {}", "{}{}", `{"a":}`, "{}\n"} {
		if box, err := seal.Seal(counting(0), fixedKey(), somewhere(t), []byte(text)); err == nil || !box.IsZero() {
			t.Errorf("%q was sealed", text)
		}
	}
	if _, err := seal.Seal(bytes.NewReader(make([]byte, 23)), fixedKey(), somewhere(t), []byte("{}")); err == nil {
		t.Error("sealed with 23 random bytes")
	}
	if _, err := seal.Seal(counting(0), fixedKey(), seal.Where{}, []byte("{}")); err == nil {
		t.Error("sealed for nowhere")
	}
}
