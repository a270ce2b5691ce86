package domain

import "roster/events"

// RecordRefusal writes down that somebody was refused for lack of rights (SPEC 5.1); beyond a number an hour
// nothing is written, and the next fact says how many were left out.
type RecordRefusal struct {
	Subject events.AnyID
	Account events.AccountID
	Command string
	Code    Code
	Of      *events.Subject
	Refused int
}

func (c RecordRefusal) Name() string { return c.Command }

func (c RecordRefusal) Home(_ Issued) events.Boundary { return events.OfAttempts(c.Subject) }

func (c RecordRefusal) Decide(w *World, is Issued) error {
	a := w.Attempts(c.Subject)
	if len(a.refusals) == maxRefusals && is.At.Sub(a.refusals[0]) < refusalWindow {
		return refuse(RateLimited, "too many refusals to write each down")
	}
	account := c.Account
	if !w.Account(account).Opened {
		account = events.AccountID{}
	}
	w.record(events.OfAttempts(c.Subject), events.CommandRefused{Account: account, Command: c.Command, Code: string(c.Code),
		Target: c.Of, Refused: c.Refused})
	return nil
}
