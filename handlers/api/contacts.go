package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"roster/domain"
	"roster/events"
	"roster/handlers/address"
)

func (s *server) contactRoutes() {
	const at = "/v1/accounts/{account}/contacts"
	codes := []domain.Code{domain.NotPermitted, domain.AccountClosed}
	add(s, operation{id: "ListContacts", method: http.MethodGet, path: at, tag: "contacts", summary: "The contacts of an account",
		description: "People who receive notifications and are no users by it. Answered from the log itself.",
		senior:      within(domain.ContactsRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, listContacts)
	add(s, operation{id: "GetContact", method: http.MethodGet, path: at + "/{contact}", tag: "contacts", summary: "A contact",
		etag: true, senior: within(domain.ContactsRead), codes: []domain.Code{domain.NotPermitted, codePosition}}, getContact)
	add(s, operation{id: "AddContact", method: http.MethodPost, path: at, tag: "contacts", summary: "Add a contact",
		status: http.StatusCreated, command: true, senior: within(domain.ContactsManage), codes: codes}, addContact)
	add(s, operation{id: "ChangeContact", method: http.MethodPatch, path: at + "/{contact}", tag: "contacts", summary: "Change a contact",
		command: true, ifMatch: true, senior: within(domain.ContactsManage), codes: codes}, changeContact)
	add(s, operation{id: "RemoveContact", method: http.MethodDelete, path: at + "/{contact}", tag: "contacts", summary: "Remove a contact",
		command: true, ifMatch: true, senior: within(domain.ContactsManage), codes: codes}, removeContact)
}

type contactBody struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Email string   `json:"email"`
	Phone string   `json:"phone"`
	Roles []string `json:"roles" nullable:"false"`
}

type listContactsInput struct {
	AccountParam
	Role []string `query:"role" enum:"billing,technical,security,legal,contractual,marketing" doc:"Any of these, by comma"`
}

// contact opens what is known of a contact; what has been erased is empty.
func (r *request) contact(account events.AccountID, c domain.Contact) (contactBody, error) {
	p, err := r.person(account, c)
	return contactBody{c.ID.String(), p.Name, p.Email, p.Phone, orEmpty(c.Roles)}, err
}

func (r *request) person(account events.AccountID, c domain.Contact) (events.ContactPerson, error) {
	var p events.ContactPerson
	_, err := r.App.OpenContact(r.ctx, account, c, &p)
	return p, err
}

func listContacts(_ context.Context, r *request, in *listContactsInput) (*Reply[ListBody[contactBody]], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	var list []domain.Contact
	if err := r.App.Ask(r.ctx, r.call, domain.AskContacts(account, &list)); err != nil {
		return nil, err
	}
	_, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	out := ListBody[contactBody]{Items: []contactBody{}, Position: position}
	for _, c := range list {
		if len(in.Role) > 0 && !slices.ContainsFunc(c.Roles, func(role string) bool { return slices.Contains(in.Role, role) }) {
			continue
		}
		one, err := r.contact(account, c)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, one)
	}
	slices.SortFunc(out.Items, func(a, b contactBody) int {
		return strings.Compare(strings.ToLower(a.Name)+a.ID, strings.ToLower(b.Name)+b.ID)
	})
	return &Reply[ListBody[contactBody]]{out}, r.atLeast(position)
}

// ContactParam names a contact of an account.
type ContactParam struct {
	AccountParam
	Contact string `path:"contact" doc:"The contact's id"`
}

func (p ContactParam) ids() (events.AccountID, events.ContactID, error) {
	account, err := accountID(p.Account)
	if err != nil {
		return account, events.ContactID{}, err
	}
	id, err := pathID[struct{ any byte }](p.Contact)
	return account, events.ContactID(id), err
}

func getContact(_ context.Context, r *request, in *ContactParam) (*Reply[contactBody], error) {
	account, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.ContactsRead); err != nil {
		return nil, err
	}
	return r.contactNow(account, id)
}

