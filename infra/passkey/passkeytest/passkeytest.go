// Package passkeytest makes passkeys for tests.
package passkeytest

import virtual "github.com/descope/virtualwebauthn"

// sound is the length of a COSE key on P-256 whose coordinates both have 32 bytes.
const sound = 77

// NewCredential makes a key such as an authenticator makes. The library cuts leading zeros off a key's coordinates, which
// no authenticator may (RFC 9053, 7.1.1) and a verifier refuses: about one key in 128 of it is of no use.
func NewCredential() virtual.Credential {
	for {
		if c := virtual.NewCredential(virtual.KeyTypeEC2); len(c.Key.AttestationData()) == sound {
			return c
		}
	}
}
