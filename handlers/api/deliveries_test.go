package api_test

import (
	"context"
	"strings"
	"testing"

	"roster/handlers/api"
	"roster/handlers/enroll"
	"roster/handlers/mailer"
	"roster/infra/outbox"
)

// SPEC 2.11: what is reported back of a mail after it was accepted is told by its Message-ID, and the list shows it.
func TestLateBounces(t *testing.T) {
	var box *outbox.Outbox
	w := newWorld(t, func(c *api.Config) {
		c.Mailed = func(ctx context.Context, message string) (l enroll.Link, ok bool, err error) {
			row, err := box.Find(ctx, message)
			if row == nil || err != nil {
				return l, false, err
			}
			return enroll.Link{Account: row.Account, Invitation: row.Invitation, Generation: row.Generation}, true, nil
		}
	})
	box = outbox.New(w.pool)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account + "/invitations"
	id := w.do("POST", at, owner.token, object{"emails": "ann@example.com", "roles": []string{"viewer"}}).is(200).text("results.0.invitation")
	if _, err := box.Begun(t.Context()); err != nil {
		t.Fatal(err)
	}
	for generation, event := range []string{"first.0", "second.0"} {
		row := mailer.Row{Event: event, Target: "invitee", Mail: mailer.MailInvitation, Generation: uint32(generation + 1), Since: w.app.Now().Std()}
		if err := row.Account.UnmarshalText([]byte(account)); err != nil {
			t.Fatal(err)
		}
		if err := row.Invitation.UnmarshalText([]byte(id)); err != nil {
			t.Fatal(err)
		}
		if err := box.Add(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	const path = "/v1/operator/deliveries"
	report := func(message, outcome string) *response {
		return w.do("POST", path, w.operator, object{"message_id": message, "outcome": outcome, "reason": "no such mailbox"})
	}
	if got := report("first.0@portal.example", "sent").is(200); got.text("delivery") != "sent" || got.text("invitation") != id || got.text("account") != account {
		t.Errorf("%s", got.body)
	}
	report(" <first.0@portal.example>", "bounced").is(200)
	if got := w.do("GET", at+"/"+id, owner.token, nil).is(200); got.text("delivery") != "bounced" || got.text("delivery_reason") != "no such mailbox" {
		t.Errorf("%s", got.body)
	}
	w.do("POST", at+"/"+id+"/resend", owner.token, nil).is(200)
	if got := report("first.0@portal.example", "bounced").is(200); got.text("delivery") != "unsent" {
		t.Errorf("the mail of a link that has been replaced: %s", got.body)
	}
	if got := report("second.0@portal.example", "deferred").is(200); got.text("delivery") != "deferred" {
		t.Errorf("%s", got.body)
	}
	report("third.0@portal.example", "bounced").refused(404, "not_found")
	report("third", "bounced").refused(422, "invalid")
	report("first.0@portal.example", "lost").refused(422, "invalid")
	w.do("POST", path, owner.token, object{"message_id": "first.0@portal.example", "outcome": "bounced"}).refused(403, "not_permitted")
	if strings.Contains(w.printed.String(), "ann@") {
		t.Error("an address has been logged")
	}
}

// SPEC 1.5: a contact's address is, at sign-in and at an invitation, one that nobody knows.
func TestAContactsAddressIsNobodys(t *testing.T) {
	w := newWorld(t)
	account, owner := w.open("Acme")
	at := "/v1/accounts/" + account
	w.do("POST", at+"/contacts", owner.token, object{"name": "Desk", "email": "desk@example.com", "roles": []string{"security"}}).is(201)
	same := func(what string, ask func(email string) *response) {
		t.Helper()
		contact, stranger := ask("desk@example.com"), ask("nobody@example.com")
		if contact.status != stranger.status || strings.ReplaceAll(string(contact.body), "desk@", "nobody@") != string(stranger.body) {
			t.Errorf("%s: a contact gets %d %s, a stranger %d %s", what, contact.status, contact.body, stranger.status, stranger.body)
		}
	}
	same("sign-in", func(email string) *response {
		return w.do("POST", "/v1/sessions", "", object{"email": email, "password": goodPassword})
	})
	same("erasing", func(email string) *response {
		return w.do("POST", "/v1/operator/erase", w.operator, object{"email": email})
	})
	ids := map[string]string{}
	for _, email := range []string{"desk@example.com", "nobody@example.com"} {
		got := w.do("POST", at+"/invitations", owner.token, object{"emails": email, "roles": []string{"viewer"}}).is(200)
		if got.text("results.0.outcome") != "invited" {
			t.Errorf("%s", got.body)
		}
		ids[email] = got.text("results.0.invitation")
	}
	same("the link", func(email string) *response {
		got := w.do("GET", "/v1/invitations/"+w.link(account, ids[email], 1), "", nil)
		got.body = []byte(strings.ReplaceAll(strings.ReplaceAll(string(got.body), ids[email], "id"), got.text("expires_at"), "then"))
		return got
	})
	desk := w.accept(account, ids["desk@example.com"], "desk@example.com", "Dee", "Sk") // and may become a user's
	if got := w.do("GET", at+"/contacts", owner.token, nil).is(200); got.count("items") != 1 || got.text("items.0.name") != "Desk" {
		t.Errorf("the contact: %s", got.body)
	}
	if got := w.do("GET", "/v1/me", desk.token, nil).is(200); got.text("first_name") != "Dee" {
		t.Errorf("the user: %s", got.body)
	}
}
