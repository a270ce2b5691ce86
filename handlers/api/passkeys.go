package api

import (
	"context"
	"encoding/json"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers/access"
)

func (s *server) passkeyRoutes() {
	codes := []domain.Code{domain.NotPermitted, domain.NotFound, codeNotAvailable, domain.ReauthenticationRequired, domain.BadCredentials, domain.RateLimited}
	add(s, operation{id: "BeginPasskey", method: http.MethodPost, path: "/v1/me/factors/passkey", tag: "me", summary: "Begin a passkey",
		description: "Answers the options for navigator.credentials.create. Needs the password, or a session that is younger than ten minutes and has used a second factor. Nothing is written: what the browser answers goes to POST /v1/me/factors/passkey/verify.",
		codes:       codes}, beginPasskey)
	add(s, operation{id: "AddPasskey", method: http.MethodPost, path: "/v1/me/factors/passkey/verify", tag: "me", summary: "Add the passkey that was made",
		description: "It is a second factor, and signs in alone where the authenticator verifies the person.",
		status:      http.StatusCreated, command: true, codes: codes}, addPasskey)
	add(s, operation{id: "AskPasskey", method: http.MethodPost, path: "/v1/sessions/passkey", tag: "sessions", summary: "Begin to show a passkey",
		description: "Answers the options for navigator.credentials.get: for the challenge of a password, or, without one, to sign in by a passkey alone. What the browser answers goes to POST /v1/sessions/factor.",
		auth:        nobody, codes: []domain.Code{domain.BadCredentials, domain.NotFound, codeNotAvailable, domain.NotPermitted}}, askPasskey)
}

func (r *request) canPasskeys() error {
	if !r.Access.CanPasskeys() {
		return &domain.Error{Code: codeNotAvailable, Detail: "this portal has no passkeys"}
	}
	return nil
}

type passkeyInput struct {
	Body struct {
		Label    string `json:"label,omitempty" maxLength:"80" doc:"What you call it"`
		Password string `json:"password,omitempty" doc:"Once more"`
	}
}

type ceremonyBody struct {
	Options   map[string]any `json:"options" doc:"For navigator.credentials: {publicKey: …}"`
	State     string         `json:"state" doc:"To be sent back with what the browser answers"`
	ExpiresAt events.Time    `json:"expires_at" format:"date-time"`
}

func ceremonyOf(c access.Ceremony, err error) (*Reply[ceremonyBody], error) {
	if err != nil {
		return nil, err
	}
	out := ceremonyBody{State: c.State, ExpiresAt: c.ExpiresAt}
	if err := json.Unmarshal(c.Options, &out.Options); err != nil {
		return nil, err
	}
	return reply(out)
}

func beginPasskey(ctx context.Context, r *request, in *passkeyInput) (*Reply[ceremonyBody], error) {
	if err := r.canPasskeys(); err != nil {
		return nil, err
	}
	if _, err := r.mine(in.Body.Password); err != nil {
		return nil, err
	}
	who, err := r.enroll.Person(ctx, r.principal.User)
	if err != nil {
		return nil, err
	}
	return ceremonyOf(r.Access.BeginPasskey(ctx, r.call, in.Body.Password, in.Body.Label, who.Email, who.Name.Full()))
}

type shownInput struct{ Body passkeyBody }

// passkeyBody is what a browser answers.
type passkeyBody struct {
	State      string         `json:"state"`
	Credential map[string]any `json:"credential" doc:"As PublicKeyCredential.toJSON gives it"`
}

func addPasskey(ctx context.Context, r *request, in *shownInput) (*Reply[FactorBody], error) {
	if err := r.canPasskeys(); err != nil {
		return nil, err
	}
	user, err := r.self()
	if err != nil {
		return nil, err
	}
	response, err := json.Marshal(in.Body.Credential)
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		cmd, err := r.Access.PlanPasskey(r.call, in.Body.State, response)
		if err != nil {
			return nil, err
		}
		return nil, r.plan([]domain.Command{cmd})
	}
	id, done, err := r.Access.AddPasskey(ctx, r.call, in.Body.State, response)
	if err != nil {
		return nil, err
	}
	r.done(done)
	return r.factorNow(ctx, user, id)
}

type askPasskeyInput struct {
	Body *struct {
		Challenge string `json:"challenge,omitempty" doc:"As POST /v1/sessions gave it"`
	}
}

func askPasskey(ctx context.Context, r *request, in *askPasskeyInput) (*Reply[ceremonyBody], error) {
	if err := r.canPasskeys(); err != nil {
		return nil, err
	}
	challenge := ""
	if in.Body != nil {
		challenge = in.Body.Challenge
	}
	return ceremonyOf(r.Access.AskPasskey(ctx, challenge))
}

// showPasskey ends a sign-in with a passkey.
func showPasskey(ctx context.Context, r *request, in passkeyBody) (*signInReply, error) {
	if err := r.canPasskeys(); err != nil {
		return nil, err
	}
	response, err := json.Marshal(in.Credential)
	if err != nil {
		return nil, err
	}
	signed, err := r.Access.ShowPasskey(ctx, r.call, in.State, response)
	if err != nil {
		return nil, err
	}
	return r.signedIn(signed)
}
