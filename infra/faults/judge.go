package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

const (
	currentWithin   = time.Minute
	feedPauses      = 6 * time.Second
	mailsShort      = 14 * time.Second // what the feed had handed to a mailer that was killed comes again after ten seconds
	mailsLong       = 3 * time.Minute  // what that one was about to send is taken up after half a minute
	enoughKinds     = 6                // of facts in an audit trail that is worth comparing
	everyStatus     = "active,suspended,revoked,pending,expired"
	everyInvitation = "pending,expired,accepted,declined,revoked"
)

// Judge compares everything that a program answers and has written with its log, and with what all who asked since the
// site was made, and have finished, were answered. It stops the program.
func (s *Site) Judge(ctx context.Context, p *Program, steps []*Step) (Outcome, error) {
	v := &Verdict{}
	seen, err := s.look(ctx, p)
	if err != nil {
		return v.Outcome, err
	}
	if err := p.Stop(ctx); err != nil {
		return v.Outcome, err
	}
	h, err := s.readPublished(ctx, seen.users.position)
	if err != nil {
		return v.Outcome, fmt.Errorf("the log afterwards: %w", err)
	}
	h.CheckChain(v)
	h.CheckFeed(v, seen.users.position)
	fold := h.checkLists(v, h.CheckSteps(v, steps, s.From), seen, s.Account)
	s.Mails.check(v, fold, h)
	err = s.WithDatabase(ctx, func(conn *pgx.Conn) error {
		return errors.Join(h.CheckArchive(ctx, v, conn, seen.users.position), checkOutbox(ctx, v, conn, fold, s.Mails.Accepted(), seen.users.position))
	})
	s.lab.Say("judged %d commits: %s", h.Last(), v.Outcome)
	return v.Outcome, errors.Join(v.Err(), err)
}

// readPublished reads the log and the feed of a site whose program does not run. Where the feed lacks something up to the
// position, a program gets as long as a publisher may pause: it needs PostgreSQL to know that it is alone, and asks again
// only after a while where that was away.
func (s *Site) readPublished(ctx context.Context, position uint64) (*History, error) {
	h, err := s.Read(ctx)
	if err != nil || h.Published() >= position {
		return h, err
	}
	p, err := s.Start(ctx)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(Wait(ctx, feedPauses), p.Stop(ctx)); err != nil {
		return nil, err
	}
	return s.Read(ctx)
}

// seen is what a program answers about the account, once all is quiet.
type seen struct {
	users, invitations list
	audit              map[string]string // names of facts, by the id of the entry
}

// list is a whole list as of one position.
type list struct {
	position uint64
	items    map[string]string
}

// look asks everything of a program on which nobody works any more.
func (s *Site) look(ctx context.Context, p *Program) (is seen, err error) {
	operator, owner := p.Client().As(s.Operator), p.Client().As(s.Owner.Session)
	if err := Current(ctx, operator); err != nil {
		return is, fmt.Errorf("%w: %s", err, p.Stderr())
	}
	at := "/v1/accounts/" + s.Account.String()
	if err := s.awaitMails(ctx, owner, at); err != nil {
		return is, err
	}
	if is.users, err = wholeList(ctx, owner, at+"/users?status="+url.QueryEscape(everyStatus)); err != nil {
		return is, err
	}
	if is.invitations, err = wholeList(ctx, owner, at+"/invitations?status="+url.QueryEscape(everyInvitation)); err != nil {
		return is, err
	}
	if is.audit, err = auditTrail(ctx, owner, at+"/audit"); err != nil {
		return is, err
	}
	return is, Current(ctx, operator)
}

// Current waits until every read model has everything. One that stands still is an error, at once.
func Current(ctx context.Context, operator Client) error {
	ctx, cancel := context.WithTimeout(ctx, currentWithin)
	defer cancel()
	var models struct {
		Items []struct {
			Name, State, Problem string
			Lag                  uint64
			Parked               []any
		}
	}
	var wrong error
	waited := Until(ctx, func() bool {
		if wrong = operator.Get(ctx, "/v1/operator/projections", &models); wrong != nil {
			return false
		}
		current := true
		for _, m := range models.Items {
			if len(m.Parked) > 0 {
				wrong = broken("read model %s has parked %v", m.Name, m.Parked)
				return true
			}
			current = current && (m.State == "retired" || m.Lag == 0 && m.Problem == "")
		}
		return current
	})
	if waited != nil {
		wrong = errors.Join(wrong, fmt.Errorf("the read models are not current: %+v", models.Items))
	}
	return wrong
}

// awaitMails waits until every mail is sent, or until the mailer has at least heard of all.
func (s *Site) awaitMails(ctx context.Context, owner Client, at string) error {
	most := mailsLong
	if s.lab.Short {
		most = mailsShort
		if s.waited { // nobody has asked for any since
			most = time.Second
		}
	}
	s.waited = true
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var wrong error
	_ = Until(ctx, func() bool { // what is late is judged by the outbox
		a, err := owner.Do(ctx, "GET", at+"/invitations?limit=500&status=pending", nil)
		if ctx.Err() == nil {
			wrong = err
		}
		return wrong != nil || a.Status == 200 && !bytes.Contains(a.Body, []byte(`"delivery":"unsent"`))
	})
	return wrong
}

