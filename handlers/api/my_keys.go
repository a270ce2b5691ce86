package api

import (
	"context"
	"net/http"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
)

func (s *server) myKeyRoutes() {
	const at = "/v1/me/keys"
	const fresh = " Needs the password, or a session that is younger than ten minutes and has used a second factor."
	codes := []domain.Code{domain.NotPermitted, domain.NotFound, domain.AccountClosed}
	shown := append([]domain.Code{domain.Inherited, domain.ReauthenticationRequired, domain.BadCredentials, domain.RateLimited, domain.SecretAlreadyShown}, codes...)
	add(s, operation{id: "ListMyKeys", method: http.MethodGet, path: at, tag: "me", summary: "One's own API keys",
		codes: []domain.Code{domain.NotPermitted, codePosition}}, listMyKeys)
	add(s, operation{id: "CreateMyKey", method: http.MethodPost, path: at, tag: "me", summary: "Make an API key that acts as oneself",
		description: "In one account where one is a member, and below it as far as one's access goes; cut down to scopes where any are said. By it nobody is an owner, and nobody changes what is their own: password, factors, sessions, keys. It ends with the membership. The token is shown this once." + fresh,
		status:      http.StatusCreated, command: true, codes: shown}, createMyKey)
	add(s, operation{id: "RotateMyKey", method: http.MethodPost, path: at + "/{key}/rotate", tag: "me", summary: "Give one's key another secret",
		description: "As RotateKey." + fresh, command: true, ifMatch: true, codes: shown}, rotateMyKey)
	add(s, operation{id: "RevokeMyKey", method: http.MethodDelete, path: at + "/{key}", tag: "me", summary: "End one's key",
		command: true, ifMatch: true, codes: codes}, revokeMyKey)
}

func listMyKeys(ctx context.Context, r *request, _ *struct{}) (*Reply[ListBody[keyBody]], error) {
	user, err := r.oneself()
	if err != nil {
		return nil, err
	}
	u, position, err := r.App.User(ctx, user)
	if err != nil {
		return nil, err
	}
	out := ListBody[keyBody]{Items: []keyBody{}, Position: position}
	for _, id := range u.Accounts() {
		a, at, err := r.App.Account(ctx, id)
		if err != nil {
			return nil, err
		}
		list, err := r.keysOf(a, a.KeysOf(user), true)
		if err != nil {
			return nil, err
		}
		out.Items, out.Position = append(out.Items, list...), max(out.Position, at)
	}
	return &Reply[ListBody[keyBody]]{out}, r.atLeast(out.Position)
}

type createMyKeyInput struct {
	Body struct {
		Account   string     `json:"account" doc:"Where one is a member"`
		Name      string     `json:"name"`
		Scopes    []string   `json:"scopes,omitempty" doc:"Cuts it down to these permissions, such as users:read, or to patterns such as *:read and users:*; none: all that one may oneself"`
		ExpiresAt *time.Time `json:"expires_at,omitempty" format:"date-time"`
		Password  string     `json:"password,omitempty"`
	}
}

func createMyKey(_ context.Context, r *request, in *createMyKeyInput) (*Reply[keyBody], error) {
	user, err := r.oneself()
	if err != nil {
		return nil, err
	}
	b := in.Body
	account, err := events.ParseAccountID(b.Account)
	if err != nil {
		return nil, invalid("body.account", "not an id")
	}
	cmd := domain.CreateMyKey{Account: account, User: user, Key: access.NewKey(), KeyName: b.Name, Scopes: b.Scopes}
	if b.ExpiresAt != nil {
		cmd.ExpiresAt = events.TimeOf(*b.ExpiresAt)
	}
	token, hash, err := r.Access.KeySecret(account, cmd.Key)
	if err != nil {
		return nil, err
	}
	cmd.Hash = hash
	done, err := r.myKey(b.Password, func(verified events.SecretID) domain.Command {
		cmd.Password = verified
		return cmd
	})
	if err != nil {
		return nil, err
	}
	return r.shownOnce(account, cmd.Key, token, done)
}

// myKey carries out a command on a key of one's own.
func (r *request) myKey(password string, cmd func(verified events.SecretID) domain.Command) (handlers.Result, error) {
	if r.dryRun {
		return r.do(cmd(r.assumed(password)))
	}
	if _, err := r.mine(password); err != nil {
		return handlers.Result{}, err
	}
	done, err := r.Access.MyKey(r.ctx, r.call, password, cmd)
	if err == nil {
		r.done(done)
	}
	return done, err
}

// MyKeyParam names a key of one's own.
type MyKeyParam struct {
	Key string `path:"key" doc:"The key's id"`
}

// ownKey finds the account of a key of one's own. One that has ended is in none: where the request has an idempotency
// key, each of them may have done it already.
func (r *request) ownKey(user events.UserID, in MyKeyParam) (id events.KeyRefID, accounts []events.AccountID, err error) {
	parsed, err := pathID[struct{ any byte }](in.Key)
	if err != nil {
		return id, nil, err
	}
	id = events.KeyRefID(parsed)
	u, _, err := r.App.User(r.ctx, user)
	if err != nil {
		return id, nil, err
	}
	for _, account := range u.Accounts() {
		a, _, err := r.App.Account(r.ctx, account)
		if err != nil {
			return id, nil, err
		}
		if k, ok := a.Key(id); ok && k.Owner == user {
			return id, []events.AccountID{account}, nil
		}
	}
	if r.call.Key == "" {
		return id, nil, nowhere()
	}
	return id, u.Accounts(), nil
}

type rotateMyKeyInput struct {
	MyKeyParam
	Body *struct {
		Overlap  *string `json:"overlap,omitempty" doc:"As in RotateKey" example:"PT24H"`
		Password string  `json:"password,omitempty"`
	}
}

func rotateMyKey(_ context.Context, r *request, in *rotateMyKeyInput) (*Reply[keyBody], error) {
	user, err := r.oneself()
	if err != nil {
		return nil, err
	}
	id, accounts, err := r.ownKey(user, in.MyKeyParam)
	if err != nil {
		return nil, err
	}
	var how rotation
	password := ""
	if in.Body != nil {
		how.Overlap, password = in.Body.Overlap, in.Body.Password
	}
	overlap, err := how.overlap()
	if err != nil {
		return nil, err
	}
	if len(accounts) != 1 { // it has ended since
		return nil, nowhere()
	}
	token, hash, err := r.Access.KeySecret(accounts[0], id)
	if err != nil {
		return nil, err
	}
	done, err := r.myKey(password, func(verified events.SecretID) domain.Command {
		return domain.RotateKey{Account: accounts[0], Key: id, User: user, Hash: hash, Overlap: overlap, Password: verified}
	})
	if err != nil {
		return nil, err
	}
	return r.shownOnce(accounts[0], id, token, done)
}

func revokeMyKey(_ context.Context, r *request, in *MyKeyParam) (*Reply[withdrawnBody], error) {
	user, err := r.oneself()
	if err != nil {
		return nil, err
	}
	id, accounts, err := r.ownKey(user, *in)
	if err != nil {
		return nil, err
	}
	err = nowhere()
	for _, account := range accounts {
		if _, err = r.do(domain.RevokeKey{Account: account, Key: id, User: user}); !hasCode(err, domain.NotFound) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return reply(withdrawnBody{id.String()})
}
