package compose

import (
	"errors"
	"fmt"
	"time"
)

// About is what a mail on somebody's own user is about.
type About string

// The mails on one's own user. Those with a link say until when it works, the others when it happened.
const (
	PasswordChanged   About = "password_changed"    // by the person
	PasswordReset     About = "password_reset"      // by a link
	ResetLink         About = "reset_link"          // to choose a new password by
	ConfirmAddress    About = "confirm_address"     // to the new address
	AddressTaken      About = "address_taken"       // to an address that somebody else wants to have
	AddressAsked      About = "address_asked"       // to the old address, when another one has been asked for
	AddressChanged    About = "address_changed"     // to the old address
	SignupLink        About = "sign_up"             // to open an account by
	SignupKnown       About = "sign_up_known"       // to somebody who has a user already
	Unlinked          About = "identity_unlinked"   // from an account's provider
	SignedInElsewhere About = "signed_in_elsewhere" // on a device that is not known
)

// Own is what a mail on somebody's own user says.
type Own struct {
	Portal  Portal
	To      Person
	About   About
	Account string    // whose provider one is unlinked from
	Link    string    // of those with one
	At      time.Time // when it happened, or when the link stops working

	IP, Device string // of a sign-in, as far as they are known
}

// ComposeOwn writes the mail.
func ComposeOwn(in Own) (subject, text, html string, err error) {
	v, err := in.Portal.view(in.To)
	if err != nil {
		return "", "", "", fmt.Errorf("mail about %s: %w", in.About, err)
	}
	if in.At.IsZero() {
		return "", "", "", fmt.Errorf("mail about %s: it has no time", in.About)
	}
	at, withLink := moment(in.At, in.To), false
	n := &v.Notice
	const stranger = "If it was not you, choose a new password at once, by \"Forgotten password\" on the sign-in page, and tell whoever manages the users of your accounts."
	switch in.About {
	case PasswordChanged:
		v.Subject = fmt.Sprintf("Your password for %s was changed", v.Portal)
		n.Lead = fmt.Sprintf("Your password for %s was changed on %s. All other devices have been signed out.", v.Portal, at)
		n.Then = stranger
	case PasswordReset:
		v.Subject = fmt.Sprintf("Your password for %s was changed", v.Portal)
		n.Lead = fmt.Sprintf("A new password for %s was chosen on %s, by a link that was sent to this address. All devices have been signed out.", v.Portal, at)
		n.Then = stranger
	case ResetLink:
		withLink = true
		v.Subject = fmt.Sprintf("A new password for %s", v.Portal)
		n.Lead = fmt.Sprintf("Somebody, hopefully you, has forgotten the password that goes with this address on %s. The link below lets you choose a new one. It works once, until %s.", v.Portal, at)
		n.Then = "If it was not you, do nothing: your password stays as it is. Give this link to nobody."
	case ConfirmAddress:
		withLink, n.Stranger = true, true
		v.Subject = fmt.Sprintf("Confirm your new address for %s", v.Portal)
		n.Lead = fmt.Sprintf("Somebody, hopefully you, wants to sign in to %s with this address from now on. Confirm it by the link below. It works once, until %s.", v.Portal, at)
		n.Then = "If it was not you, do nothing: nothing happens without this link."
	case AddressTaken:
		v.Subject = fmt.Sprintf("This address belongs to your user of %s", v.Portal)
		n.Lead = fmt.Sprintf("Somebody wanted to sign in to %s with this address. It belongs to your user already, so nothing was changed.", v.Portal)
		n.Then = "You have to do nothing."
	case AddressAsked:
		v.Subject = fmt.Sprintf("Another address for %s", v.Portal)
		n.Lead = fmt.Sprintf("It was asked on %s that you sign in to %s with another address than this one from now on. That is so once the other address has been confirmed.", at, v.Portal)
		n.Then = stranger
	case AddressChanged:
		n.Stranger = true
		v.Subject = fmt.Sprintf("Your address for %s was changed", v.Portal)
		n.Lead = fmt.Sprintf("Since %s you sign in to %s with another address, which has been confirmed. This one no longer works there.", at, v.Portal)
		n.Then = "If it was not you, tell whoever manages the users of your accounts at once."
	case SignupLink:
		withLink, n.Stranger = true, true
		v.Subject = fmt.Sprintf("Your account on %s", v.Portal)
		n.Lead = fmt.Sprintf("Somebody, hopefully you, wants to open an account on %s with this address. The link below leads on. It works once, until %s.", v.Portal, at)
		n.Then = "If it was not you, do nothing: nothing happens without this link."
	case SignupKnown:
		v.Subject = fmt.Sprintf("You already have a user of %s", v.Portal)
		n.Lead = fmt.Sprintf("Somebody, hopefully you, wants to open an account on %s with this address. You have a user there already, so sign in with it.", v.Portal)
		n.Then = "If you have forgotten your password, the sign-in page helps. If it was not you, do nothing."
	case Unlinked:
		account := accountName(in.Account)
		v.Subject = fmt.Sprintf("You no longer sign in by the provider of %s", account)
		n.Lead = fmt.Sprintf("The link by which the provider of %s signs you in to %s was ended on %s, by yourself or by somebody who manages the users there. All your other sessions have been ended.", account, v.Portal, at)
		n.Then = "If you know of no password of your own, \"Forgotten password\" on the sign-in page sends you a link to choose one. If you do not know of this, tell whoever manages the users of your accounts."
	case SignedInElsewhere:
		v.Subject = fmt.Sprintf("A sign-in to %s on another device", v.Portal)
		n.Lead = fmt.Sprintf("Somebody, hopefully you, signed in to %s with your user on %s, on a device that you have not signed in on before.", v.Portal, at)
		for _, r := range []noticeRow{{"Device", name(in.Device)}, {"Network address", name(in.IP)}} {
			if r.How != "" {
				n.Rows = append(n.Rows, r)
			}
		}
		n.Then = stranger
	default:
		return "", "", "", errors.New("a mail about nothing that is known")
	}
	if withLink {
		if v.Link, err = webAddress(in.Link); err != nil {
			return "", "", "", fmt.Errorf("mail about %s: the link: %w", in.About, err)
		}
	}
	return v.write("notice")
}
