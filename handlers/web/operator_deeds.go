package web

import (
	"net/http"

	"roster/domain"
)

// operatorDeed is something that the operator does, on a page that first says what would happen.
type operatorDeed struct {
	Label  string // of the button
	Whom   string // the name of the account or user
	Means  string // what is not seen from the plan
	Danger bool
	Back   string
	At     string // where its form goes
	Hidden map[string]string
	Reason bool   // one may be given
	Type   string // what has to be typed first, so that nobody does it by mistake

	API      string
	Body     map[string]any
	Confirms bool   // the API takes the confirmation of the dry run
	Done     string // key of what is said afterwards
	To       string // where that is said

	Plan     plan
	Wrong    *problem
	Mistyped bool
	Even     string // the address of the page that does it where it would leave an account without an owner
}

// ask shows what would happen, or why it cannot.
func (p *page) askDeed(d operatorDeed) error {
	status := http.StatusOK
	if d.Mistyped {
		status = http.StatusUnprocessableEntity
	}
	if d.Wrong == nil {
		var err error
		d.Plan, err = p.plan(http.MethodPost, d.API, d.body())
		if d.Wrong = asProblem(err); err != nil && d.Wrong == nil {
			return err
		}
	}
	if d.Wrong != nil {
		status = d.Wrong.Status
		if d.Wrong.Code != string(domain.LastActiveOwner) {
			d.Even = ""
		}
	}
	p.Title = p.T("deed.title", d.Label, d.Whom)
	return p.show(status, operatorDeedView(p, d))
}

// body is what is sent, nil where there is nothing to say.
func (d operatorDeed) body() any {
	if d.Body == nil {
		return nil
	}
	return d.Body
}

// doDeed does what the page before has shown.
func (p *page) doDeed(d operatorDeed) error {
	if d.Type != "" && p.r.PostForm.Get("typed") != d.Type {
		d.Mistyped = true
		return p.askDeed(d)
	}
	if reason := p.r.PostForm.Get("reason"); d.Reason && reason != "" {
		d.Body["reason"] = reason
	}
	var err error
	if d.Confirms {
		_, err = p.do(http.MethodPost, d.API, d.Body, nil)
	} else {
		_, err = p.site.send(p.r, http.MethodPost, d.API, d.body(), nil)
	}
	if d.Wrong = asProblem(err); d.Wrong != nil {
		return p.askDeed(d)
	}
	if err != nil {
		return err
	}
	return p.done(d.To, d.Done, d.Whom, "")
}
