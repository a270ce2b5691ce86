package api

import (
	"context"
	"errors"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

func (s *server) mySessionRoutes() {
	add(s, operation{id: "ListSessions", method: http.MethodGet, path: "/v1/me/sessions", tag: "me", summary: "The devices on which one is signed in",
		description: "When each was used last is known to a quarter of an hour.",
		codes:       []domain.Code{domain.NotPermitted, codePosition}}, listSessions)
	add(s, operation{id: "EndSession", method: http.MethodDelete, path: "/v1/me/sessions/{session}", tag: "me", summary: "Sign out one of them",
		command: true}, endMySession)
	add(s, operation{id: "EndMySessions", method: http.MethodDelete, path: "/v1/me/sessions", tag: "me", summary: "Sign out all others",
		command: true}, endMySessions)
}

type deviceBody struct {
	ID        string      `json:"id" doc:"The session's"`
	Current   bool        `json:"current" doc:"The one that asks"`
	IP        string      `json:"ip"`
	Device    string      `json:"device" doc:"As the device calls itself"`
	Place     *string     `json:"place" doc:"null where no address database is configured, or the address is not in it"`
	TwoFactor bool        `json:"two_factor" doc:"Whether a second factor was shown"`
	StartedAt events.Time `json:"started_at" format:"date-time"`
	LastSeen  events.Time `json:"last_seen" format:"date-time"`
	ExpiresAt events.Time `json:"expires_at" format:"date-time"`
	Portal    *string     `json:"portal" doc:"The portal that this session was handed over to, from the browser that ip and device name; null for one of Roster's own"`
	OpenedBy  *string     `json:"opened_by" enum:"operator" doc:"operator: opened by the operator on one's behalf; null: one has signed in"`
}

// deviceOf is a session as its user sees it. The operator's own addresses are not shown, nor those of a portal's servers.
func (r *request) deviceOf(u domain.User, s domain.Session) (deviceBody, error) {
	one := deviceBody{ID: s.ID.String(), Current: s.ID == r.principal.Actor.Session, TwoFactor: s.Strong, StartedAt: s.StartedAt, ExpiresAt: s.ExpiresAt}
	if s.OpenedBy != "" {
		operator := string(events.ByOperator)
		one.OpenedBy, one.Device = &operator, "opened by the operator"
		return one, nil
	}
	at := s.Pos
	if s.Portal != "" {
		one.Portal = &s.Portal
		from, ok := u.Session(s.From)
		if !ok {
			return one, nil
		}
		at = from.Pos
	}
	from, err := r.App.Origin(r.ctx, events.OfUser(u.ID), at)
	if err != nil && !errors.Is(err, handlers.ErrErased) {
		return one, err
	}
	one.IP, one.Device = from.IP, from.Device
	if r.Place == nil {
		return one, nil
	}
	place, err := r.Place(from.IP)
	if place != "" {
		one.Place = &place
	}
	return one, err
}

func listSessions(ctx context.Context, r *request, _ *struct{}) (*Reply[ListBody[deviceBody]], error) {
	id, err := r.self()
	if err != nil {
		return nil, err
	}
	return r.sessionsOf(ctx, id)
}

// sessionsOf lists the sessions of a user that are alive, the newest first.
func (r *request) sessionsOf(ctx context.Context, id events.UserID) (*Reply[ListBody[deviceBody]], error) {
	u, position, err := r.App.User(ctx, id)
	if err != nil {
		return nil, err
	}
	live := u.Live(r.App.Now())
	seen := r.Access.LastSeen(ctx, live)
	out := ListBody[deviceBody]{Items: []deviceBody{}, Position: position}
	for _, s := range live {
		one, err := r.deviceOf(u, s)
		if err != nil {
			return nil, err
		}
		one.LastSeen = seen[s.ID]
		out.Items = append(out.Items, one)
	}
	return &Reply[ListBody[deviceBody]]{out}, r.atLeast(position)
}

// SessionParam names a session.
type SessionParam struct {
	Session string `path:"session" doc:"The session's id"`
}

func endMySession(ctx context.Context, r *request, in *SessionParam) (*Reply[signedOutBody], error) {
	user, err := r.self()
	if err != nil {
		return nil, err
	}
	parsed, err := pathID[struct{ any byte }](in.Session)
	if err != nil {
		return nil, err
	}
	id := events.SessionID(parsed)
	u, _, err := r.App.User(ctx, user)
	if err != nil {
		return nil, err
	}
	if _, ok := u.Session(id); !ok && r.call.Key == "" {
		return nil, nowhere()
	}
	if _, err := r.do(domain.EndSession{User: user, Session: id}); err != nil {
		return nil, err
	}
	if id == r.principal.Actor.Session {
		r.cookie(r.cookieName(), "", -1)
	}
	return reply(signedOutBody{id.String()})
}

type endMySessionsInput struct {
	Current bool `query:"current" doc:"This one, too"`
}

type endedBody struct {
	Ended int `json:"ended" doc:"How many sessions"`
}

func endMySessions(_ context.Context, r *request, in *endMySessionsInput) (*Reply[endedBody], error) {
	user, err := r.self()
	if err != nil {
		return nil, err
	}
	done, err := r.do(domain.EndMySessions{User: user, Current: in.Current})
	if err != nil {
		return nil, err
	}
	n := 0
	for _, c := range done.Commits {
		n += len(c.Facts)
	}
	if in.Current {
		r.cookie(r.cookieName(), "", -1)
	}
	return reply(endedBody{n})
}
