package api

import (
	"context"
	"errors"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers/enroll"
)

func (s *server) linkRoutes() {
	const at = "/v1/invitations/{token}"
	dead := []domain.Code{domain.InvitationExpired, domain.InvitationRevoked, domain.InvitationReplaced, domain.InvitationUsed}
	add(s, operation{id: "LookAtInvitation", method: http.MethodGet, path: at, tag: "invitation links", summary: "What a link is about",
		description: "Consumes nothing. A dead link says which kind of dead it is and whom to ask.", auth: anybody, codes: append(dead, codePosition)}, lookAtInvitation)
	add(s, operation{id: "AcceptInvitation", method: http.MethodPost, path: at + "/accept", tag: "invitation links", summary: "Accept",
		description: "As a new person with names and password, or as the user who is signed in. It never signs in.", auth: anybody, command: true, senior: liveLink,
		codes: append(dead, domain.SignInRequired, domain.WrongRecipient, domain.PasswordRules, domain.AlreadyMember)}, acceptInvitation)
	add(s, operation{id: "DeclineInvitation", method: http.MethodPost, path: at + "/decline", tag: "invitation links", summary: "Decline",
		auth: anybody, command: true, codes: dead}, declineInvitation)
	add(s, operation{id: "AskForInvitation", method: http.MethodPost, path: at + "/ask", tag: "invitation links", summary: "Ask for a new link",
		description: "By whoever holds a link that no longer works, of any generation. Whoever invited is told, at most once a day; where they are not there any more, the account's owners are.",
		auth:        anybody, command: true, codes: []domain.Code{domain.InvitationUsed}}, askForInvitation)
}

// TokenParam is the token of a link.
type TokenParam struct {
	Token string `path:"token" doc:"The last segment of the link"`
}

// link reads an invitation's token. One that is forged, or for something else, is one that nobody has.
func (r *request) link(token string) (enroll.Link, error) {
	purpose, scope, subject, generation, err := r.Links.Read(token)
	if err != nil || purpose != purposeInvitation {
		return enroll.Link{}, nowhere()
	}
	return enroll.Link{Account: scope, Invitation: subject, Generation: generation}, nil
}

// liveLink refuses what is wrong in a request to a dead link with what is wrong with the link.
func liveLink(r *request) error {
	l, err := r.link(r.r.PathValue("token"))
	if err != nil {
		return err
	}
	_, err = r.look(l)
	return err
}

type lookBody struct {
	ID        string         `json:"id"`
	Account   Named          `json:"account"`
	Roles     []string       `json:"roles" nullable:"false"`
	Accounts  []lookedAtBody `json:"accounts" nullable:"false" doc:"All accounts that the invitation is for, each with what it gives there"`
	Inviter   *Named         `json:"inviter" doc:"whom to ask; null where they have been erased"`
	Email     string         `json:"email" doc:"The address to sign in with"`
	FirstName string         `json:"first_name"`
	LastName  string         `json:"last_name"`
	ExpiresAt events.Time    `json:"expires_at" format:"date-time"`
	HasUser   bool           `json:"has_user" doc:"The person has a user already and signs in to accept"`
}

type lookedAtBody struct {
	ID     string      `json:"id"`
	Name   string      `json:"name"`
	Roles  []string    `json:"roles" nullable:"false"`
	Grants []grantBody `json:"grants" nullable:"false"`
}

// look answers what a link is about. The refusal of a dead one says whom to ask.
func (r *request) look(l enroll.Link) (enroll.View, error) {
	view, err := r.enroll.Look(r.ctx, r.call, l)
	var refusal *domain.Error
	if !errors.As(err, &refusal) || view.AccountName == "" {
		return view, err
	}
	problem := r.problems.of(refusal)
	problem.Account = &Named{Name: view.AccountName}
	problem.Inviter = r.inviterOf(view)
	return view, problem
}

// inviterOf is whom to ask: whoever invited, the portal itself where that was its operator, nobody where they have been
// erased.
func (r *request) inviterOf(v enroll.View) *Named {
	switch {
	case v.ByOperator:
		return &Named{Name: r.PortalName}
	case v.InviterName == "" && v.InviterEmail == "":
		return nil
	}
	return &Named{Name: v.InviterName, Email: v.InviterEmail}
}

