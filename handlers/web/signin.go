package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
)

// maxPassword is the longest password, in bytes, that anybody can have: 1,024 characters.
const maxPassword = 4096

// deviceCookie is the name of the cookie by which a device is known.
const deviceCookie = "roster_device"

// maxListed is how many accounts the start page lists.
const maxListed = 100

// signInBody is what the sign-in page says beside its form.
type signInBody struct {
	Email  string
	Next   string
	Error  string
	Retry  string
	SignUp bool // people open accounts by themselves here
	SSO    bool // some sign in at their own provider
}

// startBody is what the start page shows.
type startBody struct {
	SignIn   *signInBody // once there is an account
	HasInbox bool
	Accounts []membership
	More     int
}

// membership is one account of whoever is signed in.
type membership struct {
	Name      string
	Roles     []string
	Suspended bool
}

func (s *site) start(w http.ResponseWriter, r *http.Request) error {
	who, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	if who.SignedIn() && s.API != nil {
		return s.home(w, r)
	}
	body := startBody{HasInbox: s.HasInbox}
	done, err := s.enroll.IsSetUp(r.Context())
	if err != nil {
		return err
	}
	if done {
		if body.SignIn, err = s.signInBody(r, "/"); err != nil {
			return err
		}
	}
	if who.SignedIn() {
		if body.Accounts, err = s.memberships(r.Context(), r, who); err != nil {
			return err
		}
		if n := len(body.Accounts); n > maxListed {
			body.Accounts, body.More = body.Accounts[:maxListed], n-maxListed
		}
	}
	p := s.open(w, r, who)
	return p.door(http.StatusOK, p.T("start.title"), startView(p, body))
}

