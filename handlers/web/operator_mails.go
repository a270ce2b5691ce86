package web

import (
	"net/http"
	"net/url"
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

	In string `json:"-"` // the name of its account
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

// MailText says what the mail is about.
func (p *page) MailText(m outMail) string {
	if key := "operator.mail_of." + m.Kind; p.has(key) {
		return p.T(key)
	}
	return m.Kind
}

// BecameText says what became of the mail, and WhyText why nothing was sent.
func (p *page) BecameText(m outMail) string {
	if key := "operator.mail." + m.Outcome; p.has(key) {
		return p.T(key)
	}
	return p.T("operator.mail_dropped")
}

func (p *page) WhyText(m outMail) string {
	switch key := "operator.mail_why." + m.Outcome; {
	case p.has("operator.mail." + m.Outcome):
		return ""
	case p.has(key):
		return p.T(key)
	case p.has("code." + m.Outcome):
		return p.T("code." + m.Outcome)
	}
	return m.Outcome
}

func (s *site) operatorMails(p *page) error {
	p.Title, p.Section = p.T("operator.mails"), "mails"
	v, err := search[outMail](p, "/v1/operator/mails", "outcome")
	if err != nil {
		return err
	}
	if err := p.inAccounts(v.Items); err != nil {
		return err
	}
	return p.show(http.StatusOK, operatorMailsView(p, v))
}

// inAccounts names the accounts of mails.
func (p *page) inAccounts(list []outMail) error {
	names := map[string]string{}
	for i, m := range list {
		if m.Account == nil {
			continue
		}
		name, known := names[*m.Account]
		if !known {
			var a account
			if err := p.site.get(p.r, "/v1/accounts/"+url.PathEscape(*m.Account), &a); err != nil {
				return err
			}
			name = text(a.Name)
			names[*m.Account] = name
		}
		list[i].In = name
	}
	return nil
}
