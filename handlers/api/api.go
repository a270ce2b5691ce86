package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/access"
	"roster/handlers/enroll"
	"roster/handlers/origin"
	"roster/projections"
)

// Links reads the tokens of links. A token that is none, whatever the reason, is an error.
type Links interface {
	Read(token string) (purpose byte, scope, subject [16]byte, generation uint32, err error)
}

// What a link's token is for, as Links answers it.
const (
	purposeInvitation byte = 1
	purposeSetup      byte = 2
	purposeConfirm    byte = 3
	purposeReset      byte = 4
	purposeSignup     byte = 5
)

// Eraser erases people for good (SPEC 5.5).
type Eraser interface {
	EraseUser(ctx context.Context, call handlers.Call, user events.UserID) (handlers.Result, error)
	EraseEmail(ctx context.Context, call handlers.Call, email string) (handlers.Result, error)
	// Parts are the commands that erasing the user, or whoever holds the address, would come to.
	Parts(ctx context.Context, call handlers.Call, user events.UserID, email string) ([]domain.Command, error)
}

// Mailed finds the link that stood in a mail to an invitee, by the left side of the mail's Message-ID; ok is false for a
// mail that is not known, or not any more.
type Mailed func(ctx context.Context, message string) (l enroll.Link, ok bool, err error)

// Config is what the API is made of.
type Config struct {
	App        *handlers.App
	Access     *access.Access
	Enroll     *enroll.Enroll
	Links      Links
	Eraser     Eraser              // nil: erasing is not available
	Models     *projections.Runner // nil: what needs a read model answers unavailable
	Mailed     Mailed              // nil: deliveries cannot be reported
	Mails      Mails               // nil: the outbox cannot be looked at
	PublicURL  string              // where problems' types point to; https makes the cookie Secure
	PortalName string              // "" for Roster
	Version    string
	Ready      func(context.Context) error // nil: always ready
	Logger     *slog.Logger                // nil: nothing is logged
	Cursor     [32]byte                    // key that seals cursors, the same in every copy of the program
	Metrics    *Metrics                    // shared by New and Ops; nil: nothing is counted
	// Origin says from where a request comes. nil: the connection's address and the User-Agent, right where there
	// is no proxy in front.
	Origin func(*http.Request) events.OriginInfo
	// TXT looks up what the DNS holds of a name. nil: domains are verified by the operator only.
	TXT func(ctx context.Context, name string) ([]string, error)
	// Place says where an address is; "": nobody knows. nil: there is no database of addresses.
	Place func(ip string) (string, error)
}

// server is the API with all that it needs.
type server struct {
	Config
	problems problems
	cursors  cursors
	enroll   *enroll.Enroll
	origin   *http.CrossOriginProtection
	secure   bool
	mux      *http.ServeMux
	huma     huma.API
	errors   *huma.Schema
}

// New makes the handler of the main listener: /v1/…, /openapi.json, /docs, /problems/{code}, and a problem document
// for every other path and verb, so that it can be mounted at "/" beside the pages.
func New(c Config) (http.Handler, error) {
	s, err := newServer(c)
	if err != nil {
		return nil, err
	}
	return s.outer(s.mux), nil
}

func newServer(c Config) (*server, error) {
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Host == "" || public.Scheme != "http" && public.Scheme != "https" {
		return nil, errors.New("api: the public URL has to be http://… or https://…")
	}
	if c.App == nil || c.Access == nil || c.Links == nil {
		return nil, errors.New("api: App, Access and Links are needed")
	}
	if c.PortalName == "" {
		c.PortalName = "Roster"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Enroll == nil {
		c.Enroll = &enroll.Enroll{App: c.App, Access: c.Access}
	}
	if c.Origin == nil {
		c.Origin = origin.Behind()
	}
	overrideHuma()
	s := &server{Config: c, problems: newProblems(c), cursors: cursors{c.Cursor}, enroll: c.Enroll,
		origin: http.NewCrossOriginProtection(), secure: public.Scheme == "https", mux: http.NewServeMux()}
	if err := s.origin.AddTrustedOrigin(public.Scheme + "://" + public.Host); err != nil {
		return nil, err
	}
	s.huma = humago.New(s.mux, s.openAPI())
	s.errors = s.huma.OpenAPI().Components.Schemas.Schema(problemType(), true, "Problem")
	s.huma.UseMiddleware(s.enter)
	s.routes()
	if err := s.documents(); err != nil {
		return nil, err
	}
	s.mux.Handle("/", s.fallback(s.mux))
	return s, nil
}

// routes registers every operation. Each stands beside its handler.
func (s *server) routes() {
	s.accountRoutes()
	s.treeRoutes()
	s.invitationRoutes()
	s.linkRoutes()
	s.memberRoutes()
	s.usersAcrossRoutes()
	s.memberCommandRoutes()
	s.auditRoutes()
	s.timelineRoutes()
	s.checkRoutes()
	s.sessionRoutes()
	s.profileRoutes()
	s.meRoutes()
	s.myAccountRoutes()
	s.resetRoutes()
	s.factorRoutes()
	s.mobileRoutes()
	s.passkeyRoutes()
	s.mySessionRoutes()
	s.portalSessionRoutes()
	s.emailRoutes()
	s.signupRoutes()
	s.setupRoutes()
	s.portalRoutes()
	s.roleRoutes()
	s.policyRoutes()
	s.ssoRoutes()
	s.identityRoutes()
	s.contactRoutes()
	s.keyRoutes()
	s.myKeyRoutes()
	s.userAccessRoutes()
	s.operatorRoutes()
	s.operatorUserRoutes()
	s.deliveryRoutes()
	s.operatorListRoutes()
	s.operatorMailRoutes()
}

// outer is what every request passes: headers that no answer is without, a net under faults, and the counting.
func (s *server) outer(next http.Handler) http.Handler {
	return s.Metrics.counted(guarded(s.problems, s.secure, next))
}
