package events

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

const anID = "0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"

func TestBoundaries(t *testing.T) {
	for _, s := range []string{"account." + anID, "user." + anID, "address." + anID, "attempts." + anID, "tree", "portal", "system"} {
		b, err := ParseBoundary(s)
		if err != nil || b.String() != s || b.IsZero() || b.Nobody() {
			t.Errorf("%q: %v, %v", s, b, err)
		}
	}
	for _, s := range []string{
		"", ".", "*", ">", "account", "account.", "account.*", "account.>", "*." + anID, "account." + anID + ".x", "account." + anID + " ",
		" account." + anID, "Account." + anID, "ACCOUNT." + anID, "account." + strings.ToUpper(anID), "account.." + anID, "account/" + anID,
		"account.../../etc", "../system", "tree.", "tree." + anID, "portal.*", "system.>", "key." + anID, "account.{" + anID + "}",
		"account.urn:uuid:" + anID, "account." + strings.ReplaceAll(anID, "-", ""), "account.00000000-0000-0000-0000-000000000000",
		"account." + anID + "\n", "account.\x00" + anID[1:], "account." + anID[:35] + "ａ",
	} {
		if b, err := ParseBoundary(s); err == nil {
			t.Errorf("%q reads as %q", s, b)
		}
	}
	for _, b := range []Boundary{OfAccount(AccountID{}), OfUser(UserID{}), OfAddress(AddressID{}), OfAttempts(AnyID{})} {
		if !b.Nobody() {
			t.Errorf("%s has no id and is somebody's", b.Kind)
		}
	}
	if !(Boundary{}).IsZero() || (Boundary{}).Nobody() {
		t.Error("no boundary is nobody's")
	}
}

func TestIDs(t *testing.T) {
	id, err := ParseUserID(anID)
	if err != nil || id.String() != anID || id.Any().String() != anID {
		t.Fatalf("%s, %v", id, err)
	}
	var none struct {
		User UserID   `json:"user"`
		ID   CommitID `json:"id"`
		Hash Hash     `json:"hash"`
		Key  KeyID    `json:"key"`
	}
	text, err := json.Marshal(none)
	if err != nil || string(text) != `{"user":"","id":"","hash":"","key":""}` {
		t.Errorf("%s, %v", text, err)
	}
	if err := json.Unmarshal(text, &none); err != nil || !none.User.IsZero() || !none.Key.IsZero() {
		t.Errorf("%+v, %v", none, err)
	}
	for _, s := range []string{`"AA"`, `"AAAAAAAAAAAAAAAAAAAAAA=="`, `"AAAAAAAAAAAAAAAAAAAA\nAA"`, `"AAAAAAAAAAAAAAAAAAAA+A"`, `7`} {
		if err := json.Unmarshal([]byte(s), &none.ID); err == nil {
			t.Errorf("%s is a commit id: %s", s, none.ID)
		}
	}
	var b Bytes
	for _, s := range []string{`"AB=="`, `"AB"`, `"A"`, `"AA\r\nAA"`, `"A A"`, `"+/+/"`} {
		if err := json.Unmarshal([]byte(s), &b); err == nil || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s reads as %x, %v", s, []byte(b), err)
		}
	}
}

