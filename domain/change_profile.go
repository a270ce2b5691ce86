package domain

import (
	"fmt"
	"slices"
	"strings"

	"roster/events"
)

// ChangeProfile replaces what somebody says of themselves; nobody does it for another (SPEC 4.1). Was is what the caller
// has found there, as of the version Seen. Time zone, locale, country and number have been brought into their form.
type ChangeProfile struct {
	User    events.UserID
	Seen    uint64
	Was     events.PersonProfile
	Profile events.PersonProfile
}

func (c ChangeProfile) Name() string { return "ChangeProfile" }

func (c ChangeProfile) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c ChangeProfile) Decide(w *World, is Issued) error {
	u, err := w.oneself(c.User)
	if err != nil {
		return err
	}
	to := c.Profile
	to.First, to.Last = strings.TrimSpace(to.First), strings.TrimSpace(to.Last)
	var fields []Field
	for _, f := range []struct{ name, was, is string }{{"first_name", c.Was.First, to.First}, {"last_name", c.Was.Last, to.Last}} {
		if f.is == f.was {
			continue
		}
		if wrong := checkName(f.is); wrong != "" {
			fields = append(fields, Field{"body." + f.name, wrong})
		}
	}
	if fields != nil {
		return &Error{Code: Invalid, Detail: "the name is incomplete or not allowed", Fields: fields}
	}
	if err := is.stale(u.ProfileVersion); err != nil {
		return err
	}
	if c.Seen != u.ProfileVersion { // somebody was faster: what stands there is not what the caller has built on
		return refuse(StaleVersion, "it has just been changed: try again")
	}
	if to == c.Was {
		return nil
	}
	w.record(events.OfUser(c.User), events.UserProfileChanged{Was: events.For(u.Key, c.Was), Profile: events.For(u.Key, to)})
	return nil
}

// ChangePreferences replaces how somebody wants to be told of what happens; nobody does it for another (SPEC 4.7).
type ChangePreferences struct {
	User        events.UserID
	Preferences events.Preferences
}

// The limits of what preferences name.
const (
	maxKinds = 50
	maxKind  = 60
)

func (c ChangePreferences) Name() string { return "ChangePreferences" }

func (c ChangePreferences) Home(_ Issued) events.Boundary { return events.OfUser(c.User) }

func (c ChangePreferences) Decide(w *World, is Issued) error {
	u, err := w.oneself(c.User)
	if err != nil {
		return err
	}
	to := c.Preferences
	to.NoMail = slices.Compact(slices.Sorted(slices.Values(to.NoMail)))
	var fields []Field
	for i, kind := range c.Preferences.NoMail {
		if kind == "" || len(kind) > maxKind || strings.Trim(kind, "abcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
			fields = append(fields, Field{"body." + location("no_mail", i), "a kind of mail is a word of lower-case letters, digits, _ . and -"})
		}
	}
	if len(to.NoMail) > maxKinds {
		fields = append(fields, Field{"body.no_mail", fmt.Sprintf("at most %d kinds", maxKinds)})
	}
	if fields != nil {
		return &Error{Code: Invalid, Detail: "the preferences say what they cannot", Fields: fields}
	}
	if err := is.stale(u.PreferencesVersion); err != nil || samePreferences(u.Preferences, to) {
		return err
	}
	w.record(events.OfUser(c.User), events.UserPreferencesChanged{From: u.Preferences, To: to})
	return nil
}

func samePreferences(a, b events.Preferences) bool {
	return a.Desktop == b.Desktop && a.Badges == b.Badges && a.Sounds == b.Sounds && slices.Equal(a.NoMail, b.NoMail)
}

// Wants says that a kind of mail is not one that the person has switched off.
func (u User) Wants(kind string) bool { return !slices.Contains(u.Preferences.NoMail, kind) }
