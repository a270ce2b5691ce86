package access_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
	"roster/infra/eventlog/memlog"
	"roster/infra/token"
)

// Whatever is no live token is sign_in_required, without a word on why.
func TestTokens(t *testing.T) {
	p := newPortal(t)
	s := p.mustSignIn("viewer@example.com")
	mint := func(u events.UserID, id events.SessionID) string {
		text, _, err := p.tokens.MintSession(u, id)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	bad := []string{"", "rs_", "x", s.Token + "A", s.Token[:len(s.Token)-1], "rk_" + s.Token[3:], strings.ToUpper(s.Token),
		mint(p.viewer, s.Session), mint(p.viewer, events.SessionID(uuid.New())), mint(events.UserID(uuid.New()), s.Session), mint(events.UserID{}, events.SessionID{})}
	for i := range s.Token {
		for _, c := range []byte("Aa0_-") {
			if edited := s.Token[:i] + string(c) + s.Token[i+1:]; edited != s.Token {
				bad = append(bad, edited)
			}
		}
	}
	apiKey, _, err := token.MintAPIKey(rand.Reader, p.viewer.Any(), events.AnyID(uuid.New()))
	if err != nil {
		t.Fatal(err)
	}
	key := events.AnyID(uuid.New())
	unknown, hash, err := token.MintOperator(rand.Reader, key)
	if err != nil {
		t.Fatal(err)
	}
	bad = append(bad, apiKey, unknown)
	said := map[string]bool{}
	for _, text := range bad {
		who, err := p.access.Authenticate(t.Context(), text)
		if refusal(err).Code != domain.SignInRequired || who.Actor.Type != "" {
			t.Errorf("%.20q: %+v, %v", text, who, err)
		}
		said[fmt.Sprint(err)] = true
	}
	if len(said) != 1 {
		t.Errorf("%d ways to say no: %v", len(said), said)
	}
	p.do(operator(), domain.AddOperatorKey{Key: key, KeyName: "second", Hash: hash})
	if who, err := p.access.Authenticate(t.Context(), unknown); err != nil || !who.Operator() || who.Actor.ID != key.String() {
		t.Errorf("the operator: %+v, %v", who, err)
	}
	forged, _, err := token.MintOperator(rand.Reader, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.access.Authenticate(t.Context(), forged); refusal(err).Code != domain.SignInRequired {
		t.Errorf("another secret of the same key: %v", err)
	}
}

// What is away is a fault, never a wrong password.
func TestFaults(t *testing.T) {
	p := newPortal(t)
	p.vault.away = errors.New("the vault is away")
	if _, err := p.signIn("viewer@example.com", good); !errors.Is(err, p.vault.away) || refusal(err).Code != "" {
		t.Errorf("vault: %v", err)
	}
	p.vault.away = nil
	p.log.Fail(memlog.Unavailable)
	if _, err := p.signIn("viewer@example.com", good); !errors.Is(err, handlers.ErrUnavailable) || refusal(err).Code != "" {
		t.Errorf("log: %v", err)
	}
	if to, err := p.access.Addressee(t.Context(), address.Entry{Typed: "no address"}); err != nil || to != nil {
		t.Errorf("no address: %+v, %v", to, err)
	}
}
