package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/projections"
)

func (s *server) keyRoutes() {
	const at = "/v1/accounts/{account}/keys"
	codes := []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.AccountClosed}
	shown := append([]domain.Code{domain.ModuleNotAllowed, domain.SecretAlreadyShown}, codes...)
	add(s, operation{id: "ListKeys", method: http.MethodGet, path: at, tag: "keys", summary: "The API keys of an account",
		description: "Those that have not been revoked, personal keys of members among them. When each was used last is known to a quarter of an hour. Answered from the log itself.",
		senior:      within(domain.KeysRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, listKeys)
	add(s, operation{id: "GetKey", method: http.MethodGet, path: at + "/{key}", tag: "keys", summary: "An API key",
		etag: true, whole: true, senior: within(domain.KeysRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, getKey)
	add(s, operation{id: "CreateKey", method: http.MethodPost, path: at, tag: "keys", summary: "Make an API key",
		description: "A service user with roles of its own, never beyond what whoever makes it holds, and never an owner. The token is shown this once.",
		status:      http.StatusCreated, command: true, senior: within(domain.KeysManage), codes: shown}, createKey)
	add(s, operation{id: "RotateKey", method: http.MethodPost, path: at + "/{key}/rotate", tag: "keys", summary: "Give an API key another secret",
		description: "The token is shown this once. The one before works until the overlap is over; one that was before that ends at once.",
		command:     true, ifMatch: true, senior: within(domain.KeysManage), codes: append(shown, domain.NotFound)}, rotateKey)
	add(s, operation{id: "RevokeKey", method: http.MethodDelete, path: at + "/{key}", tag: "keys", summary: "End an API key",
		description: "It is refused from the next request on, and its open invitations are dead.",
		command:     true, ifMatch: true, senior: within(domain.KeysManage), codes: codes}, revokeKey)
}

type keyBody struct {
	ID          string           `json:"id"`
	Account     string           `json:"account"`
	Name        string           `json:"name"`
	Owner       *projections.Who `json:"owner" doc:"Of a personal key: as whom it acts; null for a service user of the account"`
	Roles       []string         `json:"roles" nullable:"false"`
	Permissions []string         `json:"permissions" nullable:"false"`
	Inherit     bool             `json:"inherit" doc:"It extends to the accounts below"`
	Scopes      []string         `json:"scopes" nullable:"false" doc:"What it is cut down to; none: all that it has"`
	OnBehalf    bool             `json:"on_behalf" doc:"It may send Roster-On-Behalf-Of"`
	Status      string           `json:"status" enum:"active,expired,suspended" doc:"suspended: while the membership of its owner is"`
	CreatedAt   events.Time      `json:"created_at" format:"date-time"`
	CreatedBy   projections.Who  `json:"created_by"`
	RotatedAt   *events.Time     `json:"rotated_at" format:"date-time"`
	FormerUntil *events.Time     `json:"former_until" format:"date-time" doc:"Until when the secret before works; null when none does"`
	ExpiresAt   *events.Time     `json:"expires_at" format:"date-time"`
	LastUsed    *events.Time     `json:"last_used" format:"date-time" doc:"To a quarter of an hour; null when no use is known"`
	Token       string           `json:"token,omitempty" doc:"Shown when it is made or rotated, and never again"`
}

// named is an actor with the name that whoever asks may see.
func (r *request) named(a events.Actor, names bool) (projections.Who, error) {
	who := projections.Who{Type: string(a.Type), ID: a.ID}
	if user := a.User(); names && !user.IsZero() {
		u, _, err := r.App.User(r.ctx, user)
		if err != nil {
			return who, err
		}
		profile, _, err := r.App.Person(r.ctx, u)
		if err != nil {
			return who, err
		}
		who.Name = profile.Full()
	}
	return who, nil
}

// keysOf are keys of an account as they are shown, by name.
func (r *request) keysOf(a domain.Account, list []domain.Key, names bool) ([]keyBody, error) {
	used := r.Access.KeysUsed(r.ctx, list)
	now := r.App.Now()
	out := make([]keyBody, 0, len(list))
	for _, k := range list {
		one := keyBody{ID: k.ID.String(), Account: a.ID.String(), Name: k.Name, Scopes: orEmpty(k.Scopes), OnBehalf: k.OnBehalf, Status: string(a.KeyStatus(k, now)),
			CreatedAt: k.CreatedAt, RotatedAt: timeOf(k.RotatedAt), ExpiresAt: timeOf(k.ExpiresAt), LastUsed: timeOf(used[k.ID])}
		one.Roles, one.Permissions = summed(k.Grants)
		one.Inherit = slices.ContainsFunc(k.Grants, func(g events.Grant) bool { return g.Inherit })
		if now < k.FormerUntil {
			one.FormerUntil = timeOf(k.FormerUntil)
		}
		var err error
		if one.CreatedBy, err = r.named(k.By, names); err != nil {
			return nil, err
		}
		if !k.Owner.IsZero() {
			owner, err := r.named(events.Actor{Type: events.ByUser, ID: k.Owner.String()}, names)
			if err != nil {
				return nil, err
			}
			one.Owner = &owner
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b keyBody) int {
		return strings.Compare(strings.ToLower(a.Name)+a.ID, strings.ToLower(b.Name)+b.ID)
	})
	return out, nil
}

func listKeys(_ context.Context, r *request, in *AccountParam) (*Reply[ListBody[keyBody]], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	var list []domain.Key
	if err := r.App.Ask(r.ctx, r.call, domain.AskKeys(account, &list)); err != nil {
		return nil, err
	}
	a, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	names, err := r.seesNames(account)
	if err != nil {
		return nil, err
	}
	out := ListBody[keyBody]{Position: position}
	if out.Items, err = r.keysOf(a, list, names); err != nil {
		return nil, err
	}
	return &Reply[ListBody[keyBody]]{out}, r.atLeast(position)
}

// seesNames says whether whoever asks may see who is in the account.
func (r *request) seesNames(account events.AccountID) (bool, error) {
	_, err := r.mayIn(account, domain.UsersRead)
	if err != nil && !isRefusal(err) {
		return false, err
	}
	return err == nil, nil
}

// KeyParam names an API key of an account.
type KeyParam struct {
	AccountParam
	Key string `path:"key" doc:"The key's id"`
}

func (p KeyParam) ids() (events.AccountID, events.KeyRefID, error) {
	account, err := accountID(p.Account)
	if err != nil {
		return account, events.KeyRefID{}, err
	}
	id, err := pathID[struct{ any byte }](p.Key)
	return account, events.KeyRefID(id), err
}

func getKey(_ context.Context, r *request, in *KeyParam) (*Reply[keyBody], error) {
	account, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.KeysRead); err != nil {
		return nil, err
	}
	return r.keyNow(account, id, "")
}

// keyNow answers a key as the log has it, with its token where that has just been made.
func (r *request) keyNow(account events.AccountID, id events.KeyRefID, token string) (*Reply[keyBody], error) {
	a, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	k, ok := a.Key(id)
	if !ok {
		return nil, nowhere()
	}
	names, err := r.seesNames(account)
	if err != nil {
		return nil, err
	}
	list, err := r.keysOf(a, []domain.Key{k}, names)
	if err != nil {
		return nil, err
	}
	if r.op.method == http.MethodGet {
		if err := r.atLeast(position); err != nil {
			return nil, err
		}
	}
	if err := r.version(k.Version); err != nil {
		return nil, err
	}
	list[0].Token = token
	return reply(list[0])
}

// shownOnce answers a key with the secret that a command has given it. Where the command had been done before, under its
// idempotency key, the secret has been shown.
func (r *request) shownOnce(account events.AccountID, id events.KeyRefID, token string, done handlers.Result) (*Reply[keyBody], error) {
	if !done.Repeat {
		if r.op.status == http.StatusCreated {
			r.w.Header().Set("Location", r.r.URL.Path+"/"+id.String())
		}
		return r.keyNow(account, id, token)
	}
	for _, c := range done.Commits {
		for _, f := range c.Facts {
			if made, ok := f.(events.KeyCreated); ok {
				id = made.Key
			}
		}
	}
	return nil, &domain.Error{Code: domain.SecretAlreadyShown, Detail: "this has been done, and the secret of the key " + id.String() + " was shown then: rotate it for another"}
}

type createKeyInput struct {
	AccountParam
	Body struct {
		Name        string     `json:"name" doc:"By which it is known in lists and in the audit trail"`
		Roles       []string   `json:"roles,omitempty" doc:"Not the role that makes owners"`
		Permissions []string   `json:"permissions,omitempty" doc:"Beside those of the roles"`
		Inherit     bool       `json:"inherit,omitempty" doc:"It extends to the accounts below"`
		Scopes      []string   `json:"scopes,omitempty" doc:"Cuts it down to these permissions, such as users:read, or to patterns such as *:read and users:*"`
		ExpiresAt   *time.Time `json:"expires_at,omitempty" format:"date-time"`
		OnBehalf    bool       `json:"on_behalf,omitempty" doc:"It may send Roster-On-Behalf-Of, in the account; the operator alone makes such keys"`
	}
}

func createKey(_ context.Context, r *request, in *createKeyInput) (*Reply[keyBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	b := in.Body
	cmd := domain.CreateKey{Account: account, Key: access.NewKey(), KeyName: b.Name, Scopes: b.Scopes, OnBehalf: b.OnBehalf}
	if len(b.Roles)+len(b.Permissions) > 0 {
		cmd.Grants = []events.Grant{{Roles: b.Roles, Permissions: b.Permissions, Inherit: b.Inherit}}
	}
	if b.ExpiresAt != nil {
		cmd.ExpiresAt = events.TimeOf(*b.ExpiresAt)
	}
	token, hash, err := r.Access.KeySecret(account, cmd.Key)
	if err != nil {
		return nil, err
	}
	cmd.Hash = hash
	done, err := r.do(cmd)
	if err != nil {
		return nil, err
	}
	return r.shownOnce(account, cmd.Key, token, done)
}

// rotation is the body of a rotation.
type rotation struct {
	Overlap *string `json:"overlap,omitempty" doc:"For how long the secret before works; an ISO 8601 duration up to P7D, PT0S for not at all; PT24H where none is said" example:"PT24H"`
}

const usualOverlap = 24 * time.Hour

func (b *rotation) overlap() (time.Duration, error) {
	switch {
	case b == nil || b.Overlap == nil:
		return usualOverlap, nil
	case *b.Overlap == "PT0S" || *b.Overlap == "P0D":
		return 0, nil
	}
	d, err := durationOf(*b.Overlap)
	if err != nil {
		return 0, invalid("body.overlap", "want an ISO 8601 duration of at most seven days, such as PT24H, or PT0S for none")
	}
	return d, nil
}

type rotateKeyInput struct {
	KeyParam
	Body *rotation
}

func rotateKey(_ context.Context, r *request, in *rotateKeyInput) (*Reply[keyBody], error) {
	account, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	overlap, err := in.Body.overlap()
	if err != nil {
		return nil, r.unless(err)
	}
	token, hash, err := r.Access.KeySecret(account, id)
	if err != nil {
		return nil, err
	}
	done, err := r.do(domain.RotateKey{Account: account, Key: id, Hash: hash, Overlap: overlap})
	if err != nil {
		return nil, err
	}
	return r.shownOnce(account, id, token, done)
}

func revokeKey(_ context.Context, r *request, in *KeyParam) (*Reply[withdrawnBody], error) {
	account, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	if _, err := r.do(domain.RevokeKey{Account: account, Key: id}); err != nil {
		return nil, err
	}
	return reply(withdrawnBody{id.String()})
}
