package access

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// Texts hands short messages to whoever delivers them. An error says that this one was not taken.
type Texts interface {
	Text(ctx context.Context, to, text string) error
}

// The limits of codes by SMS: each costs money, and a number may be somebody else's.
const (
	textsPerNumber = 10
	textsWithin    = time.Hour
)

// texting sends codes, so many to a number.
type texting struct {
	sender Texts
	text   string // with {code} for the code

	mu   sync.Mutex
	sent map[string][]events.Time // by number
	away map[string]bool          // numbers whose last message was not taken
}

// UseTexts lets codes be sent by SMS; text has {code} in it. It is called before anything else.
func (a *Access) UseTexts(sender Texts, text string) {
	a.texting.sender, a.texting.text = sender, text
}

// CanText says that codes can be sent by SMS.
func (a *Access) CanText() bool { return a.texting.sender != nil }

// take reserves a message to a number.
func (t *texting) take(number string, now events.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n, list := range t.sent { // what counts no more is of no use
		if now.Sub(list[len(list)-1]) >= textsWithin {
			delete(t.sent, n)
			delete(t.away, n)
		}
	}
	list := t.sent[number]
	for len(list) > 0 && now.Sub(list[0]) >= textsWithin {
		list = list[1:]
	}
	if len(list) >= textsPerNumber {
		e := &domain.Error{Code: domain.RateLimited, Detail: "too many codes have been sent to this number: try again later"}
		e.Retry = int((textsWithin - now.Sub(list[0]) + time.Second - 1) / time.Second)
		return e
	}
	t.sent[number] = append(list[:len(list):len(list)], now)
	return nil
}

// taken says that a message to a number was taken at some moment or later, so far as this process knows.
func (t *texting) taken(number string, at events.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := t.sent[number]
	return len(list) > 0 && list[len(list)-1] >= at && !t.away[number]
}

// note says whether the last message to a number was taken.
func (t *texting) note(number string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.away[number] = err != nil
}

// textCode sends the code of a moment to the number of a factor.
func (a *Access) textCode(ctx context.Context, user events.UserID, f domain.Factor, at events.Time) error {
	number, err := a.Label(ctx, user, f)
	if err != nil {
		return err
	}
	if a.texting.sender == nil {
		return fmt.Errorf("a code by SMS is asked for, and none can be sent: %w", handlers.ErrUnavailable)
	}
	if err := a.texting.take(number, a.app.Now()); err != nil {
		return err
	}
	text := strings.ReplaceAll(a.texting.text, "{code}", a.smsCode(user, f.ID, at))
	err = a.texting.sender.Text(ctx, number, text)
	a.texting.note(number, err)
	if err != nil {
		return fmt.Errorf("a code by SMS: %w: %w", handlers.ErrUnavailable, err)
	}
	return nil
}

// Mobile reads a number in international form, with whatever people write between its digits.
func Mobile(s string) (number string, ok bool) {
	s = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "", "/", "").Replace(s)
	digits, plus := strings.CutPrefix(s, "+")
	if !plus || len(digits) < 7 || len(digits) > 15 || digits[0] == '0' || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return s, true
}

// EnrollMobile sends a code to a mobile number, which has to be shown to verify it (SPEC 4.5).
func (a *Access) EnrollMobile(ctx context.Context, call handlers.Call, password, number string) (domain.Factor, handlers.Result, error) {
	f, r, err := a.enroll(ctx, call, password, events.FactorSMS, number, nil)
	if err != nil || r.Repeat && (f.ID.IsZero() || f.Verified || a.texting.taken(number, f.EnrolledAt)) {
		return f, r, err
	}
	return f, r, a.textCode(ctx, call.Actor.User(), f, f.EnrolledAt)
}

// Unverified is the factor of a method that is about to be verified, or a zero one.
func Unverified(u domain.User, method string) (found domain.Factor) {
	for _, f := range u.Factors() {
		if f.Method == method && !f.Verified {
			found = f
		}
	}
	return found
}

// VerifyMobile ends the enrolment of a mobile number with the code that was sent to it.
func (a *Access) VerifyMobile(ctx context.Context, call handlers.Call, code string) (events.FactorID, handlers.Result, error) {
	u, _, err := a.app.User(ctx, call.Actor.User())
	if err != nil {
		return events.FactorID{}, handlers.Result{}, err
	}
	id := Unverified(u, events.FactorSMS).ID
	r, err := a.VerifyFactor(ctx, call, id, code)
	return factorOf(r, id), r, err
}