// wholeList reads a list on all its pages, as of one position.
func wholeList(ctx context.Context, c Client, path string) (whole list, err error) {
	ctx, cancel := context.WithTimeout(ctx, currentWithin)
	defer cancel()
	waited := Until(ctx, func() bool {
		whole = list{items: map[string]string{}}
		for cursor := ""; ; {
			var page struct {
				Position uint64
				Next     *string `json:"next_cursor"`
				Items    []struct {
					ID, Status, Delivery string
					User                 *string
					Roles                []string
				}
			}
			if err = c.Get(ctx, path+"&limit=500"+cursor, &page); err != nil || whole.position != 0 && page.Position != whole.position {
				return err != nil
			}
			whole.position = page.Position
			for _, one := range page.Items {
				text := one.Status + " " + strings.Join(one.Roles, ",")
				if one.User == nil {
					text += " " + one.Delivery
				}
				whole.items[one.ID] = text
			}
			if page.Next == nil {
				return true
			}
			cursor = "&cursor=" + url.QueryEscape(*page.Next)
		}
	})
	if waited != nil {
		err = errors.Join(err, fmt.Errorf("no list as of one position: %s", path))
	}
	return whole, err
}

// auditTrail reads an account's audit trail: the names of facts about members and invitations, by the entries' ids.
func auditTrail(ctx context.Context, c Client, path string) (map[string]string, error) {
	a, err := c.With("Accept", "application/x-ndjson").Do(ctx, "GET", path, nil)
	if err != nil || a.Status != 200 {
		return nil, fmt.Errorf("the audit trail: %d %w", a.Status, err)
	}
	entries, kinds := map[string]string{}, map[string]bool{}
	for line := range bytes.Lines(a.Body) {
		var e struct {
			Position        uint64
			Index           int
			Action, Outcome string
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("the audit trail: %w: %.200s", err, line)
		}
		if !strings.HasPrefix(e.Action, "membership.") && !strings.HasPrefix(e.Action, "invitation.") {
			continue
		}
		id := entryID(e.Position, e.Index)
		if _, twice := entries[id]; twice {
			return nil, fmt.Errorf("the audit trail has %s twice", id)
		}
		entries[id], kinds[e.Action] = e.Action, true
	}
	if len(kinds) < enoughKinds {
		return nil, fmt.Errorf("the audit trail has only %v", kinds)
	}
	return entries, nil
}

// checkLists folds the log and compares on the way what was seen as of a position, and what was said to be so already.
func (h *History) checkLists(v *Verdict, so []*Step, s seen, account events.AccountID) *Fold {
	f := NewFold()
	users, invitations := &s.users, &s.invitations
	upTo := func(position uint64) { // everything before it has been folded
		for len(so) > 0 && so[0].Final().Position < position {
			if !so[0].isSo(f) {
				v.Lost("%s was answered at %d and has done nothing", so[0], so[0].Final().Position)
			}
			so = so[1:]
		}
		if users != nil && users.position < position {
			same(v, "user list", users.items, f.UserList())
			users = nil
		}
		if invitations != nil && invitations.position < position {
			same(v, "invitations", invitations.items, f.InvitationList())
			invitations = nil
		}
	}
	for _, c := range h.Commits {
		upTo(c.Pos)
		if c.Boundary == events.OfAccount(account) {
			f.Add(c)
		}
	}
	upTo(h.Last() + 1)
	for id, name := range f.Facts {
		if got := s.audit[id]; got != name && (got != "" || positionOf(id) <= s.invitations.position) {
			v.Differs("audit trail: %s is %q, the log says %q", id, got, name)
		}
	}
	for id, name := range s.audit {
		if f.Facts[id] == "" {
			v.Differs("audit trail: %s is %q, the log knows nothing of it", id, name)
		}
	}
	return f
}

// checkOutbox judges that every mail that has to be sent, and is not, is still to be sent.
func checkOutbox(ctx context.Context, v *Verdict, conn *pgx.Conn, f *Fold, accepted map[string]int, upTo uint64) error {
	rows, err := conn.Query(ctx, `SELECT CASE target WHEN 'invitee' THEN event ELSE event || '.' || target END FROM roster.outbox WHERE done_at IS NULL`)
	if err != nil {
		return err
	}
	waiting, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	newest := map[string]uint32{} // generation of each invitation: no other's mail is sent
	for _, letter := range f.Mails {
		newest[letter.Invitation] = max(newest[letter.Invitation], letter.Generation)
	}
	left, heard := 0, uint64(0) // of the log, by the mailer
	for event, letter := range f.Mails {
		if accepted[event] > 0 || slices.Contains(waiting, event) {
			heard = max(heard, letter.Position)
		}
		i := f.Invitations[letter.Invitation]
		if i.Status != "pending" || i.Delivery != "unsent" || letter.Generation != newest[letter.Invitation] || letter.Position > upTo {
			continue
		}
		left++
		if !slices.Contains(waiting, event) {
			v.Lost("the mail of %s, invitation %s, is neither sent nor to be sent", event, letter.Invitation)
		}
	}
	told := 0
	for message, position := range f.Notices {
		switch {
		case accepted[message] > 0:
			told++
		case position < heard && !slices.Contains(waiting, message):
			v.Lost("the mail %s is neither sent nor to be sent", message)
		}
	}
	v.Count("members told of other roles", told)
	v.Count("mails still to be sent", left)
	return nil
}
