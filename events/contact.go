package events

// ContactPerson is what is known of a contact.
type ContactPerson struct {
	Name  string `json:"name"`
	Email string `json:"email"`
	Phone string `json:"phone,omitempty"`
}

// ContactAdded makes somebody a contact of the account: no user, and never able to sign in by it (SPEC 1.5). Person is
// sealed by a key of the contact's own.
type ContactAdded struct {
	Contact ContactID             `json:"contact"`
	Person  Sealed[ContactPerson] `json:"-"`
	Roles   []string              `json:"roles"`
}

func (ContactAdded) kind() Kind       { return Kind{"contact.added", 1} }
func (f ContactAdded) about() AnyID   { return f.Contact.Any() }
func (f *ContactAdded) parts() []part { return []part{{"person", &f.Person}} }

// ContactChanged replaces what is known of a contact. Was and Person are as before and from now on.
type ContactChanged struct {
	Contact ContactID             `json:"contact"`
	Was     Sealed[ContactPerson] `json:"-"`
	Person  Sealed[ContactPerson] `json:"-"`
	From    []string              `json:"from"` // roles
	To      []string              `json:"to"`
}

func (ContactChanged) kind() Kind       { return Kind{"contact.changed", 1} }
func (f ContactChanged) about() AnyID   { return f.Contact.Any() }
func (f *ContactChanged) parts() []part { return []part{{"was", &f.Was}, {"person", &f.Person}} }

// ContactRemoved takes a contact from the account.
type ContactRemoved struct {
	Contact ContactID `json:"contact"`
}

func (ContactRemoved) kind() Kind     { return Kind{"contact.removed", 1} }
func (f ContactRemoved) about() AnyID { return f.Contact.Any() }
