package domain

import (
	"testing"
	"time"

	"roster/events"
)

// TestNobodyIsFlooded: one address gets at most ten invitation mails a day from one account (S53), however they come.
func TestNobodyIsFlooded(t *testing.T) {
	mails := func(n int, ago time.Duration) []past {
		all := history(acme(), invitation1("new", is(Viewer)).ago(ago))
		for i := 1; i < n; i++ {
			all = append(all, in(root, events.InvitationResent{Invitation: invited("new"), Generation: uint32(i + 1), From: start, To: now.Add(7 * day)}).ago(ago))
		}
		return all
	}
	resend := ResendInvitation{root, invited("new")}
	gone := in(root, events.InvitationRevoked{Invitation: invited("new")})
	again := InviteUsers{Account: root, Invitees: []*Addressee{addressee("new"), addressee("other")}, Grants: roles(Viewer)}
	rulings(t, []ruling{
		{"S53 the tenth goes out", mails(9, time.Hour), as(by("owner")), resend, then(resent("new", 10, now.Add(7*day)))},
		{"S53 the eleventh does not", mails(10, time.Hour), as(by("owner")), resend, refused(RateLimited)},
		{"S53 not by another invitation either", history(mails(10, time.Hour), gone), as(by("owner")), again,
			then(created(2, "other", 7*day, is(Viewer))).saying(OutcomeRefused, OutcomeInvited)},
		{"S53 a day later it does", mails(10, 24*time.Hour), as(by("owner")), resend, then(resent("new", 11, now.Add(7*day)))},
	})
}
