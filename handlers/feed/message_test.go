package feed

import (
	"testing"

	"roster/events"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "ChangeRole": "ChangeRole", "a b": "a%20b", "100%": "100%25", "x\r\nce-id: y": "x%0D%0Ace-id:%20y", `"é"`: "%22%C3%A9%22",
	} {
		if got := escape(in); got != want {
			t.Errorf("escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestEveryBoundaryHasItsSource(t *testing.T) {
	id, err := events.ParseID[struct{ any byte }]("0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57")
	if err != nil {
		t.Fatal(err)
	}
	log := events.LogID(id)
	for b, want := range map[events.Boundary]string{
		events.OfAccount(events.AccountID(id)): "accounts/" + id.String(),
		events.OfUser(events.UserID(id)):       "users/" + id.String(),
		events.OfAddress(events.AddressID(id)): "addresses/" + id.String(),
		events.OfAttempts(events.AnyID(id)):    "attempts/" + id.String(),
		events.Tree():                          "tree", events.Portal(): "portal", events.System(): "system",
	} {
		if got := SourceOf(log, b); got != "/logs/"+id.String()+"/"+want {
			t.Errorf("%s: %s", b, got)
		}
	}
}
