package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
)

func (s *server) factorRoutes() {
	const fresh = " Needs the password, or a session that is younger than ten minutes and has used a second factor. A dry run takes a password that is sent for the right one."
	codes := []domain.Code{domain.NotPermitted, domain.NotFound, domain.ReauthenticationRequired, domain.BadCredentials, domain.RateLimited}
	once := append([]domain.Code{domain.SecretAlreadyShown}, codes...)
	add(s, operation{id: "ListFactors", method: http.MethodGet, path: "/v1/me/factors", tag: "me", summary: "One's second factors",
		codes: []domain.Code{domain.NotPermitted, codePosition}}, listFactors)
	add(s, operation{id: "EnrollFactor", method: http.MethodPost, path: "/v1/me/factors", tag: "me", summary: "Begin a second factor",
		description: "An authenticator app: the secret, also as an address and as a picture of it, is shown this once; a code of it has to be shown within ten minutes." + fresh,
		status:      http.StatusCreated, command: true, codes: once}, enrollFactor)
	add(s, operation{id: "VerifyFactor", method: http.MethodPost, path: "/v1/me/factors/{factor}/verify", tag: "me", summary: "Show a code of a new factor",
		description: "From then on it is asked for at every sign-in; with the first one, all other sessions end. Each code works once. A dry run looks at no code.",
		command:     true, codes: codes}, verifyFactor)
	add(s, operation{id: "RemoveFactor", method: http.MethodDelete, path: "/v1/me/factors/{factor}", tag: "me", summary: "Take a second factor away",
		description: fresh[1:], command: true, codes: codes}, removeFactor)
	add(s, operation{id: "IssueRecoveryCodes", method: http.MethodPost, path: "/v1/me/recovery-codes", tag: "me", summary: "Ten new recovery codes",
		description: "Shown this once. Each signs in once in place of a second factor; those before work no more." + fresh,
		status:      http.StatusCreated, command: true, codes: once}, recoveryCodes)
	reset := []domain.Code{domain.NotPermitted, domain.ExceedsOwnAccess, domain.Inherited, domain.AccountClosed}
	add(s, operation{id: "ResetFactors", method: http.MethodPost, path: "/v1/accounts/{account}/users/{user}/reset-factors", tag: "users", summary: "Take all of a member's second factors away",
		description: "For somebody who has lost them. Whoever asks has to cover the member's access, in every account that the person has. The person is signed out everywhere and told by mail.",
		command:     true, senior: within(domain.UsersResetFactors), codes: reset}, resetFactors)
	add(s, operation{id: "ResetFactorsByOperator", method: http.MethodPost, path: "/v1/operator/users/{user}/reset-factors", tag: "operator", summary: "Take all of a user's second factors away",
		description: "The person is signed out everywhere and told by mail.",
		command:     true, senior: operatorOnly}, resetFactorsByOperator)
}

type secondFactorInput struct{ Body secondFactorBody }

type secondFactorBody struct {
	Challenge string       `json:"challenge,omitempty" doc:"As POST /v1/sessions gave it"`
	Factor    string       `json:"factor,omitempty" doc:"Of which factor the code is; without it, of whichever it fits"`
	Code      string       `json:"code,omitempty" doc:"Six digits, or a recovery code"`
	Passkey   *passkeyBody `json:"passkey,omitempty" doc:"Instead of challenge, factor and code: a passkey that was shown"`
	Device    string       `json:"device,omitempty" doc:"What an earlier sign-in on this device answered"`
}

// signInReply is a session, or what has to be shown first.
type signInReply struct {
	Status int
	Body   signInAnswer
}

type signInAnswer struct {
	session   *sessionBody
	challenge *challengeBody
}

// MarshalJSON answers the one or the other.
func (a signInAnswer) MarshalJSON() ([]byte, error) {
	if a.challenge != nil {
		return json.Marshal(a.challenge)
	}
	return json.Marshal(a.session)
}

// Schema is that of a session: 201. describeChallenge documents the other.
func (signInAnswer) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[sessionBody](), true, "SessionBody")
}

