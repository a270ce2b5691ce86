package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
)

// How long what is handed out is good for.
const (
	challengeWithin = 10 * time.Minute
	DeviceWithin    = 400 * 24 * time.Hour // a device is known
)

// What is authenticated, each for its own purpose: none can be taken for another.
const (
	purposeChallenge = "challenge"
	purposeVouched   = "challenge.sso"
	purposeDevice    = "device"
	purposeSMS       = "sms"
	purposeHandOver  = "handover"
	purposeFrame     = "frame"
)

const sealVersion = 1

// challenge says that a password has been verified, and which. It opens nothing but the step that asks for a factor.
type challenge struct {
	user     events.UserID
	password events.SecretID
	attempt  events.CommitID
	at       events.Time
	sso      events.AccountID // whose provider has vouched instead of a password ...
	once     events.CommitID  // ... and what was begun with it
}

// sealed writes parts with a MAC behind them, base64url.
func (a *Access) sealed(prefix, purpose string, parts ...[]byte) string {
	b := []byte{sealVersion}
	for _, p := range parts {
		b = append(b, p...)
	}
	mac := a.tokens.MAC(purpose, b)
	return prefix + base64.RawURLEncoding.EncodeToString(append(b, mac[:]...))
}

// unsealed reads what sealed has written, of a size known.
func (a *Access) unsealed(prefix, purpose, text string, size int) ([]byte, bool) {
	rest, ok := strings.CutPrefix(text, prefix)
	if !ok || len(rest) != base64.RawURLEncoding.EncodedLen(1+size+32) {
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || b[0] != sealVersion {
		return nil, false
	}
	mac := a.tokens.MAC(purpose, b[:1+size])
	return b[1 : 1+size], subtle.ConstantTimeCompare(mac[:], b[1+size:]) == 1
}

func timeBytes(at events.Time) []byte { return binary.BigEndian.AppendUint64(nil, uint64(at)) }
func bytesTime(b []byte) events.Time  { return events.Time(binary.BigEndian.Uint64(b)) }

func (a *Access) writeChallenge(c challenge) string {
	if !c.sso.IsZero() {
		return a.sealed("rc_", purposeVouched, c.user[:], c.sso[:], c.once[:], timeBytes(c.at))
	}
	return a.sealed("rc_", purposeChallenge, c.user[:], c.password[:], c.attempt[:], timeBytes(c.at))
}

// readChallenge answers false for what is none, or is too old.
func (a *Access) readChallenge(text string) (challenge, bool) {
	var c challenge
	if b, ok := a.unsealed("rc_", purposeChallenge, text, 56); ok {
		c = challenge{user: events.UserID(b[:16]), password: events.SecretID(b[16:32]), attempt: events.CommitID(b[32:48]), at: bytesTime(b[48:])}
	} else if b, ok := a.unsealed("rc_", purposeVouched, text, 56); ok {
		c = challenge{user: events.UserID(b[:16]), sso: events.AccountID(b[16:32]), once: events.CommitID(b[32:48]), at: bytesTime(b[48:])}
	} else {
		return challenge{}, false
	}
	age := a.app.Now().Sub(c.at)
	return c, age >= 0 && age < challengeWithin
}

// Asked are the factors that a challenge asks for, of which it wants one; false for one that can no longer be met.
func (a *Access) Asked(ctx context.Context, text string) ([]Shown, bool, error) {
	c, ok := a.readChallenge(text)
	if !ok {
		return nil, false, nil
	}
	asked, err := a.asked(ctx, c.user)
	if err != nil {
		return nil, false, err
	}
	list, err := a.shown(ctx, c.user, asked)
	return list, true, err
}

// errChallenge says that the password has to be given again.
func errChallenge() error {
	return &domain.Error{Code: domain.BadCredentials, Detail: "the challenge is none, or has expired: sign in anew"}
}

// writeDevice names a device that somebody has signed in on.
func (a *Access) writeDevice(user events.UserID, device events.AnyID) string {
	return a.sealed("rd_", purposeDevice, user[:], device[:], timeBytes(a.app.Now()))
}

// knownDevice answers the device that a token names, as long as it is known as the user's; zero for any other.
func (a *Access) knownDevice(user events.UserID, text string) events.AnyID {
	b, ok := a.unsealed("rd_", purposeDevice, text, 40)
	if !ok || events.UserID(b[:16]) != user || a.app.Now().Sub(bytesTime(b[32:])) >= DeviceWithin {
		return events.AnyID{}
	}
	return events.AnyID(b[16:32])
}

// caller is somebody who is not signed in, by their device where it is known as the user's.
func (a *Access) caller(user events.UserID, device string) events.Actor {
	actor := events.Actor{Type: events.ByAnonymous}
	if known := a.knownDevice(user, device); !known.IsZero() && !user.IsZero() {
		actor.ID = known.String()
	}
	return actor
}
