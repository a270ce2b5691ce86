package api

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"

	"roster/events"
)

// cursors makes and reads the places in lists that callers hand back. A cursor is sealed, since it holds values of
// the list, and authenticated with what it belongs to: account, filters and order. It opens nowhere else.
type cursors struct{ key [32]byte }

const maxCursor = 4096

// list names a list and how it was asked for.
func list(operation, account string, query url.Values) string {
	q := url.Values{}
	for name, values := range query {
		if name != "cursor" && name != "limit" {
			q[name] = values
		}
	}
	return string(events.LengthPrefixed("roster.cursor.v1", operation, account, q.Encode()))
}

// aead is made of a key for each list, so that no key ever seals too much.
func (c cursors) aead(list string) (cipher.AEAD, error) {
	mac := hmac.New(sha256.New, c.key[:])
	mac.Write([]byte(list))
	block, err := aes.NewCipher(mac.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (c cursors) write(list string, place any) (string, error) {
	plain, err := json.Marshal(place)
	if err != nil {
		return "", err
	}
	aead, err := c.aead(list)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, plain, nil)), nil
}

// read refuses what is not a cursor of this very list.
func (c cursors) read(list, cursor string, place any) error {
	bad := invalid("query.cursor", "not a cursor of this list, asked for with these filters and in this order")
	if len(cursor) > maxCursor {
		return bad
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return bad
	}
	aead, err := c.aead(list)
	if err != nil {
		return err
	}
	plain, err := aead.Open(nil, nil, sealed, nil)
	if err != nil || json.Unmarshal(plain, place) != nil {
		return bad
	}
	return nil
}