// home leads whoever is signed in to their account, or to the list of several.
func (s *site) home(w http.ResponseWriter, r *http.Request) error {
	var mine struct{ Items []account }
	if err := s.get(r, "/v1/me/accounts", &mine); err != nil && asProblem(err) == nil {
		return err
	}
	to := "/accounts"
	if len(mine.Items) == 1 {
		to += "/" + mine.Items[0].ID
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// memberships are the accounts that somebody has access to or is suspended in, by name.
func (s *site) memberships(ctx context.Context, r *http.Request, who person) ([]membership, error) {
	var list []membership
	for _, id := range who.User.Accounts() {
		a, _, err := s.App.Account(ctx, id)
		if err != nil {
			return nil, err
		}
		var may domain.Access
		err = s.App.Ask(ctx, s.by(r, who), domain.AskMayIn(id, domain.AccountRead, &may))
		m, _ := a.Member(who.User.ID)
		switch {
		case err == nil, !may.None():
			list = append(list, membership{Name: a.Name, Roles: may.Roles()})
		case m.Status == domain.Suspended:
			list = append(list, membership{Name: a.Name, Suspended: true})
		case codeOf(err) == "":
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b membership) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func (s *site) signInPage(w http.ResponseWriter, r *http.Request) error {
	who, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	next := s.localPath(r.URL.Query().Get("next"))
	if r.URL.Query().Has("return_to") {
		query, err := url.ParseQuery(r.URL.RawQuery)
		to, ok := s.Access.ReturnOf(query)
		if err != nil || !ok {
			p := s.open(w, r, person{})
			return p.say(http.StatusBadRequest, p.T("signin.astray_title"), message{p.T("signin.astray"), p.T("signin.astray_hint"), "/", p.T("refused.back")})
		}
		if who.SignedIn() {
			return s.handOver(w, who, to)
		}
		next = "/sign-in?" + to.Query()
	}
	if who.SignedIn() {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	body, err := s.signInBody(r, next)
	if err != nil {
		return err
	}
	return s.open(w, r, who).signInDoor(http.StatusOK, *body)
}

// signInBody are the ways to sign in that there are.
func (s *site) signInBody(r *http.Request, next string) (body *signInBody, err error) {
	body = &signInBody{Next: next, SSO: s.Access.CanSSO() && !s.framed(r)}
	body.SignUp, err = s.enroll.HasSignUp(r.Context())
	return body, err
}

func (p *page) signInDoor(status int, body signInBody) error {
	return p.door(status, p.T("signin.title"), signInView(p, body))
}

func (p *page) factorDoor(status int, body factorBody) error {
	return p.door(status, p.T("factor.title"), factorView(p, body))
}

// handOver sends whoever is signed in back to the portal that asked, with a code for its back end (SPEC 7.6). Nobody is
// asked once more: a link that leads here from elsewhere signs them in to their own portal as themselves and no more.
// That somebody is signed in as somebody else is prevented by the portal, which finds its own state again.
func (s *site) handOver(w http.ResponseWriter, who person, to access.Return) error {
	address, err := s.Access.HandOver(who.Principal, to)
	if err != nil {
		return err
	}
	w.Header().Set("Location", address) // no body repeats it, as that of http.Redirect would
	w.WriteHeader(http.StatusSeeOther)
	return nil
}

func (s *site) signIn(w http.ResponseWriter, r *http.Request) error {
	before, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	p, body := s.open(w, r, person{}), signInBody{Email: r.PostForm.Get("email"), Next: s.localPath(r.PostForm.Get("next")), SSO: s.Access.CanSSO() && !s.framed(r)}
	password := r.PostForm.Get("password")
	var in access.SignedIn
	if len(password) > maxPassword {
		err = &domain.Error{Code: domain.BadCredentials} // nobody's
	} else {
		in, err = s.Access.SignIn(r.Context(), s.signingIn(r), body.Email, password)
	}
	var refusal *domain.Error
	switch {
	case err == nil && in.Challenge != "":
		return p.factorDoor(http.StatusOK, factorBody{Challenge: in.Challenge, Factors: in.Factors, Next: body.Next})
	case err == nil:
		return s.startSession(w, r, before, in, body.Next)
	case !errors.As(err, &refusal):
		return err
	case refusal.Code == domain.NotAvailable && p.Framed: // providers show themselves in no frame
		body.Error = p.T("frame.sso")
		return p.signInDoor(http.StatusForbidden, body)
	case refusal.Code == domain.NotAvailable: // people of this domain have a provider
		http.Redirect(w, r, "/sign-in/sso?email="+url.QueryEscape(body.Email)+"&next="+url.QueryEscape(body.Next), http.StatusSeeOther)
		return nil
	}
	if body.SignUp, err = s.enroll.HasSignUp(r.Context()); err != nil {
		return err
	}
	status := p.refusedSignIn(refusal, &body.Error, &body.Retry, p.T("signin.wrong"))
	return p.signInDoor(status, body)
}

// refusedSignIn says why nobody is signed in, and with which status.
func (p *page) refusedSignIn(refusal *domain.Error, said, retry *string, wrong string) int {
	if refusal.Code != domain.RateLimited {
		*said = wrong
		return http.StatusUnauthorized
	}
	*said, *retry = p.T("signin.too_many"), p.T("fail.try_again", p.Minutes(refusal.Retry))
	p.w.Header().Set("Retry-After", strconv.Itoa(max(1, refusal.Retry)))
	return statusOf(refusal.Code)
}

// signingIn is a call by somebody who is about to sign in, on a device that may be known.
func (s *site) signingIn(r *http.Request) handlers.Call {
	call := s.call(r, events.Actor{})
	call.Device = s.cookie(r, deviceCookie)
	return call
}

// factorBody is what the page of the second step shows.
type factorBody struct {
	Challenge string
	Factors   []access.Shown
	Next      string
	Error     string
	Retry     string
}

// factor ends a sign-in with a code (SPEC 4.5).
func (s *site) factor(w http.ResponseWriter, r *http.Request) error {
	before, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	p, body := s.open(w, r, person{}), factorBody{Challenge: r.PostForm.Get("challenge"), Next: s.localPath(r.PostForm.Get("next"))}
	in, err := s.Access.SecondFactor(r.Context(), s.signingIn(r), body.Challenge, events.FactorID{}, r.PostForm.Get("code"))
	var refusal *domain.Error
	switch {
	case err == nil:
		return s.startSession(w, r, before, in, body.Next)
	case !errors.As(err, &refusal):
		return err
	}
	var stands bool
	if body.Factors, stands, err = s.Access.Asked(r.Context(), body.Challenge); err != nil {
		return err
	}
	if !stands {
		return p.signInDoor(http.StatusUnauthorized, signInBody{Next: body.Next, Error: p.T("factor.too_late")})
	}
	return p.factorDoor(p.refusedSignIn(refusal, &body.Error, &body.Retry, p.T("factor.wrong")), body)
}

// backToSignIn leads whoever reloads the answer to a form back to the page.
func (s *site) backToSignIn(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}

// startSession lets this browser be signed in, and signs out whoever it was signed in as.
func (s *site) startSession(w http.ResponseWriter, r *http.Request, before person, in access.SignedIn, next string) error {
	if before.SignedIn() {
		if _, err := s.Access.SignOut(r.Context(), s.by(r, before)); err != nil {
			s.Logger.WarnContext(r.Context(), "the session before could not be ended", "err", err)
		}
	}
	s.setSession(w, r, in.Token)
	s.setCookie(w, r, deviceCookie, in.Device, int(access.DeviceWithin.Seconds()))
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) error {
	who, err := s.who(r.Context(), r)
	if err != nil {
		return err
	}
	if who.SignedIn() {
		if _, err := s.Access.SignOut(r.Context(), s.by(r, who)); err != nil {
			return err
		}
	}
	s.setCookie(w, r, "roster_session", "", -1)
	http.Redirect(w, r, s.localPath(r.PostForm.Get("next")), http.StatusSeeOther)
	return nil
}

// nextQuery is what a link to the sign-in says of where it leads on to.
func nextQuery(next string) string {
	if next == "" {
		return ""
	}
	return "?next=" + url.QueryEscape(next)
}
