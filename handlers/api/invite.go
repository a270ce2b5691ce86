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
	Emails      addresses    `json:"emails,omitempty" doc:"Up to 5,000 addresses: a list, or one text with commas, semicolons, spaces or line breaks between; each optionally as Name <address>"`
	People      []invitee    `json:"people,omitempty" doc:"Instead of emails: each with a name, and roles and an account of their own. The same as text/csv, with the columns email, first_name, last_name, roles, account"`
	Roles       []string     `json:"roles,omitempty"`
	Permissions []string     `json:"permissions,omitempty" doc:"Beside those of the roles, as module:action"`
	Inherit     bool         `json:"inherit,omitempty"`
	Grants      []grantInput `json:"grants,omitempty" doc:"Instead of roles, permissions and inherit; each may be in another account"`
	ValidFor    string       `json:"valid_for,omitempty" doc:"An ISO 8601 duration of 1 hour to 90 days, such as P7D or PT12H" example:"P7D"`
}

// invitee is one person of a list.
type invitee struct {
	Email     string   `json:"email"`
	FirstName string   `json:"first_name,omitempty" maxLength:"200"`
	LastName  string   `json:"last_name,omitempty" maxLength:"200"`
	Roles     []string `json:"roles,omitempty" doc:"Those of the body where none are said"`
	Account   string   `json:"account,omitempty" doc:"The path's where none is said"`
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

// batch is people who are invited by one command: the same accounts, roles and validity.
type batch struct {
	cmd     domain.InviteUsers
	entries []address.Entry
	at      []int // where each stands in the request
	barred  error // why the request was not allowed when it came; then nobody is claimed
	own     bool  // its roles or account stand beside the people
	account bool  // the account does
}

// located is a refusal of the batch, which says at whom of the list it begins.
func (b *batch) located(err error) error {
	var refusal *domain.Error
	if !b.own || !errors.As(err, &refusal) || refusal.Code == domain.NotFound && !b.account {
		return err
	}
	at := fmt.Sprintf("body.people[%d]", b.at[0])
	if refusal.Code == domain.NotFound {
		at += ".account"
	}
	said := *refusal
	said.Fields = nil
	for _, f := range refusal.Fields {
		said.Fields = append(said.Fields, domain.Field{Location: at + strings.TrimPrefix(f.Location, "body"), Message: f.Message})
	}
	if said.Fields == nil {
		said.Fields = []domain.Field{{Location: at, Message: refusal.Detail}}
	}
	return &said
}

func inviteUsers(ctx context.Context, r *request, in *inviteInput) (*Reply[inviteReply], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	whole, defaulted, err := in.Body.command(account)
	if err != nil {
		return nil, r.unless(err)
	}
	var batches []*batch
	n := len(in.Body.People)
	if in.Body.People == nil {
		entries := address.ParseList(string(in.Body.Emails))
		n = len(entries)
		all := &batch{cmd: whole, entries: entries}
		for i := range entries {
			all.at = append(all.at, i)
		}
		batches = []*batch{all}
	} else if batches, err = in.Body.batches(account, whole); err != nil {
		return nil, r.unless(err)
	}
	parts, err := r.inviteParts(ctx, batches, n)
	if err != nil {
		return nil, err
	}
	commands := make([]domain.Command, len(parts))
	for i, p := range parts {
		commands[i] = p.cmd
	}
	done, err := r.doParts(commands...)
	var refusal *domain.Error
	if err != nil && (len(done) == 0 || !errors.As(err, &refusal)) {
		if barred := (*domain.Error)(nil); errors.As(err, &refusal) && errors.As(parts[0].barred, &barred) && barred.Code == refusal.Code {
			return nil, barred // which says where
		}
		return nil, err
	}
	if defaulted && len(done) > 0 { // the fact says so as well (SPEC 9)
		r.Logger.Warn("an invitation names no role: the default was taken", "account", account.String(), "command", done[0].Command.String())
	}
	out := inviteReply{Results: make([]inviteOutcome, n)}
	for i, p := range parts {
		results := make([]inviteOutcome, len(p.entries))
		for k, e := range p.entries {
			if results[k].Email = e.Email; e.Email == "" {
				results[k].Email = cut(e.Typed, 320)
			}
			if i >= len(done) && refusal != nil { // what a later part was refused; what came before it stays done
				results[k].Outcome, results[k].Code = domain.OutcomeRefused, string(refusal.Code)
			}
		}
		if i < len(done) && p.barred != nil && len(done[i].Commits) == 0 {
			return nil, p.barred // allowed by now, or in this account alone: nothing was done before that this repeats
		}
		if i < len(done) {
			if err := outcomes(p.cmd.Account, done[i], results); err != nil {
				return nil, err
			}
		}
		for k, result := range results {
			out.Results[p.at[k]] = result
		}
	}
	return reply(out)
}

// command is what is asked for everybody alike. defaulted says that no role is named.
func (b inviteBody) command(account events.AccountID) (cmd domain.InviteUsers, defaulted bool, err error) {
	lists, err := askedIn(account, grantInput{Roles: b.Roles, Permissions: b.Permissions, Inherit: b.Inherit}, b.Grants)
	if err != nil {
		return cmd, false, err
	}
	cmd.Account = account
	if len(lists) > 0 { // the link and the mail are those of the first
		cmd.Account, cmd.Grants, cmd.Others = lists[0].Account, lists[0].Grants, lists[1:]
	}
	if b.ValidFor != "" {
		if cmd.ValidFor, err = durationOf(b.ValidFor); err != nil {
			return cmd, false, invalid("body.valid_for", "want an ISO 8601 duration of weeks, days, hours, minutes and seconds, such as P7D or PT12H")
		}
	}
	if b.People != nil && b.Emails != "" {
		return cmd, false, invalid("body.people", "give either emails or people")
	}
	return cmd, lists == nil, nil
}

// batches puts together those of a list who are invited alike. Who says nothing of roles and account gets what the
// body says.
func (b inviteBody) batches(account events.AccountID, whole domain.InviteUsers) ([]*batch, error) {
	var list []*batch
	known := map[string]*batch{}
	seen := map[string]bool{}
	for i, p := range b.People {
		key := p.Account + "\n" + strings.Join(p.Roles, "\n")
		to := known[key]
		if to == nil {
			to = &batch{cmd: whole}
			if p.Account != "" || len(p.Roles) > 0 {
				to.own = true
				in := account
				if to.account = p.Account != ""; to.account {
					var err error
					if in, err = accountID(p.Account); err != nil {
						to.at = []int{i}
						return nil, to.located(err)
					}
				}
				to.cmd.Account, to.cmd.Others = in, nil
				if len(p.Roles) > 0 {
					to.cmd.Grants = []events.Grant{{Roles: p.Roles}}
				}
			}
			known[key] = to
			list = append(list, to)
		}
		entry := address.Entry{Typed: p.Email, First: strings.TrimSpace(p.FirstName), Last: strings.TrimSpace(p.LastName)}
		if email := normalized(p.Email); email != "" && !seen[email+"\n"+key] {
			entry.Email, seen[email+"\n"+key] = email, true
		}
		to.entries, to.at = append(to.entries, entry), append(to.at, i)
	}
	return list, nil
}

// inviteParts cuts a bulk into commands of a size that fits a commit. Whether it would be allowed is asked before any
// address is claimed. What is not allowed becomes commands that claim nothing: they are refused, and noted, unless
// they repeat what was done under their idempotency key when it still was.
func (r *request) inviteParts(ctx context.Context, batches []*batch, n int) ([]batch, error) {
	var wrong error
	for _, b := range batches {
		if wrong = r.App.Ask(ctx, r.call, b.cmd); wrong != nil {
			wrong = b.located(wrong)
			break
		}
	}
	switch {
	case wrong != nil && !isRefusal(wrong):
		return nil, wrong
	case wrong != nil && (n == 0 || n > domain.MaxInvitees):
		return []batch{{cmd: batches[0].cmd, barred: wrong}}, nil
	case n == 0:
		return nil, invalid("body.emails", "name at least one address")
	case n > domain.MaxInvitees:
		return nil, invalid("body.emails", "at most 5,000 addresses at once")
	}
	var parts []batch
	for _, b := range batches {
		var people []*domain.Addressee
		if wrong == nil {
			var err error
			if people, err = r.claim(ctx, b.entries); err != nil {
				return nil, err
			}
		}
		for from := 0; from < len(b.entries); from += partSize {
			to := min(from+partSize, len(b.entries))
			part := batch{cmd: b.cmd, entries: b.entries[from:to], at: b.at[from:to], barred: wrong}
			if people != nil {
				part.cmd.Invitees = people[from:to]
			}
			parts = append(parts, part)
		}
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
