package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
	"roster/projections"
)

// patience is how long a question waits for its read model, queryTimeout how long the question may take, courtesy how
// long it waits for what is good to have.
const (
	patience     = 2 * time.Second
	queryTimeout = 5 * time.Second
	courtesy     = 100 * time.Millisecond
)

// deepestTree bounds a walk up the tree of accounts.
const deepestTree = 16

// The read models that questions are asked of.
const (
	modelUsers       = "user_list"
	modelInvitations = "invitations"
	modelAudit       = "audit"
	modelAccounts    = "accounts"
)

// AccountParam names the account.
type AccountParam struct {
	Account string `path:"account" doc:"The account's id" example:"0198c5d4-7e1a-7c3f-9b1d-2f6a8e4c0b57"`
}

// PageParams say which page of a list is asked for.
type PageParams struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items"`
	Cursor string `query:"cursor" doc:"next_cursor of the page before, asked for with the same filters and order"`
}

// ListBody is a page of a list.
type ListBody[T any] struct {
	Items      []T     `json:"items" nullable:"false"`
	NextCursor *string `json:"next_cursor"`
	Position   uint64  `json:"position"`
}

// pathID reads an id of the path. What is no id is answered as one that nobody has.
func pathID[Of any](s string) (events.ID[Of], error) {
	id, err := events.ParseID[Of](s)
	if err != nil || id.IsZero() {
		return id, nowhere()
	}
	return id, nil
}

func accountID(s string) (events.AccountID, error) {
	id, err := pathID[struct{ any byte }](s)
	return events.AccountID(id), err
}

func userID(s string) (events.UserID, error) {
	id, err := pathID[struct{ any byte }](s)
	return events.UserID(id), err
}

// mayIn refuses unless whoever asks holds the permission in the account.
func (r *request) mayIn(account events.AccountID, p domain.Permission) (domain.Access, error) {
	var access domain.Access
	err := r.App.Ask(r.ctx, r.call, domain.AskMayIn(account, p, &access))
	return access, err
}

// within is the senior check of what is inside an account: whether there is such a thing, as far as the caller may
// see that, then whether they may do it.
func within(p domain.Permission) func(*request) error {
	return func(r *request) error {
		account, err := accountID(r.r.PathValue("account"))
		if err != nil {
			return err
		}
		need := p
		if r.r.PathValue("user") == r.principal.Actor.ID {
			need = domain.UsersRead // for lowering oneself that is enough
		}
		access, err := r.mayIn(account, need)
		if hasCode(err, domain.SecondFactorRequired) { // who has not shown it learns nothing of what is inside
			return err
		}
		if access.Holds(domain.UsersRead) {
			if missing := r.missing(account); missing != nil {
				return missing
			}
		}
		return err
	}
}

// missing says that the account has no such user or invitation as the path names.
func (r *request) missing(account events.AccountID) error {
	a, _, err := r.App.Account(r.ctx, account)
	if err != nil {
		return err
	}
	if user := r.r.PathValue("user"); user != "" {
		id, err := userID(user)
		if err != nil {
			return nowhere()
		}
		if m, ok := a.Member(id); !ok || m.Status == domain.Revoked && r.op.command {
			if inherits, err := r.inherits(account, id); err != nil || !inherits {
				return orNowhere(err)
			}
		}
	}
	if invitation := r.r.PathValue("invitation"); invitation != "" {
		id, err := pathID[struct{ any byte }](invitation)
		if _, ok := a.Invitation(events.InvitationID(id)); err != nil || !ok {
			return nowhere()
		}
	}
	return nil
}

func orNowhere(err error) error {
	if err == nil {
		err = nowhere()
	}
	return err
}

// inherits says whether a user has access to an account without being a member of it: from one above.
func (r *request) inherits(account events.AccountID, user events.UserID) (bool, error) {
	var why domain.Why
	err := r.App.Ask(r.ctx, r.call, domain.AskWhy(account, user, events.SessionID{}, domain.UsersRead, &why))
	return !why.Access.None(), err
}

// above are the accounts above one, the nearest first, and the position up to which their members are known.
func (r *request) above(account events.AccountID) (list []events.AccountID, position uint64, err error) {
	a, _, err := r.App.Account(r.ctx, account)
	for err == nil && !a.Parent.IsZero() && len(list) < deepestTree {
		var at uint64
		if a, at, err = r.App.Account(r.ctx, a.Parent); err == nil && a.Opened {
			list, position = append(list, a.ID), max(position, at)
		}
	}
	return list, position, err
}

// operatorOnly refuses everybody else.
func operatorOnly(r *request) error {
	if !r.principal.Operator() {
		return &domain.Error{Code: domain.NotPermitted, Detail: "this is the operator's"}
	}
	return nil
}

// caughtUp waits until a read model has applied the log up to the position that the caller named, or else up to the
// target, as far as that can be had in time.
func (r *request) caughtUp(model string, target uint64) error {
	if r.Models == nil {
		return r.problems.retry("this runs without projections: only commands, checks and what the log itself answers")
	}
	if r.minPosition != nil {
		target = *r.minPosition
	}
	wait, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	err := r.Models.WaitFor(wait, model, target)
	switch {
	case err == nil:
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case wait.Err() == nil:
		return away(err)
	case r.minPosition != nil:
		return &domain.Error{Code: codePosition, Detail: "this position has not been reached within two seconds"}
	}
	return nil
}

// settled waits a moment more, for what has happened to people elsewhere: the user list shows when they last signed
// in, which is no commit of the account's. Under a heavy load it answers without.
func (r *request) settled(model string) {
	if r.minPosition != nil {
		return
	}
	last, err := r.App.Last(r.ctx)
	if err != nil || r.Models.Position(model) >= last {
		return
	}
	wait, cancel := context.WithTimeout(r.ctx, courtesy)
	defer cancel()
	_ = r.Models.WaitFor(wait, model, last) // what there is, is answered
}