func TestTimes(t *testing.T) {
	at := TimeOf(time.Date(2026, 1, 2, 3, 4, 5, 123456999, time.FixedZone("", 3600)))
	if at.String() != "2026-01-02T02:04:05.123456Z" || at.Std().Location() != time.UTC || at.Std().Nanosecond() != 123456000 {
		t.Errorf("%s", at)
	}
	if at.Add(time.Hour).Sub(at) != time.Hour || at.Add(-time.Nanosecond) != at || TimeOf(time.Time{}) != 0 || !Time(0).Std().IsZero() {
		t.Error("arithmetic")
	}
	var got Time
	for _, s := range []string{
		"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.1234567Z", "2026-01-02T03:04:05,123456Z", "2026-01-02 03:04:05.123456Z",
		"2026-01-02T03:04:05.123456+00:00", "2026-01-02T24:00:00.000000Z", "2026-02-30T00:00:00.000000Z", "2026-1-2T03:04:05.123456Z",
		"1970-01-01T00:00:00.000000Z", "x",
	} {
		if err := got.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q reads as %s", s, got)
		}
	}
	if err := got.UnmarshalText(nil); err != nil || !got.IsZero() {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		n    PersonName
		want string
	}{
		{PersonName{"Ann", "Lee"}, "Ann Lee"}, {PersonName{"Ann", ""}, "Ann"}, {PersonName{"", "Lee"}, "Lee"}, {PersonName{}, ""},
	} {
		if got := c.n.Full(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestActors(t *testing.T) {
	id, _ := ParseUserID(anID)
	if got := (Actor{Type: ByUser, ID: anID}).User(); got != id {
		t.Errorf("user %s", got)
	}
	for _, a := range []Actor{{}, {Type: ByOperator, ID: anID}, {Type: ByLink, ID: anID}, {Type: ByUser, ID: "x"}} {
		if !a.User().IsZero() {
			t.Errorf("%v is a user", a)
		}
	}
	if got := (Actor{Type: ByLink, ID: "a.1"}).Caller(); got != "link:a.1" {
		t.Errorf("caller %s", got)
	}
}

// Whom a fact is about, and what subscribers do not see of it (SPEC 6.4).
func TestAboutAndSecrets(t *testing.T) {
	var u UserID
	u[15] = 1
	var i InvitationID
	i[15] = 2
	var a AccountID
	a[15] = 3
	for _, c := range []struct {
		b    Boundary
		e    Event
		want AnyID
	}{
		{OfAccount(a), MembershipLeft{User: u}, u.Any()},
		{OfAccount(a), InvitationExpired{Invitation: i}, i.Any()},
		{OfAccount(a), AccountOpened{}, AnyID{}},
		{OfUser(u), PasswordSet{}, u.Any()},
		{OfAttempts(u.Any()), CommandRefused{}, u.Any()},
		{OfAddress(AddressID{1}), AddressClaimed{User: u}, u.Any()},
		{System(), LogStarted{}, AnyID{}},
	} {
		if got := About(c.b, c.e); got != c.want {
			t.Errorf("%s is about %s, want %s", KindOf(c.e), got, c.want)
		}
	}
	hash := Hash{1}
	for _, e := range []Event{SessionStarted{TokenHash: hash, Method: "password"}, OperatorKeyAdded{Hash: hash, Name: "first"}} {
		text, err := json.Marshal(WithoutSecrets(e))
		if err != nil || strings.Contains(string(text), hash.String()) || strings.Contains(string(text), "hash") {
			t.Errorf("%s, %v", text, err)
		}
	}
	if got := WithoutSecrets(MembershipLeft{User: u}); got != (MembershipLeft{User: u}) {
		t.Errorf("%v", got)
	}
}

func TestSealOpenForget(t *testing.T) {
	key, other := KeyID{1}, KeyID{2}
	registered := UserRegistered{Address: AddressID{1}, Email: For(other, Email{"ann@example.com"}), Profile: For(key, PersonName{"Ann", "Lee"})}
	if _, err := encodeFact(registered); err == nil {
		t.Error("an unsealed part was written")
	}
	text, err := json.Marshal(registered)
	if err != nil || strings.Contains(string(text), "ann@") || strings.Contains(string(text), "Lee") {
		t.Errorf("clear values in the JSON: %s, %v", text, err)
	}
	told := map[string]KeyID{}
	sealed, err := Seal(registered, func(part string, k KeyID, plain []byte) (Box, error) {
		told[part] = k
		return Box{K: k, B: append([]byte{1}, plain...)}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 2 || told["email"] != other || told["profile"] != key {
		t.Errorf("sealed with %v", told)
	}
	if registered.Email.Box.B != nil {
		t.Error("the fact that was given has changed")
	}
	if s := sealed.(UserRegistered); s.Profile.Value().First != "Ann" || len(s.Profile.Box.B) == 0 {
		t.Errorf("sealed %+v", s)
	}
	forgotten, err := Forget(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if f := forgotten.(UserRegistered); f.Email.Clear != nil || f.Profile.Clear != nil || f.Email.Box.IsZero() {
		t.Errorf("forgotten %+v", f)
	}
	opened, err := Open(forgotten, func(part string, box Box) ([]byte, bool, error) {
		if part == "email" { // its key has been destroyed
			return nil, false, nil
		}
		return box.B[1:], true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	o := opened.(UserRegistered)
	if !o.Email.Erased || o.Email.Clear != nil || o.Email.Value() != (Email{}) || o.Email.Box.IsZero() {
		t.Errorf("erased %+v", o.Email)
	}
	if o.Profile.Erased || o.Profile.Value() != (PersonName{"Ann", "Lee"}) {
		t.Errorf("opened %+v", o.Profile)
	}
	if forgotten.(UserRegistered).Email.Erased {
		t.Error("the fact that was given has changed")
	}

	fault := errors.New("the vault is away")
	if _, err := Open(forgotten, func(string, Box) ([]byte, bool, error) { return nil, false, fault }); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	if _, err := Seal(registered, func(string, KeyID, []byte) (Box, error) { return Box{}, fault }); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
	if _, err := Open(forgotten, func(string, Box) ([]byte, bool, error) { return []byte("[]"), true, nil }); err == nil {
		t.Error("opened what is no value of the part")
	}
	for _, e := range []Event{MembershipLeft{}, MembershipSuspended{}} { // no parts, and a part that is absent
		never := func(string, Box) ([]byte, bool, error) { t.Error("asked to open"); return nil, false, nil }
		if got, err := Open(e, never); err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestSealedParts(t *testing.T) {
	w, err := encodeFact(MembershipSuspended{User: UserID{1}})
	if err != nil || w.Sealed != nil {
		t.Errorf("an absent part was written: %v, %v", w.Sealed, err)
	}
	if p := OriginPlace(LogID{1}, System(), CommitID{2}); p.Index != OriginIndex || p.Part != "origin" || p.Kind != (Kind{}) || OriginIndex != -1 {
		t.Errorf("%+v", p)
	}
}
