package token_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"

	"roster/events"
	"roster/infra/token"
)

// Computed apart from this program, for ids a0… and b0… and the secret 00…1f. They never change.
const (
	sessionToken  = "rs_oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyB6lMA"
	keyToken      = "rk_oKGio6SlpqeoqaqrrK2ur7CxsrO0tba3uLm6u7y9vr8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH0cYMo0"
	operatorToken = "ro_sLGys7S1tre4ubq7vL2-vwABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fgLYElw"
	secretHash    = "Yw3NKWbEM2aRElRIu7JbT_QSpJxzLbLIq8G4WBvXEN0"
)

func counting() io.Reader {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i)
	}
	return bytes.NewReader(b)
}

func ids() (a, b events.AnyID) {
	for i := range a {
		a[i], b[i] = 0xa0+byte(i), 0xb0+byte(i)
	}
	return a, b
}

func TestVectors(t *testing.T) {
	a, b := ids()
	var none events.AnyID
	session, h1, err1 := token.MintSession(counting(), events.UserID(a), events.SessionID(b))
	key, h2, err2 := token.MintAPIKey(counting(), a, b)
	operator, h3, err3 := token.MintOperator(counting(), b)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		got, want string
		hash      events.Hash
		bearer    token.Bearer
	}{
		{session, sessionToken, h1, token.Bearer{Kind: token.Session, A: a, B: b, Hash: h1}},
		{key, keyToken, h2, token.Bearer{Kind: token.APIKey, A: a, B: b, Hash: h2}},
		{operator, operatorToken, h3, token.Bearer{Kind: token.Operator, A: none, B: b, Hash: h3}},
	} {
		if c.got != c.want {
			t.Errorf("token %s, want %s", c.got, c.want)
		}
		if c.hash.String() != secretHash {
			t.Errorf("hash %s, want %s", c.hash, secretHash)
		}
		if got, err := token.Parse(c.want); err != nil || got != c.bearer {
			t.Errorf("%+v, %v; want %+v", got, err, c.bearer)
		}
	}
}

func TestMintNeedsRandomness(t *testing.T) {
	a, b := ids()
	if s, h, err := token.MintAPIKey(bytes.NewReader(make([]byte, 31)), a, b); err == nil || s != "" || !h.IsZero() {
		t.Error("minted with 31 random bytes")
	}
}

func TestParseRefuses(t *testing.T) {
	for _, good := range []string{sessionToken, keyToken, operatorToken} {
		bad := []string{"", "r", good + "=", good + "A", good + "\n", " " + good, strings.ToUpper(good), good[:20] + "\r\n" + good[20:], "rx_" + good[3:], "rs-" + good[3:]}
		for _, prefix := range []string{"rs_", "rk_", "ro_"} {
			if !strings.HasPrefix(good, prefix) {
				bad = append(bad, prefix+good[3:])
			}
		}
		for i := range len(good) {
			bad = append(bad, good[:i])
			for _, c := range "Aa0-_=+/ \n." {
				if s := good[:i] + string(c) + good[i+1:]; s != good {
					bad = append(bad, s)
				}
			}
		}
		raw, err := base64.RawURLEncoding.DecodeString(good[3:])
		if err != nil {
			t.Fatal(err)
		}
		for i := range raw {
			edited := append([]byte(nil), raw...)
			edited[i] ^= 0x10
			bad = append(bad, good[:3]+base64.RawURLEncoding.EncodeToString(edited))
		}
		for _, text := range bad {
			if got, err := token.Parse(text); !errors.Is(err, token.ErrBad) || got != (token.Bearer{}) {
				t.Errorf("%q: %+v, %v", text, got, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{sessionToken, keyToken, operatorToken, "", "rs_", sessionToken + "=", "rk_" + strings.Repeat("A", 91)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := token.Parse(text)
		if err != nil {
			if !errors.Is(err, token.ErrBad) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		// What parses is canonical: minting with the same secret gives the same text.
		raw, err := base64.RawURLEncoding.DecodeString(text[3:])
		if err != nil {
			t.Fatal(err)
		}
		secret := bytes.NewReader(raw[len(raw)-36 : len(raw)-4])
		var again string
		switch b.Kind {
		case token.Session:
			again, _, err = token.MintSession(secret, events.UserID(b.A), events.SessionID(b.B))
		case token.APIKey:
			again, _, err = token.MintAPIKey(secret, b.A, b.B)
		case token.Operator:
			again, _, err = token.MintOperator(secret, b.B)
		}
		if err != nil || again != text {
			t.Errorf("%q parses, but is minted as %q, %v", text, again, err)
		}
	})
}
