package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
)

const (
	partSize = 250 // addresses in one commit, which has at most 256 KiB
	claimers = 32  // addresses claimed in the vault at once, each a write that waits for the disk
)

type inviteInput struct {
	AccountParam
	Body inviteBody
}

type inviteBody struct {
	Emails      addresses    `json:"emails" doc:"Up to 5,000 addresses: a list, or one text with commas, semicolons, spaces or line breaks between; each optionally as Name <address>"`
	Roles       []string     `json:"roles,omitempty"`
	Permissions []string     `json:"permissions,omitempty" doc:"Beside those of the roles, as module:action"`
	Inherit     bool         `json:"inherit,omitempty"`
	Grants      []grantInput `json:"grants,omitempty" doc:"Instead of roles, permissions and inherit; each may be in another account"`
	ValidFor    string       `json:"valid_for,omitempty" doc:"An ISO 8601 duration of 1 hour to 90 days, such as P7D or PT12H" example:"P7D"`
}

// addresses is what was typed or pasted: a text, or a list of texts.
type addresses string

// UnmarshalJSON reads both forms.
func (a *addresses) UnmarshalJSON(b []byte) error {
	var many []string
	if json.Unmarshal(b, &many) == nil {
		*a = addresses(strings.Join(many, "\n"))
		return nil
	}
	return json.Unmarshal(b, (*string)(a))
}

// Schema says that both forms are right.
func (addresses) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{{Type: "string"}, {Type: "array", Items: &huma.Schema{Type: "string"}}}}
}

type inviteReply struct {
	Results []inviteOutcome `json:"results" nullable:"false"`
}

type inviteOutcome struct {
	Email      string   `json:"email"`
	Outcome    string   `json:"outcome" enum:"invited,already_member,already_invited,invalid_address,domain_not_allowed,refused"`
	Invitation string   `json:"invitation,omitempty"`
	Code       string   `json:"code,omitempty" doc:"Why it was refused"`
	Accounts   []string `json:"accounts,omitempty" nullable:"false" doc:"Where the person already is, or is invited"`
}

func inviteUsers(ctx context.Context, r *request, in *inviteInput) (*Reply[inviteReply], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	b := in.Body
	lists, err := askedIn(account, grantInput{Roles: b.Roles, Permissions: b.Permissions, Inherit: b.Inherit}, b.Grants)
	if err != nil {
		return nil, r.unless(err)
	}
	cmd := domain.InviteUsers{Account: account}
	if len(lists) > 0 { // the link and the mail are those of the first
		cmd.Account, cmd.Grants, cmd.Others = lists[0].Account, lists[0].Grants, lists[1:]
	}
	if b.ValidFor != "" {
		if cmd.ValidFor, err = durationOf(b.ValidFor); err != nil {
			return nil, r.unless(invalid("body.valid_for", "want an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as P7D or PT12H"))
		}
	}
	entries := address.ParseList(string(b.Emails))
	parts, err := r.inviteParts(ctx, cmd, entries)
	if err != nil {
		return nil, err
	}
	done, err := r.doParts(parts...)
	var refusal *domain.Error
	if err != nil && (len(done) == 0 || !errors.As(err, &refusal)) {
		return nil, err
	}
	if lists == nil && len(done) > 0 { // the fact says so as well (SPEC 9)
		r.Logger.Warn("an invitation names no role: the default was taken", "account", account.String(), "command", done[0].Command.String())
	}
	out := inviteReply{Results: make([]inviteOutcome, len(entries))}
	for i, e := range entries {
		one := &out.Results[i]
		if one.Email = e.Email; e.Email == "" {
			one.Email = cut(e.Typed, 320)
		}
		if refusal != nil { // what a later part was refused; what came before it stays done
			one.Outcome, one.Code = domain.OutcomeRefused, string(refusal.Code)
		}
	}
	for n, result := range done {
		if err := outcomes(cmd.Account, result, out.Results[n*partSize:min((n+1)*partSize, len(entries))]); err != nil {
			return nil, err
		}
	}
	return reply(out)
}

