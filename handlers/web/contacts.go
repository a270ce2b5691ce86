package web

import (
	"net/http"
	"net/url"
	"slices"
)

// contactRoutes are the pages of an account's contacts.
func (s *site) contactRoutes() map[string]verbs {
	return map[string]verbs{
		"/accounts/{account}/contacts":                  {http.MethodGet: s.inAccount(s.contacts)},
		"/accounts/{account}/contacts/new":              {http.MethodGet: s.inAccount(s.contactPage), http.MethodPost: s.inAccount(s.saveContact)},
		"/accounts/{account}/contacts/{contact}":        {http.MethodGet: s.inAccount(s.contactPage), http.MethodPost: s.inAccount(s.saveContact)},
		"/accounts/{account}/contacts/{contact}/remove": {http.MethodPost: s.inAccount(s.removeContact)},
	}
}

// contact is somebody who is told of things and cannot sign in by it (SPEC 1.5).
type contact struct {
	ID    string   `json:"id,omitempty"`
	Name  string   `json:"name"`
	Email string   `json:"email"`
	Phone string   `json:"phone"`
	Roles []string `json:"roles"`
}

// contactPage is a contact that is being changed, or a new one.
type contactPage struct {
	contact
	Wrong *problem
}

func (s *site) contacts(p *page) error {
	p.Title, p.Section = p.T("nav.contacts"), "contacts"
	var list struct{ Items []contact }
	if err := s.get(p.r, p.api("/contacts"), &list); err != nil {
		return err
	}
	return p.show(http.StatusOK, contactsView(p, list.Items))
}

func (p *page) contactAPI() string {
	return p.api("/contacts/" + url.PathEscape(p.r.PathValue("contact")))
}

func (s *site) contactPage(p *page) error {
	p.Title, p.Section = p.T("nav.contacts"), "contacts"
	var v contactPage
	if p.r.PathValue("contact") != "" {
		if err := s.get(p.r, p.contactAPI(), &v.contact); err != nil {
			return err
		}
	}
	return p.show(http.StatusOK, contactView(p, v))
}

func (s *site) saveContact(p *page) error {
	p.Title, p.Section = p.T("nav.contacts"), "contacts"
	form := p.r.PostForm
	v := contactPage{contact: contact{Name: form.Get("name"), Email: form.Get("email"), Phone: form.Get("phone"), Roles: slices.Clone(form["role"])}}
	if v.Roles == nil {
		v.Roles = []string{}
	}
	var header http.Header
	var err error
	if id := p.r.PathValue("contact"); id == "" {
		header, err = s.send(p.r, http.MethodPost, p.api("/contacts"), v.contact, nil)
	} else {
		header, err = s.send(p.r, http.MethodPatch, p.contactAPI(), v.contact, nil)
		v.ID = id
	}
	if v.Wrong = asProblem(err); v.Wrong != nil {
		return p.show(v.Wrong.Status, contactView(p, v))
	}
	if err != nil {
		return err
	}
	return p.done(p.At("contacts"), "done.contact_saved", text(v.Name), header.Get("Roster-Command"))
}

func (s *site) removeContact(p *page) error {
	_, err := s.send(p.r, http.MethodDelete, p.contactAPI(), nil, nil)
	if err != nil {
		return err
	}
	return p.done(p.At("contacts"), "done.contact_removed", "", "")
}

// contactAction is where the form of a contact goes.
func contactAction(p *page, v contactPage) string {
	if v.ID == "" {
		return p.At("contacts", "new")
	}
	return p.At("contacts", v.ID)
}

// completes is what a browser may fill a field with (HTML, autofill): one's own data only where they are asked for.
func completes(name, kind string) string {
	switch name {
	case "first_name":
		return "given-name"
	case "last_name":
		return "family-name"
	case "mobile":
		return "tel"
	case "current":
		return "current-password"
	case "new", "confirm":
		return "new-password"
	case "code":
		return "one-time-code"
	}
	if kind == "password" {
		return "current-password"
	}
	return "off"
}