func lookAtInvitation(_ context.Context, r *request, in *TokenParam) (*Reply[lookBody], error) {
	l, err := r.link(in.Token)
	if err != nil {
		return nil, err
	}
	v, err := r.look(l)
	if err != nil {
		return nil, err
	}
	_, position, err := r.App.Account(r.ctx, l.Account)
	if err != nil {
		return nil, err
	}
	if err := r.atLeast(position); err != nil {
		return nil, err
	}
	accounts := make([]lookedAtBody, 0, len(v.Accounts))
	for _, a := range v.Accounts {
		accounts = append(accounts, lookedAtBody{a.ID.String(), a.Name, orEmpty(a.Roles), grantsOf(a.Grants)})
	}
	return reply(lookBody{ID: l.Invitation.String(), Account: Named{ID: v.AccountID.String(), Name: v.AccountName}, Roles: orEmpty(v.Roles), Accounts: accounts, Inviter: r.inviterOf(v),
		Email: v.Email, FirstName: v.FirstName, LastName: v.LastName, ExpiresAt: v.ExpiresAt, HasUser: v.HasUser})
}

type acceptInput struct {
	TokenParam
	Body *acceptBody
}

type acceptBody struct {
	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
	Password  string `json:"password,omitempty" doc:"At least 10 characters with a lower-case and an upper-case letter, a digit and a special character"`
}

type acceptedBody struct {
	Invitation string   `json:"invitation"`
	Account    string   `json:"account"`
	User       string   `json:"user"`
	Roles      []string `json:"roles" nullable:"false"`
}

func acceptInvitation(ctx context.Context, r *request, in *acceptInput) (*Reply[acceptedBody], error) {
	l, err := r.link(in.Token)
	if err != nil {
		return nil, err
	}
	var who enroll.Newcomer
	if in.Body != nil {
		who = enroll.Newcomer{First: in.Body.FirstName, Last: in.Body.LastName, Password: in.Body.Password}
	}
	if r.dryRun {
		call, cmd, err := r.enroll.PlanAccept(ctx, r.call, l, who)
		if err != nil {
			return nil, r.dead(l, err)
		}
		return nil, r.dead(l, r.planBy(call, cmd))
	}
	done, err := r.enroll.Accept(ctx, r.call, l, who)
	if err != nil {
		return nil, r.dead(l, err)
	}
	r.position(done.Position)
	out := acceptedBody{Invitation: l.Invitation.String(), Account: l.Account.String(), User: done.User.String(), Roles: []string{}}
	for _, c := range done.Commits {
		for _, f := range c.Facts {
			if granted, ok := f.(events.MembershipGranted); ok {
				out.Roles, _ = summed(granted.Grants)
			}
		}
	}
	return reply(out)
}

// dead adds to the refusal of a dead link whom to ask; any other error stays as it is.
func (r *request) dead(l enroll.Link, err error) error {
	var refusal *domain.Error
	if !errors.As(err, &refusal) || !isDead(refusal.Code) {
		return err
	}
	if _, dead := r.look(l); dead != nil {
		return dead
	}
	return err
}

func isDead(code domain.Code) bool {
	switch code {
	case domain.InvitationExpired, domain.InvitationRevoked, domain.InvitationReplaced, domain.InvitationUsed:
		return true
	}
	return false
}

type declinedBody struct {
	Invitation string `json:"invitation"`
	Status     string `json:"status"`
}

func declineInvitation(ctx context.Context, r *request, in *TokenParam) (*Reply[declinedBody], error) {
	l, err := r.link(in.Token)
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		return nil, r.dead(l, r.planBy(r.enroll.By(r.call, l), domain.DeclineInvitation{Account: l.Account, Invitation: l.Invitation, Generation: l.Generation}))
	}
	done, err := r.enroll.Decline(ctx, r.call, l)
	if err != nil {
		return nil, r.dead(l, err)
	}
	r.position(done.Position)
	return reply(declinedBody{l.Invitation.String(), string(domain.Declined)})
}

type askedBody struct {
	Invitation string `json:"invitation"`
	Asked      bool   `json:"asked" doc:"Whether or not it was told already"`
}

func askForInvitation(ctx context.Context, r *request, in *TokenParam) (*Reply[askedBody], error) {
	l, err := r.link(in.Token)
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		return nil, r.dead(l, r.planBy(r.enroll.By(r.call, l), domain.AskForLink{Account: l.Account, Invitation: l.Invitation, Generation: l.Generation}))
	}
	done, err := r.enroll.Ask(ctx, r.call, l)
	if err != nil {
		return nil, r.dead(l, err)
	}
	r.position(done.Position)
	return reply(askedBody{l.Invitation.String(), true})
}