// contactNow answers a contact as the log has it.
func (r *request) contactNow(account events.AccountID, id events.ContactID) (*Reply[contactBody], error) {
	a, position, err := r.App.Account(r.ctx, account)
	if err != nil {
		return nil, err
	}
	c, ok := a.Contact(id)
	if !ok {
		return nil, nowhere()
	}
	out, err := r.contact(account, c)
	if err != nil {
		return nil, err
	}
	if r.op.method == http.MethodGet {
		if err := r.atLeast(position); err != nil {
			return nil, err
		}
	}
	if err := r.version(c.Version); err != nil {
		return nil, err
	}
	return reply(out)
}

type addContactInput struct {
	AccountParam
	Body struct {
		Name  string   `json:"name"`
		Email string   `json:"email"`
		Phone string   `json:"phone,omitempty"`
		Roles []string `json:"roles" nullable:"false" doc:"billing, technical, security, legal, contractual, marketing"`
	}
}

func addContact(ctx context.Context, r *request, in *addContactInput) (*Reply[contactBody], error) {
	account, err := accountID(in.Account)
	if err != nil {
		return nil, err
	}
	cmd := domain.AddContact{Account: account, Roles: in.Body.Roles,
		Person: events.ContactPerson{Name: in.Body.Name, Email: normalized(in.Body.Email), Phone: in.Body.Phone}}
	if err := r.allowed(cmd); err != nil && !r.repeats(err) {
		return nil, err
	}
	if !r.dryRun {
		if cmd.Key, err = r.Access.NewContactKey(ctx); err != nil {
			return nil, err
		}
	}
	done, err := r.do(cmd)
	if err != nil {
		return nil, err
	}
	for _, c := range done.Commits {
		for _, f := range c.Facts {
			if added, ok := f.(events.ContactAdded); ok {
				r.w.Header().Set("Location", r.r.URL.Path+"/"+added.Contact.String())
				return r.contactNow(account, added.Contact)
			}
		}
	}
	return nil, nowhere()
}

// repeats says that an error may be of what has been done already under the request's idempotency key.
func (r *request) repeats(err error) bool { return r.call.Key != "" && isRefusal(err) }

// normalized is the address as it is written, or "" for what is none.
func normalized(email string) string {
	normal, err := address.Normalize(email)
	if err != nil {
		return ""
	}
	return normal
}

type changeContactInput struct {
	ContactParam
	Body struct {
		Name  *string  `json:"name,omitempty"`
		Email *string  `json:"email,omitempty"`
		Phone *string  `json:"phone,omitempty"`
		Roles []string `json:"roles,omitempty"`
	}
}

func changeContact(ctx context.Context, r *request, in *changeContactInput) (*Reply[contactBody], error) {
	account, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	if _, err := r.mayIn(account, domain.ContactsManage); err != nil {
		return nil, err
	}
	a, _, err := r.App.Account(ctx, account)
	if err != nil {
		return nil, err
	}
	c, ok := a.Contact(id)
	if !ok {
		return nil, nowhere()
	}
	was, err := r.person(account, c)
	if err != nil {
		return nil, err
	}
	to := was
	for _, f := range []struct{ to, from *string }{{&to.Name, in.Body.Name}, {&to.Phone, in.Body.Phone}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if in.Body.Email != nil {
		to.Email = normalized(*in.Body.Email)
	}
	roles := c.Roles
	if in.Body.Roles != nil {
		roles = in.Body.Roles
	}
	if r.call.IfMatch == nil { // what is replaced is what was read
		version := c.Version
		r.call.IfMatch = &version
	}
	if _, err := r.do(domain.ChangeContact{Account: account, Contact: id, Was: was, Person: to, Roles: roles}); err != nil {
		return nil, err
	}
	return r.contactNow(account, id)
}

func removeContact(_ context.Context, r *request, in *ContactParam) (*Reply[withdrawnBody], error) {
	account, id, err := in.ids()
	if err != nil {
		return nil, err
	}
	if _, err := r.do(domain.RemoveContact{Account: account, Contact: id}); err != nil {
		return nil, err
	}
	return reply(withdrawnBody{id.String()})
}
