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

// MailsCursor is the place of a mail in the list, the newest first.
type MailsCursor struct {
	AddedAt time.Time `json:"at"`
	Event   string    `json:"event"`
	Target  string    `json:"target"`
}

// MailsQuery asks for mails: all, those that wait, or those of an outcome; the newest, or those after a place.
type MailsQuery struct {
	Outcome string
	Limit   int
	After   *MailsCursor
}

// Mails lists mails, and answers where the next page begins, nil after the last one.
type Mails func(ctx context.Context, query MailsQuery) ([]Mail, *MailsCursor, error)

func (s *server) operatorMailRoutes() {
	add(s, operation{id: "ListMails", method: http.MethodGet, path: "/v1/operator/mails", tag: "operator", summary: "Mails, and what became of them",
		description: "Newest first. From the mailer's outbox, which keeps what is done for 60 days. To whom a mail goes stands in the account.",
		senior:      operatorOnly, codes: []domain.Code{domain.NotPermitted}}, listMails)
}

type mailsInput struct {
	PageParams
	Outcome string `query:"outcome" enum:"waiting,sent,bounced"`
}

type mailsBody struct {
	Items      []Mail  `json:"items" nullable:"false"`
	NextCursor *string `json:"next_cursor"`
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
	query := MailsQuery{Outcome: in.Outcome, Limit: in.Limit}
	var err error
	if query.After, err = place[MailsCursor](r, "", in.Cursor); err != nil {
		return nil, err
	}
	list, after, err := r.Mails(ctx, query)
	if err != nil {
		return nil, away(err)
	}
	if list == nil {
		list = []Mail{}
	}
	cursor, err := next(r, "", after)
	return &Reply[mailsBody]{mailsBody{list, cursor}}, err
}
