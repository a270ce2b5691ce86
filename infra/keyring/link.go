package keyring

import (
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// LinkGrace is how long a link key goes on verifying after the next one has replaced it.
const LinkGrace = 90 * 24 * time.Hour

// What a link is for. The numbers are frozen.
const (
	Invitation        byte = 1
	Setup             byte = 2
	EmailConfirmation byte = 3
	PasswordReset     byte = 4
	Signup            byte = 5
)

const (
	linkVersion = 1
	linkSigned  = 1 + 4 + 1 + 16 + 16 + 4 // bytes before the signature
	linkSize    = linkSigned + 32
)

// ErrBadLink says that a token is no link that this keyring made, or that its key has been retired for too long.
// It does not say which.
var ErrBadLink = errors.New("link is not valid")

// Link is what a token in a mail stands for. Nothing stores it: the token is the link, signed.
type Link struct {
	Purpose    byte
	Scope      [16]byte // zero, an account's or a user's id
	Subject    [16]byte // the invitation, user or address that it is about
	Generation uint32   // a newer one makes the older ones useless; who reads it compares
}

// MintLink writes the token: base64url of version (1) ‖ link key id (4) ‖ purpose (1) ‖ scope (16) ‖ subject (16)
// ‖ generation (4, big-endian) ‖ HMAC-SHA-256 (32) over all that comes before; 99 characters. The same link under
// the same link key is the same token. A purpose outside the list gives a token that ReadLink refuses.
func (kr *Keyring) MintLink(l Link) string {
	key := &kr.links[len(kr.links)-1]
	b := make([]byte, 0, linkSize)
	b = append(b, linkVersion)
	b = append(b, key.id[:]...)
	b = append(b, l.Purpose)
	b = append(b, l.Scope[:]...)
	b = append(b, l.Subject[:]...)
	b = binary.BigEndian.AppendUint32(b, l.Generation)
	sum := sign(key.key, b)
	return base64.RawURLEncoding.EncodeToString(append(b, sum[:]...))
}

// ReadLink checks a token and gives what it stands for. Every refusal is ErrBadLink. A link that reads may still
// be used up, replaced or expired: that the log says.
func (kr *Keyring) ReadLink(token string, now time.Time) (Link, error) {
	b, err := decode(token, linkSize)
	if err != nil || b[0] != linkVersion {
		return Link{}, ErrBadLink
	}
	key, ok := kr.linkKey(KeyID(b[1:5]), now)
	if !ok {
		return Link{}, ErrBadLink
	}
	sum := sign(key, b[:linkSigned])
	if !hmac.Equal(sum[:], b[linkSigned:]) {
		return Link{}, ErrBadLink
	}
	l := Link{
		Purpose:    b[5],
		Scope:      [16]byte(b[6:22]),
		Subject:    [16]byte(b[22:38]),
		Generation: binary.BigEndian.Uint32(b[38:42]),
	}
	if l.Purpose < Invitation || l.Purpose > Signup {
		return Link{}, ErrBadLink
	}
	return l, nil
}

func (kr *Keyring) linkKey(id KeyID, now time.Time) (key [keySize]byte, ok bool) {
	for i := range kr.links {
		l := &kr.links[i]
		if l.id == id && (l.retired.IsZero() || now.Before(l.retired.Std().Add(LinkGrace))) {
			return l.key, true
		}
	}
	return key, false
}
