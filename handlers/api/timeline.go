package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

func (s *server) timelineRoutes() {
	const text = "The entries of the account's audit trail about it, oldest first. Whoever may not read the trail sees what was done, and neither what was refused nor from which address and device."
	add(s, operation{id: "GetUserTimeline", method: http.MethodGet, path: "/v1/accounts/{account}/users/{user}/timeline", tag: "users", summary: "What has happened to a member",
		description: text, reads: modelAudit, senior: within(domain.UsersRead), codes: []domain.Code{domain.NotPermitted}}, getUserTimeline)
	add(s, operation{id: "GetInvitationTimeline", method: http.MethodGet, path: "/v1/accounts/{account}/invitations/{invitation}/timeline", tag: "invitations", summary: "What has happened to an invitation",
		description: text, reads: modelAudit, senior: within(domain.UsersRead), codes: []domain.Code{domain.NotPermitted}}, getInvitationTimeline)
}

type userTimelineInput struct {
	MemberParam
	PageParams
}

type invitationTimelineInput struct {
	InvitationParam
	PageParams
}

func getUserTimeline(_ context.Context, r *request, in *userTimelineInput) (*Reply[ListBody[auditBody]], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	return r.timeline(account, user.Any(), in.PageParams)
}

func getInvitationTimeline(_ context.Context, r *request, in *invitationTimelineInput) (*Reply[ListBody[auditBody]], error) {
	account, invitation, err := in.ids()
	if err != nil {
		return nil, err
	}
	return r.timeline(account, invitation.Any(), in.PageParams)
}

// timeline answers what the trail of an account says about one of its members or invitations.
func (r *request) timeline(account events.AccountID, about events.AnyID, in PageParams) (*Reply[ListBody[auditBody]], error) {
	access, err := r.mayIn(account, domain.UsersRead)
	if err != nil {
		return nil, err
	}
	if err := r.missing(account); err != nil {
		return nil, err
	}
	query := projections.AuditQuery{Accounts: []events.AccountID{account}, Target: about.String(), Limit: in.Limit, OldestFirst: true}
	audits := access.Holds(domain.AuditRead)
	if !audits {
		query.Outcome = projections.AuditDone
	}
	if query.Cursor, err = place[projections.AuditCursor](r, account.String()+about.String(), in.Cursor); err != nil {
		return nil, err
	}
	target, err := r.App.Last(r.ctx)
	if err != nil {
		return nil, err
	}
	if err := r.caughtUp(modelAudit, target); err != nil {
		return nil, err
	}
	page, err := projections.ReadAudit(r.ctx, asker{r.Models}, query)
	if err != nil {
		return nil, away(err)
	}
	out := ListBody[auditBody]{Items: make([]auditBody, 0, len(page.Entries)), Position: page.Position}
	for _, e := range page.Entries {
		if !audits {
			e.IP, e.Device = "", ""
		}
		out.Items = append(out.Items, auditOf(e))
	}
	r.answered(page.Position, target)
	out.NextCursor, err = next(r, account.String()+about.String(), page.Next)
	return &Reply[ListBody[auditBody]]{out}, err
}
