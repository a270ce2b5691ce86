package api

import (
	"context"
	"net/http"
	"time"

	"roster/domain"
)

// Mail is a mail of the outbox. It holds nothing personal: not to whom it goes, nor what it says.
type Mail struct {
	Event      string     `json:"event" doc:"Which event it is sent for"`
	Kind       string     `json:"kind" doc:"Such as invitation, reminder or password_reset"`
	Account    *string    `json:"account" doc:"null of a mail on one's own user"`
	Invitation *string    `json:"invitation"`
	Outcome    string     `json:"outcome" doc:"waiting, sent, bounced, or why nothing was sent"`
	Attempts   int        `json:"attempts" doc:"That were deferred"`
	AddedAt    time.Time  `json:"added_at"`
	DueAt      *time.Time `json:"due_at" doc:"When one that waits is tried next"`
	DoneAt     *time.Time `json:"done_at"`
}

// Mails lists the newest mails: all, those that wait, or those of an outcome.
type Mails func(ctx context.Context, outcome string, limit int) ([]Mail, error)

func (s *server) operatorMailRoutes() {
	add(s, operation{id: "ListMails", method: http.MethodGet, path: "/v1/operator/mails", tag: "operator", summary: "The newest mails, and what became of them",
		description: "From the mailer's outbox, which keeps what is done for 60 days. To whom a mail goes stands in the account.",
		senior:      operatorOnly, codes: []domain.Code{domain.NotPermitted}}, listMails)
}

type mailsInput struct {
	Outcome string `query:"outcome" enum:"waiting,sent,bounced"`
	Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

type mailsBody struct {
	Items []Mail `json:"items" nullable:"false"`
}

func listMails(ctx context.Context, r *request, in *mailsInput) (*Reply[mailsBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	if r.Mails == nil {
		return nil, r.problems.retry("the mails are known in the database alone, and this runs without")
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	list, err := r.Mails(ctx, in.Outcome, in.Limit)
	if list == nil {
		list = []Mail{}
	}
	return &Reply[mailsBody]{mailsBody{list}}, away(err)
}