type challengeBody struct {
	Challenge string      `json:"challenge" doc:"For POST /v1/sessions/factor; it opens nothing else"`
	ExpiresAt events.Time `json:"expires_at" format:"date-time"`
	Factors   []shownBody `json:"factors" nullable:"false" doc:"One of them has to be shown"`
}

type shownBody struct {
	ID     string `json:"id"`
	Method string `json:"method" enum:"totp,sms,passkey"`
	Label  string `json:"label"`
}

// describeChallenge documents what a sign-in answers where a second factor is asked for.
func (s *server) describeChallenge(path string) {
	schema := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[challengeBody](), true, "ChallengeBody")
	s.huma.OpenAPI().Paths[path].Post.Responses["202"] = &huma.Response{Description: "A second factor has to be shown: nobody is signed in yet",
		Content: map[string]*huma.MediaType{typeJSON: {Schema: schema}}}
}

// signedIn answers what a sign-in has come to.
func (r *request) signedIn(in access.SignedIn) (*signInReply, error) {
	if in.Challenge != "" {
		out := &challengeBody{Challenge: in.Challenge, ExpiresAt: in.ExpiresAt, Factors: []shownBody{}}
		for _, f := range in.Factors {
			out.Factors = append(out.Factors, shownBody{f.ID.String(), f.Method, f.Label})
		}
		return &signInReply{http.StatusAccepted, signInAnswer{challenge: out}}, nil
	}
	out := &sessionBody{ID: in.Session.String(), Token: in.Token, User: in.User.String(), ExpiresAt: startedUntil(in), Device: in.Device}
	r.position(in.Result.Position)
	r.cookie(r.cookieName(), in.Token, int(domain.SessionLifetime.Seconds()))
	r.cookie(r.deviceName(), in.Device, int(access.DeviceWithin.Seconds()))
	return &signInReply{http.StatusCreated, signInAnswer{session: out}}, nil
}

// device is what shows that the device is known: said in the body, or kept by the browser.
func (r *request) device(said string) string {
	if cookie, err := r.r.Cookie(r.deviceName()); said == "" && err == nil {
		return cookie.Value
	}
	return said
}

func secondFactor(ctx context.Context, r *request, in *secondFactorInput) (*signInReply, error) {
	r.call.Device = r.device(in.Body.Device)
	if in.Body.Passkey != nil && in.Body.Challenge+in.Body.Factor+in.Body.Code == "" {
		return showPasskey(ctx, r, *in.Body.Passkey)
	}
	if in.Body.Challenge == "" || in.Body.Code == "" || in.Body.Passkey != nil {
		return nil, invalid("body", "give challenge and code, or passkey")
	}
	var factor events.FactorID
	if in.Body.Factor != "" {
		id, err := events.ParseID[struct{ any byte }](in.Body.Factor)
		if err != nil {
			return nil, invalid("body.factor", "want the id of a factor")
		}
		factor = events.FactorID(id)
	}
	signed, err := r.Access.SecondFactor(ctx, r.call, in.Body.Challenge, factor, in.Body.Code)
	if err != nil {
		return nil, err
	}
	return r.signedIn(signed)
}

// FactorBody is a second factor.
type FactorBody struct {
	ID         string      `json:"id"`
	Method     string      `json:"method" enum:"totp,sms,passkey"`
	Label      string      `json:"label"`
	Verified   bool        `json:"verified" doc:"Only then it is asked for"`
	EnrolledAt events.Time `json:"enrolled_at" format:"date-time"`
	ExpiresAt  events.Time `json:"expires_at,omitzero" format:"date-time" doc:"Until then it has to be verified"`
	LastUsedAt events.Time `json:"last_used_at,omitzero" format:"date-time"`
}

type factorsBody struct {
	Items    []FactorBody `json:"items" nullable:"false"`
	Recovery int          `json:"recovery_codes" doc:"How many are left"`
	Position uint64       `json:"position"`
}

