package web

import (
	"net/http"
	"time"
)

// operatorMailRoutes are the pages of the mails.
func (s *site) operatorMailRoutes() map[string]verbs {
	return map[string]verbs{"/operator/mails": {http.MethodGet: s.asOperator(s.operatorMails)}}
}

// outMail is a mail of the outbox, as the API answers it.
type outMail struct {
	Event      string     `json:"event"`
	Kind       string     `json:"kind"`
	Account    *string    `json:"account"`
	Invitation *string    `json:"invitation"`
	Outcome    string     `json:"outcome"`
	Attempts   int        `json:"attempts"`
	AddedAt    time.Time  `json:"added_at"`
	DueAt      *time.Time `json:"due_at"`
	DoneAt     *time.Time `json:"done_at"`
}

// Class is the colour of the outcome.
func (m outMail) Class() string {
	switch {
	case m.Outcome == "sent":
		return "done"
	case m.Outcome == "waiting" && m.Attempts > 0:
		return "deferred"
	case m.Outcome == "waiting":
		return "pending"
	case m.Outcome == "bounced":
		return "bounced"
	}
	return "other"
}

// BecameText says what became of the mail.
func (p *page) BecameText(m outMail) string {
	if key := "operator.mail." + m.Outcome; p.has(key) {
		return p.T(key)
	}
	return p.T("operator.mail_dropped", m.Outcome)
}

func (s *site) operatorMails(p *page) error {
	p.Title, p.Section = p.T("operator.mails"), "mails"
	v, err := search[outMail](p, "/v1/operator/mails", "outcome")
	if err != nil {
		return err
	}
	return p.show(http.StatusOK, operatorMailsView(p, v))
}
