package access

import (
	"context"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// UseFrames says that portals show the page in a frame. It is called before anything else.
func (a *Access) UseFrames() { a.frames = true }

// FrameCode answers a code by which a browser opens the page in the portal's frame, signed in as whoever asks: once, and
// until the time given. It is asked for by the portal's back end, which holds the session. Nothing is kept: the code says
// all, authenticated.
func (a *Access) FrameCode(p Principal) (code string, until events.Time, err error) {
	if !a.frames {
		return "", 0, &domain.Error{Code: domain.NotAvailable, Detail: "the page is shown in no portal's frame here: --embed-origin allows it"}
	}
	from, ok := p.User.Session(p.Actor.Session)
	if !ok {
		return "", 0, &domain.Error{Code: domain.NotPermitted, Detail: "only with a session, not with a key"}
	}
	user, id, now := p.User.ID, uuid.Must(uuid.NewV7()), a.app.Now()
	return a.sealed("rf_", purposeFrame, user[:], from.ID[:], id[:], timeBytes(now)), now.Add(domain.CodeValid), nil
}

// OpenFrame starts the frame's session by a code. Where the browser's frame is signed in from that very session, as has
// says, it stays as it is, and there is no token.
func (a *Access) OpenFrame(ctx context.Context, call handlers.Call, code string, has Principal) (SignedIn, error) {
	b, ok := a.unsealed("rf_", purposeFrame, code, 56)
	if !ok {
		return SignedIn{}, domain.ErrHandOver()
	}
	cmd := domain.HandOver{User: events.UserID(b[:16]), From: events.SessionID(b[16:32]), Session: events.SessionID(b[32:48]), IssuedAt: bytesTime(b[48:]), Frame: true}
	if is, ok := has.User.Session(has.Actor.Session); ok && has.User.ID == cmd.User && is.From == cmd.From {
		return SignedIn{User: cmd.User, Session: is.ID}, nil
	}
	me := events.Actor{Type: events.ByUser, ID: cmd.User.String(), Session: cmd.From}
	call.Actor, call.Behalf = me, nil
	if u, _, err := a.app.User(ctx, cmd.User); err != nil {
		return SignedIn{}, err
	} else if from, ok := u.Session(cmd.From); ok && from.OpenedBy != "" {
		call.Actor, call.Behalf = events.Actor{Type: events.ByOperator, ID: from.OpenedBy}, &me
	}
	return a.handOver(ctx, call, cmd)
}
