// Package passkey speaks WebAuthn with browsers: it makes the options for their authenticators and verifies the answers.
package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"roster/events"
	"roster/handlers/access"
)

// Verifier implements access.Passkeys for one portal.
type Verifier struct{ wa *webauthn.WebAuthn }

var _ access.Passkeys = Verifier{}

// New makes a Verifier for the public address of a portal. ErrNoName: passkeys belong to names, and it has none.
func New(publicURL, portal string) (Verifier, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Hostname() == "" {
		return Verifier{}, errors.New("passkey: the public URL has no host")
	}
	if net.ParseIP(u.Hostname()) != nil {
		return Verifier{}, ErrNoName
	}
	wa, err := webauthn.New(&webauthn.Config{RPID: u.Hostname(), RPDisplayName: portal, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation})
	if err != nil {
		return Verifier{}, fmt.Errorf("passkey: %w", err)
	}
	return Verifier{wa}, nil
}

// ErrNoName says that the portal is reached by an IP address.
var ErrNoName = errors.New("passkeys need a host with a name")

// person is a user as the library wants one.
type person struct {
	access.PasskeyUser
	credentials []webauthn.Credential
}

func (p person) WebAuthnID() []byte                         { return p.ID[:] }
func (p person) WebAuthnName() string                       { return p.Name }
func (p person) WebAuthnDisplayName() string                { return p.Display }
func (p person) WebAuthnCredentials() []webauthn.Credential { return p.credentials }

func personOf(u access.PasskeyUser) (person, error) {
	p := person{PasskeyUser: u}
	for _, raw := range u.Credentials {
		var c webauthn.Credential
		if err := json.Unmarshal(raw, &c); err != nil {
			return p, errors.New("passkey: a credential cannot be read")
		}
		p.credentials = append(p.credentials, c)
	}
	return p, nil
}

// Register makes the options for a new passkey, and what has to be remembered until it comes.
func (v Verifier) Register(u access.PasskeyUser) (options, session []byte, err error) {
	p, err := personOf(u)
	if err != nil {
		return nil, nil, err
	}
	created, data, err := v.wa.BeginRegistration(p, webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementPreferred),
		webauthn.WithExclusions(webauthn.Credentials(p.credentials).CredentialDescriptors()))
	if err != nil {
		return nil, nil, fmt.Errorf("passkey: %w", err)
	}
	return both(created, data)
}

func both(options, session any) (a, b []byte, err error) {
	if a, err = json.Marshal(options); err == nil {
		b, err = json.Marshal(session)
	}
	return a, b, err
}

// Registered verifies a new passkey and answers what has to be kept of it.
func (v Verifier) Registered(u access.PasskeyUser, session, response []byte) (credential []byte, err error) {
	data, p, err := again(u, session)
	if err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return nil, access.ErrPasskey
	}
	made, err := v.wa.CreateCredential(p, data, parsed)
	if err != nil {
		return nil, access.ErrPasskey
	}
	made.Attestation = webauthn.CredentialAttestation{} // nothing is asked of it later
	return json.Marshal(made)
}

func again(u access.PasskeyUser, session []byte) (data webauthn.SessionData, p person, err error) {
	if err := json.Unmarshal(session, &data); err != nil {
		return data, p, errors.New("passkey: what was remembered cannot be read")
	}
	p, err = personOf(u)
	return data, p, err
}

// Ask makes the options for showing one of a user's passkeys; without a user, of anybody's: then the authenticator has
// to verify the person as well.
func (v Verifier) Ask(u *access.PasskeyUser) (options, session []byte, err error) {
	if u == nil {
		asked, data, err := v.wa.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
		if err != nil {
			return nil, nil, fmt.Errorf("passkey: %w", err)
		}
		return both(asked, data)
	}
	p, err := personOf(*u)
	if err != nil {
		return nil, nil, err
	}
	asked, data, err := v.wa.BeginLogin(p, webauthn.WithUserVerification(protocol.VerificationPreferred))
	if err != nil {
		return nil, nil, fmt.Errorf("passkey: %w", err)
	}
	return both(asked, data)
}

// Whose is the user whom an answer names.
func (v Verifier) Whose(response []byte) (events.UserID, error) {
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil || len(parsed.Response.UserHandle) != len(events.UserID{}) {
		return events.UserID{}, access.ErrPasskey
	}
	return events.UserID(parsed.Response.UserHandle), nil
}

// Answered verifies a passkey that was shown and answers which of the user's it was, and how often it says
// that it has signed.
func (v Verifier) Answered(u access.PasskeyUser, session, response []byte) (which int, count uint32, err error) {
	data, p, err := again(u, session)
	if err != nil {
		return 0, 0, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return 0, 0, access.ErrPasskey
	}
	var shown *webauthn.Credential
	if len(data.UserID) == 0 {
		shown, err = v.wa.ValidateDiscoverableLogin(func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != string(p.ID[:]) {
				return nil, access.ErrPasskey
			}
			return p, nil
		}, data, parsed)
	} else {
		shown, err = v.wa.ValidateLogin(p, data, parsed)
	}
	if err != nil || shown.Authenticator.CloneWarning {
		return 0, 0, access.ErrPasskey
	}
	for i := range p.credentials {
		if string(p.credentials[i].ID) == string(shown.ID) {
			return i, parsed.Response.AuthenticatorData.Counter, nil
		}
	}
	return 0, 0, access.ErrPasskey
}
