package events

// InvitationCreated invites an address into the account in whose boundary it stands. One invitation into several
// accounts stands in each of them under the same id, with that account's grants; Accounts then lists them all.
type InvitationCreated struct {
	Invitation InvitationID    `json:"invitation"`
	Address    AddressID       `json:"address"`
	Invitee    Sealed[Invitee] `json:"-"`
	Grants     []Grant         `json:"grants"`
	Generation uint32          `json:"generation"`
	ExpiresAt  Time            `json:"expires_at"`
	Accounts   []AccountID     `json:"accounts,omitempty"`
	Defaulted  bool            `json:"defaulted,omitempty"` // no role was asked for: the policy's default was taken
}

func (InvitationCreated) kind() Kind       { return Kind{"invitation.created", 1} }
func (f InvitationCreated) about() AnyID   { return f.Invitation.Any() }
func (f *InvitationCreated) parts() []part { return []part{{"invitee", &f.Invitee}} }

// InvitationResent replaces the link: links of earlier generations stop working, and the validity starts anew.
type InvitationResent struct {
	Invitation InvitationID `json:"invitation"`
	Generation uint32       `json:"generation"`
	From       Time         `json:"from"` // when it would have expired
	To         Time         `json:"to"`   // when it expires now
}

func (InvitationResent) kind() Kind     { return Kind{"invitation.resent", 1} }
func (f InvitationResent) about() AnyID { return f.Invitation.Any() }

// Why an invitation was revoked other than by somebody's wish.
const (
	BecauseInviterLostAccess = "inviter_lost_access"
	BecauseErased            = "erased"
	BecauseMember            = "member" // the person has become a member otherwise
)

// InvitationRevoked stops the link. Because is empty when somebody wanted it so.
type InvitationRevoked struct {
	Invitation InvitationID `json:"invitation"`
	Because    string       `json:"because,omitempty"`
}

func (InvitationRevoked) kind() Kind     { return Kind{"invitation.revoked", 1} }
func (f InvitationRevoked) about() AnyID { return f.Invitation.Any() }

// InvitationDeclined is the invitee's no.
type InvitationDeclined struct {
	Invitation InvitationID `json:"invitation"`
}

func (InvitationDeclined) kind() Kind     { return Kind{"invitation.declined", 1} }
func (f InvitationDeclined) about() AnyID { return f.Invitation.Any() }

// InvitationAccepted is the invitee's yes; membership.granted follows in the same commit.
type InvitationAccepted struct {
	Invitation InvitationID `json:"invitation"`
	User       UserID       `json:"user"`
}

func (InvitationAccepted) kind() Kind     { return Kind{"invitation.accepted", 1} }
func (f InvitationAccepted) about() AnyID { return f.Invitation.Any() }

// InvitationExpired says as an event what every query and check computes by itself.
type InvitationExpired struct {
	Invitation InvitationID `json:"invitation"`
	Generation uint32       `json:"generation"`
}

func (InvitationExpired) kind() Kind     { return Kind{"invitation.expired", 1} }
func (f InvitationExpired) about() AnyID { return f.Invitation.Any() }

// InvitationLinkRequested is the invitee's wish for a new link, told to the inviter.
type InvitationLinkRequested struct {
	Invitation InvitationID `json:"invitation"`
	Generation uint32       `json:"generation"`
}

func (InvitationLinkRequested) kind() Kind     { return Kind{"invitation.link_requested", 1} }
func (f InvitationLinkRequested) about() AnyID { return f.Invitation.Any() }

// InvitationReminded says that the invitee is reminded before the link expires.
type InvitationReminded struct {
	Invitation InvitationID `json:"invitation"`
	Generation uint32       `json:"generation"`
}

func (InvitationReminded) kind() Kind     { return Kind{"invitation.reminded", 1} }
func (f InvitationReminded) about() AnyID { return f.Invitation.Any() }

// InvitationMailSent says that the mail server has accepted the mail of a generation.
type InvitationMailSent struct {
	Invitation InvitationID `json:"invitation"`
	Generation uint32       `json:"generation"`
	Message    string       `json:"message_id"`
}

func (InvitationMailSent) kind() Kind     { return Kind{"invitation.mail_sent", 1} }
func (f InvitationMailSent) about() AnyID { return f.Invitation.Any() }

// InvitationMailDeferred says that the mail could not be handed over yet and is being retried.
type InvitationMailDeferred struct {
	Invitation InvitationID `json:"invitation"`
	Generation uint32       `json:"generation"`
	Reason     Sealed[Note] `json:"-"`
}

func (InvitationMailDeferred) kind() Kind       { return Kind{"invitation.mail_deferred", 1} }
func (f InvitationMailDeferred) about() AnyID   { return f.Invitation.Any() }
func (f *InvitationMailDeferred) parts() []part { return []part{{"reason", &f.Reason}} }

// InvitationMailBounced says that the mail was refused for good.
type InvitationMailBounced struct {
	Invitation InvitationID `json:"invitation"`
	Generation uint32       `json:"generation"`
	Reason     Sealed[Note] `json:"-"`
}

func (InvitationMailBounced) kind() Kind       { return Kind{"invitation.mail_bounced", 1} }
func (f InvitationMailBounced) about() AnyID   { return f.Invitation.Any() }
func (f *InvitationMailBounced) parts() []part { return []part{{"reason", &f.Reason}} }
