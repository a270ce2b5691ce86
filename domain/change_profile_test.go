package domain

import (
	"fmt"
	"strings"
	"testing"

	"roster/events"
)

func TestChangeProfile(t *testing.T) {
	was := events.PersonProfile{PersonName: events.PersonName{First: "Ann", Last: "Arm"}, Mobile: "+436601234567"}
	to := was
	to.First, to.TimeZone = "Anna", "Europe/Vienna"
	// The store of tests writes each fact as a commit of its own: somebody registered is of the first.
	change := ChangeProfile{User: user("ann"), Seen: 1, Was: was, Profile: to}
	changed := events.UserProfileChanged{Was: events.For(key("ann"), was), Profile: events.For(key("ann"), to)}
	with := func(spoil func(*ChangeProfile)) ChangeProfile { c := change; spoil(&c); return c }
	rulings(t, []ruling{
		{"4.1 changed", registered("ann"), as(by("ann")), change, then(changed)},
		{"4.1 trimmed", registered("ann"), as(by("ann")), with(func(c *ChangeProfile) { c.Profile.First = "  Anna " }), then(changed)},
		{"4.1 as it is", registered("ann"), as(by("ann")), with(func(c *ChangeProfile) { c.Profile = was }), nothing()},
		{"4.1 a name is not emptied", registered("ann"), as(by("ann")), with(func(c *ChangeProfile) { c.Profile.Last = " " }), refused(Invalid)},
		{"4.1 nor faked", registered("ann"), as(by("ann")), with(func(c *ChangeProfile) { c.Profile.Last = "Arm\u202e" }), refused(Invalid)},
		{"4.1 what was never said may stay so", registered("ann"), as(by("ann")), ChangeProfile{User: user("ann"), Seen: 1, Profile: events.PersonProfile{Country: "AT"}},
			then(events.UserProfileChanged{Was: events.For(key("ann"), events.PersonProfile{}), Profile: events.For(key("ann"), events.PersonProfile{Country: "AT"})})},
		{"7.1 not what has changed since", registered("ann"), asOf(by("ann"), 7), change, refused(StaleVersion)},
		{"7.1 as it was read", registered("ann"), asOf(by("ann"), 1), change, then(changed)},
		{"7.1 nor what somebody else has just changed", history(registered("ann"), of(user("ann"), events.UserProfileChanged{})), as(by("ann")), change, refused(StaleVersion)},
		{"4.1 not by another", append(registered("ann"), acme()...), as(by("owner")), change, refused(NotPermitted)},
		{"4.1 not by the operator", registered("ann"), as(operator), change, refused(NotPermitted)},
	})
}

func TestChangePreferences(t *testing.T) {
	change := ChangePreferences{User: user("ann"), Preferences: events.Preferences{Desktop: true, NoMail: []string{"news", "digest", "news"}}}
	to := events.Preferences{Desktop: true, NoMail: []string{"digest", "news"}}
	changed := events.UserPreferencesChanged{To: to}
	bad, many := change, change
	bad.Preferences.NoMail = []string{"Digest!"}
	many.Preferences.NoMail = strings.Split(strings.TrimSpace(strings.Repeat("x ", 51)), " ")
	for i := range many.Preferences.NoMail {
		many.Preferences.NoMail[i] = fmt.Sprint("kind", i)
	}
	rulings(t, []ruling{
		{"4.7 changed", registered("ann"), as(by("ann")), change, then(changed)},
		{"4.7 as they are", history(registered("ann"), of(user("ann"), changed)), as(by("ann")), change, nothing()},
		{"4.7 what was before", history(registered("ann"), of(user("ann"), changed)), as(by("ann")), ChangePreferences{User: user("ann")}, then(events.UserPreferencesChanged{From: to})},
		{"4.7 kinds are words", registered("ann"), as(by("ann")), bad, refused(Invalid)},
		{"4.7 and not too many", registered("ann"), as(by("ann")), many, refused(Invalid)},
		{"7.1 not what has changed since", registered("ann"), asOf(by("ann"), 9), change, refused(StaleVersion)},
		{"4.7 not by another", registered("ann"), as(by("eve")), change, refused(NotPermitted)},
	})
	if u := given(history(registered("ann"), of(user("ann"), changed))...).state(events.OfUser(user("ann"))).(User); u.Wants("digest") || !u.Wants("access_ends") {
		t.Error("4.7: what was switched off is wanted, or the other way round")
	}
}
