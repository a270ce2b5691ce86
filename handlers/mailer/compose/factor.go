package compose

import "fmt"

// FactorChange is what has become of what somebody shows beside their password.
type FactorChange string

// The changes that a person is told of.
const (
	FactorAdded   FactorChange = "added"
	FactorRemoved FactorChange = "removed"
	FactorsReset  FactorChange = "reset"
	CodesIssued   FactorChange = "codes"
)

// FactorsChanged is what the mail says that tells a person of a change of their second factors.
type FactorsChanged struct {
	Portal Portal
	To     Person
	Change FactorChange
}

// ComposeFactorsChanged writes the mail to the person.
func ComposeFactorsChanged(in FactorsChanged) (subject, text, html string, err error) {
	v, err := in.Portal.view(in.To)
	if err != nil {
		return "", "", "", fmt.Errorf("mail about second factors: %w", err)
	}
	switch in.Change {
	case FactorAdded:
		v.Subject, v.Notice.Lead = "A second factor has been added", "A second factor has been added to your user of %s: from now on it is asked for when you sign in. If it is the first one, all your other sessions have been ended."
	case FactorRemoved:
		v.Subject, v.Notice.Lead = "A second factor has been removed", "A second factor has been removed from your user of %s: it is not asked for any more."
	case FactorsReset:
		v.Subject, v.Notice.Lead = "Your second factors have been reset", "An administrator has taken all second factors and recovery codes away from your user of %s, and ended your sessions. Your password is what it was. Add a second factor when you have signed in."
	case CodesIssued:
		v.Subject, v.Notice.Lead = "You have new recovery codes", "New recovery codes have been made for your user of %s. Those that you had before work no more."
	default:
		return "", "", "", fmt.Errorf("mail about second factors: no change %q", in.Change)
	}
	v.Notice.Lead = fmt.Sprintf(v.Notice.Lead, v.Portal)
	v.Notice.Then = "If you know of this, there is nothing to do. If not, somebody else may be signed in as you: change your password, sign out all devices, and tell whoever manages the users of your accounts."
	return v.write("notice")
}
