package api

import (
	"context"
	"net/http"
	"strings"

	"roster/domain"
)

func (s *server) deliveryRoutes() {
	add(s, operation{id: "ReportDelivery", method: http.MethodPost, path: "/v1/operator/deliveries", tag: "operator", summary: "Report what became of a mail",
		description: "For what a mail server hears only after it has accepted an invitation's mail, such as a bounce that comes back. What concerns a link that has been replaced changes nothing.",
		command:     true, senior: operatorOnly, codes: []domain.Code{domain.NotPermitted}}, reportDelivery)
}

type deliveryInput struct{ Body deliveryBody }

type deliveryBody struct {
	MessageID string `json:"message_id" doc:"The mail's Message-ID, with or without the angle brackets"`
	Outcome   string `json:"outcome" enum:"bounced,deferred,sent"`
	Reason    string `json:"reason,omitempty" doc:"What the mail server said; sealed with the invitee's data, cut at 1,000 characters"`
}

type deliveredBody struct {
	Account    string `json:"account"`
	Invitation string `json:"invitation"`
	Delivery   string `json:"delivery" enum:"unsent,sent,deferred,bounced"`
}

func reportDelivery(ctx context.Context, r *request, in *deliveryInput) (*Reply[deliveredBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	if r.Mailed == nil {
		return nil, r.problems.retry("which mails were sent is known in the database alone, and this runs without")
	}
	id := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(in.Body.MessageID), "<"), ">")
	message, _, ok := strings.Cut(id, "@")
	if !ok || message == "" {
		return nil, invalid("body.message_id", "want a Message-ID such as <id@host>")
	}
	l, ok, err := r.Mailed(ctx, message)
	switch {
	case err != nil:
		return nil, away(err)
	case !ok:
		return nil, nowhere()
	}
	note := domain.NoteMail{Account: l.Account, Invitation: l.Invitation, Generation: l.Generation, Outcome: in.Body.Outcome, Reason: in.Body.Reason}
	if note.Outcome == "sent" {
		note.Message = id
	}
	if _, err := r.do(note); err != nil {
		return nil, err
	}
	a, _, err := r.App.Account(ctx, l.Account)
	if err != nil {
		return nil, err
	}
	i, _ := a.Invitation(l.Invitation)
	return reply(deliveredBody{l.Account.String(), l.Invitation.String(), i.Delivery})
}
