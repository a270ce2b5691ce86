package api

import (
	"context"
	"errors"
	"net/http"

	"roster/domain"
	"roster/events"
	"roster/handlers/locale"
)

func (s *server) profileRoutes() {
	add(s, operation{id: "GetMe", method: http.MethodGet, path: "/v1/me", tag: "me", summary: "Who is signed in", etag: true,
		codes: []domain.Code{domain.NotPermitted, codePosition}}, getMe)
	add(s, operation{id: "ChangeMe", method: http.MethodPatch, path: "/v1/me", tag: "me", summary: "Change one's own profile",
		description: "What is not said stays. Names cannot be emptied; what else is empty is removed. Nobody changes another's profile, whatever they may do.",
		command:     true, ifMatch: true, etag: true}, changeMe)
	add(s, operation{id: "GetPreferences", method: http.MethodGet, path: "/v1/me/preferences", tag: "me", summary: "How one wants to be told of what happens", etag: true,
		codes: []domain.Code{domain.NotPermitted, codePosition}}, getPreferences)
	add(s, operation{id: "ChangePreferences", method: http.MethodPut, path: "/v1/me/preferences", tag: "me", summary: "Say how one wants to be told of what happens",
		description: "Replaces all of them. Mails that keep one's user safe, and invitations, are always sent.",
		command:     true, ifMatch: true, etag: true}, changePreferences)
}

type meBody struct {
	ID        string `json:"id"`
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
	Mobile    string `json:"mobile" doc:"E.164; empty where none was said, as the following"`
	TimeZone  string `json:"time_zone" doc:"A name of the IANA database"`
	Locale    string `json:"locale" doc:"A BCP 47 tag"`
	Country   string `json:"country" doc:"ISO 3166-1 alpha-2: the default country for sending"`
}

func getMe(_ context.Context, r *request, _ *struct{}) (*Reply[meBody], error) {
	id, err := r.self()
	if err != nil {
		return nil, err
	}
	return r.meNow(id)
}

// meNow answers a user's profile as the log has it.
func (r *request) meNow(id events.UserID) (*Reply[meBody], error) {
	user, position, err := r.App.User(r.ctx, id)
	if err != nil {
		return nil, err
	}
	p, email, err := r.App.Person(r.ctx, user)
	if err != nil {
		return nil, err
	}
	if r.op.method == http.MethodGet {
		if err := r.atLeast(position); err != nil {
			return nil, err
		}
	}
	if err := r.version(user.ProfileVersion); err != nil {
		return nil, err
	}
	return reply(meBody{ID: id.String(), Email: email, FirstName: p.First, LastName: p.Last,
		Mobile: p.Mobile, TimeZone: p.TimeZone, Locale: p.Locale, Country: p.Country})
}

type changeMeInput struct{ Body changeMeBody }

type changeMeBody struct {
	FirstName *string `json:"first_name,omitempty"`
	LastName  *string `json:"last_name,omitempty"`
	Mobile    *string `json:"mobile,omitempty" example:"+436601234567"`
	TimeZone  *string `json:"time_zone,omitempty" example:"Europe/Vienna"`
	Locale    *string `json:"locale,omitempty" example:"de-AT"`
	Country   *string `json:"country,omitempty" example:"AT"`
}

// onto is a profile with what is said in place of what was there, and all that is wrong with it.
func (b changeMeBody) onto(p events.PersonProfile) (events.PersonProfile, error) {
	var fields []domain.Field
	for _, f := range []struct {
		name string
		from *string
		to   *string
		read func(string) (string, error)
	}{
		{"first_name", b.FirstName, &p.First, nil}, {"last_name", b.LastName, &p.Last, nil}, {"mobile", b.Mobile, &p.Mobile, locale.Phone},
		{"time_zone", b.TimeZone, &p.TimeZone, locale.Zone}, {"locale", b.Locale, &p.Locale, locale.Tag}, {"country", b.Country, &p.Country, locale.Country},
	} {
		if f.from == nil {
			continue
		}
		*f.to = *f.from
		if f.read == nil || *f.from == "" {
			continue
		}
		var err error
		if *f.to, err = f.read(*f.from); err != nil {
			fields = append(fields, domain.Field{Location: "body." + f.name, Message: err.Error()})
		}
	}
	if fields != nil {
		return p, &domain.Error{Code: domain.Invalid, Detail: fields[0].Message, Fields: fields}
	}
	return p, nil
}

// faster is how often a change begins anew because somebody was faster.
const faster = 10

func changeMe(ctx context.Context, r *request, in *changeMeInput) (*Reply[meBody], error) {
	id, err := r.oneself()
	if err != nil {
		return nil, err
	}
	for n := 0; ; n++ {
		u, _, err := r.App.User(ctx, id)
		if err != nil {
			return nil, err
		}
		was, _, err := r.App.Person(ctx, u)
		if err != nil {
			return nil, err
		}
		to, err := in.Body.onto(was)
		if err != nil {
			return nil, err
		}
		_, err = r.do(domain.ChangeProfile{User: id, Seen: u.ProfileVersion, Was: was, Profile: to})
		var refusal *domain.Error
		if r.call.IfMatch == nil && n < faster && errors.As(err, &refusal) && refusal.Code == domain.StaleVersion {
			continue
		}
		if err != nil {
			return nil, err
		}
		return r.meNow(id)
	}
}

type preferencesBody struct {
	Desktop bool     `json:"desktop" doc:"Desktop notifications"`
	Badges  bool     `json:"badges" doc:"Badges in the browser"`
	Sounds  bool     `json:"sounds"`
	NoMail  []string `json:"no_mail" nullable:"false" doc:"Kinds of mails that are not wanted: Roster's own digest, access_ends and link_requested, and any of the portal's" example:"[\"digest\"]"`
}

func getPreferences(_ context.Context, r *request, _ *struct{}) (*Reply[preferencesBody], error) {
	id, err := r.self()
	if err != nil {
		return nil, err
	}
	return r.preferencesNow(id)
}

func (r *request) preferencesNow(id events.UserID) (*Reply[preferencesBody], error) {
	u, position, err := r.App.User(r.ctx, id)
	if err != nil {
		return nil, err
	}
	if r.op.method == http.MethodGet {
		if err := r.atLeast(position); err != nil {
			return nil, err
		}
	}
	if err := r.version(u.PreferencesVersion); err != nil {
		return nil, err
	}
	p := u.Preferences
	return reply(preferencesBody{p.Desktop, p.Badges, p.Sounds, orEmpty(p.NoMail)})
}

type preferencesInput struct {
	Body struct {
		Desktop bool     `json:"desktop,omitempty"`
		Badges  bool     `json:"badges,omitempty"`
		Sounds  bool     `json:"sounds,omitempty"`
		NoMail  []string `json:"no_mail,omitempty"`
	}
}

func changePreferences(_ context.Context, r *request, in *preferencesInput) (*Reply[preferencesBody], error) {
	id, err := r.oneself()
	if err != nil {
		return nil, err
	}
	b := in.Body
	_, err = r.do(domain.ChangePreferences{User: id, Preferences: events.Preferences{Desktop: b.Desktop, Badges: b.Badges, Sounds: b.Sounds, NoMail: b.NoMail}})
	if err != nil {
		return nil, err
	}
	return r.preferencesNow(id)
}