// atLeast answers questions to the log itself: it is as new as anything can be.
func (r *request) atLeast(position uint64) error {
	if r.minPosition != nil && *r.minPosition > position {
		last, err := r.App.Last(r.ctx)
		if err != nil {
			return err
		}
		if *r.minPosition > last {
			return &domain.Error{Code: codePosition, Detail: "the log has not reached this position"}
		}
		position = last
	}
	r.position(position)
	return nil
}

// standing are the accounts in which whoever asks has something of their own: a user's memberships, or a key's account.
func (r *request) standing() ([]events.AccountID, uint64, error) {
	if r.principal.Key != nil && r.principal.Actor.User().IsZero() {
		_, position, err := r.App.Account(r.ctx, r.principal.Account)
		return []events.AccountID{r.principal.Account}, position, err
	}
	user, position, err := r.App.User(r.ctx, r.principal.Actor.User())
	return user.Accounts(), position, err
}

// ofAccount is the position up to which a list of an account's has to be: that of the account's last commit, and of
// the caller's own, who may just have signed in.
func (r *request) ofAccount(account events.AccountID) (uint64, error) {
	_, position, err := r.App.Account(r.ctx, account)
	if err != nil || r.principal.Actor.User().IsZero() {
		return position, err
	}
	_, own, err := r.App.User(r.ctx, r.principal.Actor.User())
	return max(position, own), err
}

// ask puts a question to a read model. A database that is away is unavailable, whatever it says.
func (r *request) ask(model string, question func(ctx context.Context, schema string, q projections.Querier) error) error {
	return away(asker{r.Models}.Query(r.ctx, model, question))
}

// asker gives each question the time that one may take.
type asker struct{ *projections.Runner }

func (a asker) Query(ctx context.Context, model string, question func(ctx context.Context, schema string, q projections.Querier) error) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	return a.Runner.Query(ctx, model, question)
}

// awayError is an answer that the database did not give.
type awayError struct{ error }

func (e awayError) Unwrap() error { return e.error }

// SQLState is that of a lost connection.
func (awayError) SQLState() string { return "08000" }

// away tells what the database refused from a database that could not be asked.
func away(err error) error {
	var state interface{ SQLState() string }
	var refusal *domain.Error
	switch {
	case err == nil, errors.As(err, &state), errors.As(err, &refusal),
		errors.Is(err, projections.ErrSort), errors.Is(err, projections.ErrCursor):
		return err
	}
	return awayError{err}
}

// position tells how far the log, or what was read, had come.
func (r *request) position(n uint64) {
	r.w.Header().Set("Roster-Position", strconv.FormatUint(n, 10))
}

// answered tells as of when a read model answered, and how far behind that is.
func (r *request) answered(at, target uint64) {
	r.position(at)
	if r.minPosition == nil {
		r.w.Header().Set("Roster-Lag", strconv.FormatUint(target-min(at, target), 10))
	}
}

// tag sets the ETag.
func (r *request) tag(n uint64) string {
	tag := `"` + strconv.FormatUint(n, 10) + `"`
	r.w.Header().Set("ETag", tag)
	return tag
}

// version sets the ETag and answers notModified when the caller has that version. It is for answers in which nothing
// changes without the version.
func (r *request) version(n uint64) error {
	tag := r.tag(n)
	if r.r.Method != http.MethodGet && r.r.Method != http.MethodHead {
		return nil
	}
	for _, header := range r.r.Header.Values("If-None-Match") {
		for one := range strings.SplitSeq(header, ",") {
			if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == tag || one == "*" {
				return &notModified{}
			}
		}
	}
	return nil
}

// next is the cursor of the next page, nil on the last.
func next[T any](r *request, account string, place *T) (*string, error) {
	if place == nil {
		return nil, nil
	}
	cursor, err := r.cursors.write(list(r.op.id, account, r.query), place)
	if err != nil {
		return nil, fmt.Errorf("write a cursor: %w", err)
	}
	return &cursor, nil
}

// place is where the page asked for begins, nil for the first.
func place[T any](r *request, account, cursor string) (*T, error) {
	if cursor == "" {
		return nil, nil
	}
	into := new(T)
	return into, r.cursors.read(list(r.op.id, account, r.query), cursor, into)
}

// grantBody is what a membership gives, as answers show it.
type grantBody struct {
	Roles       []string     `json:"roles" nullable:"false"`
	Permissions []string     `json:"permissions" nullable:"false"`
	Inherit     bool         `json:"inherit"`
	ValidFrom   *events.Time `json:"valid_from" format:"date-time"`
	ValidUntil  *events.Time `json:"valid_until" format:"date-time"`
}

func grantsOf(grants []events.Grant) []grantBody {
	out := make([]grantBody, 0, len(grants))
	for _, g := range grants {
		out = append(out, grantBody{orEmpty(g.Roles), orEmpty(g.Permissions), g.Inherit, timeOf(g.From), timeOf(g.Until)})
	}
	return out
}

func timeOf(t events.Time) *events.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func orEmpty(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// summed are the roles and permissions of all grants, each once, in their order.
func summed(grants []events.Grant) (roles, permissions []string) {
	roles, permissions = []string{}, []string{}
	has := map[string]bool{}
	for _, g := range grants {
		for _, role := range g.Roles {
			if !has[role] {
				has[role] = true
				roles = append(roles, role)
			}
		}
		for _, p := range g.Permissions {
			if !has[p] {
				has[p] = true
				permissions = append(permissions, p)
			}
		}
	}
	return roles, permissions
}