// inviteParts cuts a bulk into commands of a size that fits a commit. Whether it would be allowed is asked before any
// address is claimed. What is not allowed becomes commands that claim nothing: they are refused, and noted, unless
// they repeat what was done under their idempotency key when it still was.
func (r *request) inviteParts(ctx context.Context, cmd domain.InviteUsers, entries []address.Entry) ([]domain.Command, error) {
	var people []*domain.Addressee
	wrong := r.App.Ask(ctx, r.call, cmd)
	switch {
	case wrong != nil && !isRefusal(wrong):
		return nil, wrong
	case wrong != nil && (len(entries) == 0 || len(entries) > domain.MaxInvitees):
		return []domain.Command{cmd}, nil
	case len(entries) == 0:
		return nil, invalid("body.emails", "name at least one address")
	case len(entries) > domain.MaxInvitees:
		return nil, invalid("body.emails", "at most 5,000 addresses at once")
	case wrong == nil:
		var err error
		if people, err = r.claim(ctx, entries); err != nil {
			return nil, err
		}
	}
	var parts []domain.Command
	for from := 0; from < len(entries); from += partSize {
		part := cmd
		if people != nil {
			part.Invitees = people[from:min(from+partSize, len(people))]
		}
		parts = append(parts, part)
	}
	return parts, nil
}

// outcomes notes what became of a part's addresses. Its invitations stand in the order of those invited.
func outcomes(account events.AccountID, result handlers.Result, into []inviteOutcome) error {
	said := result.Outcomes
	var made []events.InvitationID
	for _, c := range result.Commits {
		if c.Boundary == events.OfAccount(account) {
			said = c.Cmd.Outcomes
		}
		for _, f := range c.Facts {
			if created, ok := f.(events.InvitationCreated); ok && c.Boundary == events.OfAccount(account) {
				made = append(made, created.Invitation)
			}
		}
	}
	if len(said) != len(into) {
		return fmt.Errorf("invite: %d outcomes for %d addresses: %w", len(said), len(into), handlers.ErrUnavailable)
	}
	for i, outcome := range said {
		one := &into[i]
		outcome, in := domain.ParseOutcome(outcome)
		one.Outcome, one.Code = outcome, ""
		for _, id := range in {
			one.Accounts = append(one.Accounts, id.String())
		}
		switch outcome {
		case domain.OutcomeInvited:
			if len(made) == 0 {
				return errors.New("invite: fewer invitations than outcomes say")
			}
			one.Invitation, made = made[0].String(), made[1:]
		case domain.OutcomeRefused:
			one.Code = string(domain.RateLimited)
		case domain.OutcomeAlreadyMember, domain.OutcomeAlreadyInvited:
			if in == nil {
				one.Accounts = []string{account.String()}
			}
		}
	}
	return nil
}

// claim gives every address its id and key, several at a time. What is no address stays nil.
func (r *request) claim(ctx context.Context, entries []address.Entry) ([]*domain.Addressee, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	people := make([]*domain.Addressee, len(entries))
	work := make(chan int)
	var workers sync.WaitGroup
	for range min(claimers, len(entries)) {
		workers.Go(func() {
			for i := range work {
				person, err := r.addressee(entries[i])
				if err != nil {
					cancel(err)
				}
				people[i] = person
			}
		})
	}
	for i := range entries {
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	workers.Wait()
	return people, context.Cause(ctx)
}

// durationOf reads an ISO 8601 duration without years and months, whose length nobody knows.
func durationOf(s string) (time.Duration, error) {
	form := regexp.MustCompile(`^P(?:(\d{1,4})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?$`)
	parts := form.FindStringSubmatch(s)
	if parts == nil {
		return 0, errors.New("not a duration")
	}
	const day = 24 * time.Hour
	var d time.Duration
	for i, unit := range []time.Duration{7 * day, day, time.Hour, time.Minute, time.Second} {
		if parts[i+1] == "" {
			continue
		}
		n, err := strconv.Atoi(parts[i+1])
		if err != nil {
			return 0, err
		}
		d += time.Duration(n) * unit
	}
	if d <= 0 {
		return 0, errors.New("no time at all")
	}
	return d, nil
}
