package api

import (
	"context"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers/enroll"
)

func (s *server) signupRoutes() {
	const at = "/v1/signup"
	add(s, operation{id: "RequestSignUp", method: http.MethodPost, path: at, tag: "sign-up", summary: "Ask for a link to open an account of one's own",
		description: "Where the portal profile allows it, it always answers the same, whoever has the address. At most five mails an hour go to one address. The account's name is looked at, so that a form can say what is wrong with it, and is not kept: it is given once more by whoever has the link.",
		status:      http.StatusAccepted, auth: nobody}, requestSignUp)
	add(s, operation{id: "LookAtSignUp", method: http.MethodGet, path: at + "/{token}", tag: "sign-up", summary: "What a link is about",
		description: "Consumes nothing. A dead link says which kind of dead it is.", auth: anybody, codes: append(deadLink(), codePosition)}, lookAtSignUp)
	add(s, operation{id: "SignUp", method: http.MethodPost, path: at + "/{token}", tag: "sign-up", summary: "Open the account",
		description: "Makes the user, the root account and its owner, all or nothing. It does not sign in.",
		status:      http.StatusCreated, auth: anybody, command: true, senior: liveSignup, codes: append(deadLink(), domain.PasswordRules)}, signUp)
}

type requestSignUpInput struct {
	Body struct {
		Email   string        `json:"email"`
		Account *setUpAccount `json:"account,omitempty"`
	}
}

func requestSignUp(ctx context.Context, r *request, in *requestSignUpInput) (*Reply[mailedBody], error) {
	there, err := r.enroll.HasSignUp(ctx)
	if err != nil {
		return nil, err
	}
	if a := in.Body.Account; there && a != nil {
		if wrong := domain.CheckAccountName(a.Name); wrong != "" {
			return nil, invalid("body.account.name", wrong)
		}
	}
	if err := r.enroll.RequestSignUp(ctx, r.call, in.Body.Email); err != nil {
		return nil, err
	}
	return reply(mailedBody{true})
}

// signupLink reads a link's token. One that is forged, or for something else, is one that nobody has.
func (r *request) signupLink(token string) (enroll.SignupLink, error) {
	purpose, _, subject, generation, err := r.Links.Read(token)
	if err != nil || purpose != purposeSignup {
		return enroll.SignupLink{}, nowhere()
	}
	return enroll.SignupLink{Address: subject, Generation: generation}, nil
}

// liveSignup refuses what is wrong in a request to a dead link with what is wrong with the link.
func liveSignup(r *request) error {
	l, err := r.signupLink(r.r.PathValue("token"))
	if err != nil {
		return err
	}
	_, err = r.enroll.LookAtSignUp(r.ctx, r.call, l)
	return err
}

func lookAtSignUp(ctx context.Context, r *request, in *TokenParam) (*Reply[lookAtResetBody], error) {
	l, err := r.signupLink(in.Token)
	if err != nil {
		return nil, err
	}
	look, err := r.enroll.LookAtSignUp(ctx, r.call, l)
	if err != nil {
		return nil, err
	}
	_, position, err := r.App.Address(ctx, l.Address)
	if err != nil {
		return nil, err
	}
	if err := r.atLeast(position); err != nil {
		return nil, err
	}
	return reply(lookAtResetBody{look.Email, look.ExpiresAt, passwordBody(look.Rules)})
}

type signUpInput struct {
	TokenParam
	Body signUpBody
}

type signUpBody struct {
	Account   setUpAccount `json:"account"`
	FirstName string       `json:"first_name"`
	LastName  string       `json:"last_name"`
	Password  string       `json:"password"`
	Confirm   *string      `json:"confirm,omitempty" doc:"The password once more, where it was asked for twice"`
}

func signUp(ctx context.Context, r *request, in *signUpInput) (*Reply[setUpReply], error) {
	l, err := r.signupLink(in.Token)
	if err != nil {
		return nil, err
	}
	b := in.Body
	who := enroll.Newcomer{First: b.FirstName, Last: b.LastName, Password: b.Password, Confirm: b.Confirm}
	if r.dryRun {
		cmd, err := r.enroll.PlanSignUp(ctx, r.call, l, b.Account.Name, who)
		if err != nil {
			return nil, err
		}
		cmd.User.Password = events.SecretID{15: 1}
		return nil, r.plan([]domain.Command{cmd})
	}
	done, err := r.enroll.SignUp(ctx, r.call, l, b.Account.Name, who)
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	r.w.Header().Set("Location", "/v1/accounts/"+done.Account.String())
	return reply(setUpReply{done.Account.String(), done.Account.String(), done.User.String()})
}
