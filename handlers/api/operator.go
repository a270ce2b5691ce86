package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/projections"
)

// rebuildPatience is how many seconds a request waits for a rebuild at most. The rebuild goes on without it.
const rebuildPatience = 20

func (s *server) operatorRoutes() {
	add(s, operation{id: "Erase", method: http.MethodPost, path: "/v1/operator/erase", tag: "operator", summary: "Erase a person for good",
		description: "A user by id, or whoever an e-mail address belongs to. Ends what the person still has, then destroys the keys of their data. Asking again finishes what a crash left.",
		command:     true, senior: operatorOnly, codes: []domain.Code{domain.NotFound, domain.LastActiveOwner}}, erase)
	add(s, operation{id: "ListProjections", method: http.MethodGet, path: "/v1/operator/projections", tag: "operator", summary: "How far every read model is",
		codes: []domain.Code{domain.NotPermitted}}, listProjections)
	add(s, operation{id: "RebuildProjection", method: http.MethodPost, path: "/v1/operator/projections/{name}/rebuild", tag: "operator", summary: "Build a read model anew",
		description: "Beside the one that serves, which it then replaces. Answers when that is done, or after as long as one wants to wait, with state building, while it goes on. A dry run tells only whether it can be asked for: no fact comes of it.",
		command:     true, codes: []domain.Code{domain.NotPermitted}}, rebuildProjection)
}

type eraseInput struct{ Body eraseBody }

type eraseBody struct {
	User  string `json:"user,omitempty"`
	Email string `json:"email,omitempty"`
}

type erasedBody struct {
	Erased bool `json:"erased"`
}

func erase(ctx context.Context, r *request, in *eraseInput) (*Reply[erasedBody], error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	if r.Eraser == nil {
		return nil, &domain.Error{Code: codeNotAvailable, Detail: "erasing is not available here"}
	}
	if (in.Body.User == "") == (in.Body.Email == "") {
		return nil, invalid("body", "give either user or email")
	}
	if r.Models == nil { // they know the invitations that have to be erased as well
		return nil, r.problems.retry("erasing needs the projections")
	}
	var done handlers.Result
	var user events.UserID
	var err error
	if in.Body.User != "" {
		if user, err = userID(in.Body.User); err != nil {
			return nil, err
		}
	}
	if r.dryRun {
		parts, err := r.Eraser.Parts(ctx, r.call, user, in.Body.Email)
		if err != nil {
			return nil, err
		}
		return nil, r.plan(parts)
	}
	if in.Body.User != "" {
		done, err = r.Eraser.EraseUser(ctx, r.call, user)
	} else {
		done, err = r.Eraser.EraseEmail(ctx, r.call, in.Body.Email)
	}
	if err != nil {
		return nil, err
	}
	r.position(done.Position)
	return reply(erasedBody{Erased: true})
}

type projectionsBody struct {
	Items []projections.Status `json:"items" nullable:"false"`
}

// status lists the read models for the operator.
func (r *request) status() ([]projections.Status, error) {
	if err := operatorOnly(r); err != nil {
		return nil, err
	}
	if r.Models == nil {
		return nil, r.problems.retry("this runs without projections")
	}
	ctx, cancel := context.WithTimeout(r.ctx, queryTimeout)
	defer cancel()
	list, err := r.Models.Status(ctx)
	return list, away(err)
}

func listProjections(_ context.Context, r *request, _ *struct{}) (*Reply[projectionsBody], error) {
	list, err := r.status()
	if list == nil {
		list = []projections.Status{}
	}
	return &Reply[projectionsBody]{projectionsBody{list}}, err
}

// wish is by what a request that writes no fact is known when it comes again; nil where it has no idempotency key.
func (r *request) wish() []byte {
	if r.call.Key == "" {
		return nil
	}
	sum := sha256.Sum256(events.LengthPrefixed(r.op.id, r.call.For().Caller(), r.call.Key))
	return sum[:]
}

type rebuildInput struct {
	Name string `path:"name"`
	Wait int    `query:"wait" minimum:"1" maximum:"20" doc:"Seconds; 20 where nothing is said"`
}

type rebuildBody struct {
	Name  string `json:"name"`
	State string `json:"state" enum:"serving,building"`
}

func rebuildProjection(ctx context.Context, r *request, in *rebuildInput) (*Reply[rebuildBody], error) {
	list, err := r.status()
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(s projections.Status) bool { return s.Name == in.Name }) {
		return nil, nowhere()
	}
	if r.dryRun {
		return nil, r.plan(nil)
	}
	if in.Wait == 0 {
		in.Wait = rebuildPatience
	}
	wait, cancel := context.WithTimeout(ctx, time.Duration(in.Wait)*time.Second)
	defer cancel()
	err = r.Models.Rebuild(wait, in.Name, r.wish())
	switch {
	case errors.Is(err, projections.ErrOtherWish):
		return nil, handlers.ErrIdempotency
	case err == nil:
		return reply(rebuildBody{in.Name, "serving"})
	case ctx.Err() == nil && errors.Is(wait.Err(), context.DeadlineExceeded):
		return reply(rebuildBody{in.Name, "building"})
	}
	return nil, away(err)
}