func listFactors(ctx context.Context, r *request, _ *struct{}) (*Reply[factorsBody], error) {
	id, err := r.self()
	if err != nil {
		return nil, err
	}
	u, position, err := r.App.User(ctx, id)
	if err != nil {
		return nil, err
	}
	out := factorsBody{Items: []FactorBody{}, Position: position}
	_, out.Recovery = u.Recovery()
	for _, f := range u.Factors() {
		if !f.Verified && f.ExpiresAt <= r.App.Now() {
			continue
		}
		one, err := r.factor(ctx, id, f)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, one)
	}
	return &Reply[factorsBody]{out}, r.atLeast(position)
}

func (r *request) factor(ctx context.Context, user events.UserID, f domain.Factor) (FactorBody, error) {
	label, err := r.Access.Label(ctx, user, f)
	out := FactorBody{ID: f.ID.String(), Method: f.Method, Label: label, Verified: f.Verified, EnrolledAt: f.EnrolledAt, LastUsedAt: f.UsedAt}
	if !f.Verified {
		out.ExpiresAt = f.ExpiresAt
	}
	return out, err
}

type enrollFactorInput struct {
	Body struct {
		Method   string `json:"method" enum:"totp"`
		Label    string `json:"label,omitempty" maxLength:"80" doc:"What you call it"`
		Password string `json:"password,omitempty" doc:"Once more"`
	}
}

type newFactorBody struct {
	FactorBody
	Secret  string `json:"secret" doc:"Base32, to be typed into the app"`
	URL     string `json:"url" doc:"otpauth:"`
	Picture string `json:"picture" doc:"The address as a QR code: a PNG in a data: address"`
}

func enrollFactor(ctx context.Context, r *request, in *enrollFactorInput) (*Reply[newFactorBody], error) {
	user, err := r.mine(in.Body.Password)
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		return nil, r.plan([]domain.Command{domain.EnrollFactor{User: user, Method: in.Body.Method, Label: in.Body.Label, Password: r.assumed(in.Body.Password)}})
	}
	who, err := r.enroll.Person(ctx, r.principal.User)
	if err != nil {
		return nil, err
	}
	made, err := r.Access.EnrollTOTP(ctx, r.call, in.Body.Password, in.Body.Label, r.PortalName, who.Email)
	if err != nil {
		return nil, err
	}
	r.done(made.Result)
	if made.Result.Repeat {
		return nil, alreadyShown("the secret was shown then: begin anew")
	}
	one, err := r.factor(ctx, user, made.Factor)
	if err != nil {
		return nil, err
	}
	return reply(newFactorBody{one, made.Secret, made.URL, made.Picture})
}

// done answers where a command stands in the log, and by what it is called there.
func (r *request) done(result handlers.Result) {
	r.position(result.Position)
	r.w.Header().Set("Roster-Command", result.Command.String())
}

func alreadyShown(detail string) error {
	return &domain.Error{Code: domain.SecretAlreadyShown, Detail: "this has been done, and " + detail}
}

// assumed is the credential that a dry run takes a password for: it looks at none, so that nobody tries any there.
func (r *request) assumed(password string) events.SecretID {
	if password == "" {
		return events.SecretID{}
	}
	return r.principal.User.Password
}

// factorNow answers one's factor as it is now.
func (r *request) factorNow(ctx context.Context, user events.UserID, id events.FactorID) (*Reply[FactorBody], error) {
	u, _, err := r.App.User(ctx, user)
	if err != nil {
		return nil, err
	}
	f, ok := u.Factor(id)
	if !ok { // it has been taken away since
		return nil, nowhere()
	}
	one, err := r.factor(ctx, user, f)
	return &Reply[FactorBody]{one}, err
}

// mine is the user who asks for a change of what they sign in with.
func (r *request) mine(password string) (events.UserID, error) {
	user, err := r.self()
	if err == nil && len(password) > maxPassword { // nobody's, and nothing to spend work on
		err = &domain.Error{Code: domain.BadCredentials, Detail: "the password is wrong"}
	}
	return user, err
}

// FactorParam names a factor.
type FactorParam struct {
	Factor string `path:"factor" doc:"The factor's id"`
}

