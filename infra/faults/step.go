package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"roster/events"
)

// Outcomes of a try. Unknown is what got no answer, or one that does not say whether it was done.
const (
	Unknown = "unknown"
	OK      = "ok"
	Refused = "refused"
)

// Try is one answer to a command.
type Try struct {
	Outcome  string
	Position uint64 // the answer's, when it was done
	Code     string // of a refusal
	Body     map[string]any
}

// Step is a command with everything that was answered to it. A step is sent by one caller, never twice at once.
type Step struct {
	Name         string          // of the command in the log
	Caller       string          // as the log derives ids from it
	Home         events.Boundary // whose commit it is; zero for the account that the command opens
	Key          string          // its Idempotency-Key; "" for none
	Method, Path string
	Token        string
	Body         M
	Tries        []Try

	isSo    func(*Fold) bool // what holds when it is done, for one that writes nothing where it held already
	session string           // the user who signs in
}

// Final is the last try, which says what the caller knows.
func (s *Step) Final() Try {
	if len(s.Tries) == 0 {
		return Try{Outcome: Unknown}
	}
	return s.Tries[len(s.Tries)-1]
}

// Repeatable says that the step, sent again under its key, answers as it did.
func (s *Step) Repeatable() bool { return s.Key != "" && s.isSo == nil && s.Final().Outcome == OK }

func (s *Step) String() string { return fmt.Sprintf("%s %s (%s)", s.Name, s.Path, s.Key) }

// Send makes one try and keeps what came of it. An error is an answer that no program may give.
func (s *Step) Send(ctx context.Context, c Client) (Try, error) {
	c = c.As(s.Token)
	if s.Key != "" {
		c = c.With("Idempotency-Key", s.Key)
	}
	one := Try{Outcome: Unknown}
	a, err := c.Do(ctx, s.Method, s.Path, s.Body)
	if err == nil {
		one, err = tryOf(a)
		if err != nil {
			err = fmt.Errorf("%s: %w", s, err)
		}
	} else {
		err = nil // no answer is an answer of which the oracle knows what to think
	}
	s.Tries = append(s.Tries, one)
	return one, err
}

func tryOf(a Answer) (one Try, err error) {
	one.Outcome = Unknown
	if a.Status >= 500 {
		if a.Status != http.StatusServiceUnavailable {
			err = fmt.Errorf("status %d: %.300s", a.Status, a.Body)
		}
		return one, err
	}
	var body map[string]any
	if err := json.Unmarshal(a.Body, &body); err != nil {
		return one, fmt.Errorf("status %d: %w: %.300s", a.Status, err, a.Body)
	}
	if a.Status > 299 {
		code, ok := body["code"].(string)
		if !ok {
			return one, fmt.Errorf("status %d without a code: %.300s", a.Status, a.Body)
		}
		return Try{Outcome: Refused, Code: code}, nil
	}
	at, err := strconv.ParseUint(a.Header.Get("Roster-Position"), 10, 64)
	if err != nil {
		return one, fmt.Errorf("status %d without a position: %w", a.Status, err)
	}
	return Try{Outcome: OK, Position: at, Body: body}, nil
}
