package domain

import (
	"slices"
	"time"

	"roster/events"
)

// MailedLink is the last link of its kind that somebody was sent: earlier ones have been replaced by it.
type MailedLink struct {
	Generation uint32
	ExpiresAt  events.Time
	Used       bool // or useless for another reason
}

// The links that one address may be sent of a kind, so that nobody is flooded.
const (
	maxLinks   = 5
	linkWindow = time.Hour
)

// alive refuses with the reason for which a link of a generation no longer works. A link that was never sent is none.
func (l MailedLink) alive(generation uint32, at events.Time) error {
	switch {
	case generation == 0 || generation > l.Generation:
		return refuse(NotFound, "no such link")
	case generation < l.Generation:
		return refuse(InvitationReplaced, "a newer link has been sent: use that one")
	case l.Used:
		return refuse(InvitationUsed, "this link has been used already")
	case l.ExpiresAt <= at:
		return refuse(InvitationExpired, "this link has expired")
	}
	return nil
}

// recent adds a moment to those that the limit needs.
func recent(list []events.Time, at events.Time) []events.Time {
	from := max(0, len(list)+1-maxLinks)
	return append(slices.Clone(list[from:]), at)
}

// flooded says that as many links as may have been sent within the hour.
func flooded(sent []events.Time, at events.Time) bool {
	n := 0
	for _, t := range sent {
		if at.Sub(t) < linkWindow {
			n++
		}
	}
	return n >= maxLinks
}

// AddressChange is a change of e-mail address that has been asked for.
type AddressChange struct {
	MailedLink
	Address events.AddressID
	Email   Sealed
}

// FormerAddress is an address that a user had before.
type FormerAddress struct {
	Address events.AddressID
	Key     events.KeyID
	Email   Sealed
	Changed bool // Email is of an earlier change, not of the registration
}

// AskedAddress is an address that a user has wanted to have, and the key that seals it.
type AskedAddress struct {
	Address events.AddressID
	Key     events.KeyID
}

func (u User) asking(a AskedAddress) User {
	if !slices.Contains(u.Asked, a) {
		u.Asked = append(slices.Clone(u.Asked), a)
	}
	return u
}

// withPassword is the user with another password. Links that were sent before it was chosen are worth nothing any more.
func (u User) withPassword(secret events.SecretID) User {
	u = u.replacing(u.Password)
	u.Password, u.unknown, u.Reset.Used, u.Change.Used = secret, false, true, true
	return u
}

// maxReplaced is how many secrets are named that are used no more: each is destroyed when it is replaced, and should that
// fail, by whoever hears of it in the feed, or with the person.
const maxReplaced = 20

// replacing is the user who uses some secrets no more.
func (u User) replacing(secrets ...events.SecretID) User {
	all := slices.DeleteFunc(slices.Concat(u.Replaced, secrets), events.SecretID.IsZero)
	u.Replaced = all[max(0, len(all)-maxReplaced):]
	return u
}

// moved is the user under another address. A link that went to the old one is worth nothing any more.
func (u User) moved(h Happened, f events.UserEmailChanged) User {
	u.Former = append(slices.Clone(u.Former), FormerAddress{u.Address, u.AddressKey, u.Email, u.EmailChanged})
	u.Address, u.AddressKey, u.Email, u.EmailChanged = f.To, f.Email.Box.K, sealedAt(h, f.Email.Box), true
	u.Reset.Used, u.Change.Used, u.ProfileVersion = true, true, h.Pos
	return u
}