func (p FactorParam) id() (events.FactorID, error) {
	id, err := pathID[struct{ any byte }](p.Factor)
	return events.FactorID(id), err
}

type verifyFactorInput struct {
	FactorParam
	Body struct {
		Code string `json:"code"`
	}
}

func verifyFactor(ctx context.Context, r *request, in *verifyFactorInput) (*Reply[FactorBody], error) {
	user, err := r.self()
	if err != nil {
		return nil, err
	}
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		return nil, r.planVerify(ctx, user, id)
	}
	done, err := r.Access.VerifyFactor(ctx, r.call, id, in.Body.Code)
	if err != nil {
		return nil, err
	}
	r.done(done)
	return r.factorNow(ctx, user, id)
}

// planVerify says what the right code would do.
func (r *request) planVerify(ctx context.Context, user events.UserID, id events.FactorID) error {
	u, _, err := r.App.User(ctx, user)
	if err != nil {
		return err
	}
	f, _ := u.Factor(id)
	return r.plan([]domain.Command{domain.VerifyFactor{User: user, Factor: id, Step: f.Step + 1}})
}

type passwordInput struct {
	Body *struct {
		Password string `json:"password,omitempty" doc:"Once more"`
	}
}

func (in passwordInput) password() string {
	if in.Body == nil {
		return ""
	}
	return in.Body.Password
}

type removeFactorInput struct {
	FactorParam
	Body *struct {
		Password string `json:"password,omitempty" doc:"Once more"`
	}
}

type removedBody struct {
	ID string `json:"id" doc:"What has gone"`
}

func removeFactor(ctx context.Context, r *request, in *removeFactorInput) (*Reply[removedBody], error) {
	password := passwordInput{in.Body}.password()
	user, err := r.mine(password)
	if err != nil {
		return nil, err
	}
	id, err := in.id()
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		return nil, r.plan([]domain.Command{domain.RemoveFactor{User: user, Factor: id, Password: r.assumed(password)}})
	}
	done, err := r.Access.RemoveFactor(ctx, r.call, id, password)
	if err != nil {
		return nil, err
	}
	r.done(done)
	return reply(removedBody{id.String()})
}

type codesBody struct {
	Codes []string `json:"codes" nullable:"false" doc:"Each works once"`
}

func recoveryCodes(ctx context.Context, r *request, in *passwordInput) (*Reply[codesBody], error) {
	user, err := r.mine(in.password())
	if err != nil {
		return nil, err
	}
	if r.dryRun {
		return nil, r.plan([]domain.Command{domain.IssueRecoveryCodes{User: user, Password: r.assumed(in.password())}})
	}
	codes, done, err := r.Access.NewRecoveryCodes(ctx, r.call, in.password())
	if err != nil {
		return nil, err
	}
	r.done(done)
	if done.Repeat {
		return nil, alreadyShown("the codes were shown then: ask for new ones")
	}
	return reply(codesBody{codes})
}

type factorsResetBody struct {
	ID        string `json:"id" doc:"The user's"`
	TwoFactor bool   `json:"two_factor"`
}

func resetFactors(ctx context.Context, r *request, in *MemberParam) (*Reply[factorsResetBody], error) {
	account, user, err := in.ids()
	if err != nil {
		return nil, err
	}
	return r.reset(ctx, domain.ResetFactors{Account: account, User: user})
}

func resetFactorsByOperator(ctx context.Context, r *request, in *UserParam) (*Reply[factorsResetBody], error) {
	user, err := userID(in.User)
	if err != nil {
		return nil, r.unless(err)
	}
	return r.reset(ctx, domain.ResetFactors{User: user})
}

func (r *request) reset(ctx context.Context, cmd domain.ResetFactors) (*Reply[factorsResetBody], error) {
	if r.dryRun {
		return nil, r.plan([]domain.Command{cmd})
	}
	done, err := r.Access.ResetFactors(ctx, r.call, cmd)
	if err != nil {
		return nil, err
	}
	r.done(done)
	return reply(factorsResetBody{ID: cmd.User.String()})
}
