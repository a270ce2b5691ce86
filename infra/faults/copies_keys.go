package faults

import (
	"context"
	"fmt"
	"net/http"
)

// revocations of a key of each kind, for each round.
const revocations = 10

// keys makes an account's key and a personal one through one copy, and uses both through both; revoked through one, a key
// is refused by the other on its next request (SPEC 3.9, 7.5).
func (c *pair) keys(ctx context.Context, who Member) error {
	one, two := c.first.Client(), c.second.Client()
	at := "/v1/accounts/" + c.Account.String()
	own := M{"account": c.Account.String(), "name": "own", "password": password}
	for range revocations {
		for _, k := range []struct {
			path, session string
			make          M
		}{
			{at + "/keys", c.Owner.Session, M{"name": "service", "roles": []string{"viewer"}}},
			{"/v1/me/keys", who.Session, own},
		} {
			var made struct{ ID, Token string }
			if err := one.As(k.session).Post(ctx, k.path, k.make, &made); err != nil {
				return err
			}
			for n, by := range []Client{one, two} {
				if err := by.As(made.Token).Get(ctx, at, nil); err != nil {
					return fmt.Errorf("a key of %s by copy %d of the two: %w", k.path, n, err)
				}
			}
			if err := one.As(k.session).Call(ctx, http.MethodDelete, k.path+"/"+made.ID, nil, nil); err != nil {
				return err
			}
			for _, by := range []Client{two, one} {
				a, err := by.As(made.Token).Do(ctx, http.MethodGet, at, nil)
				if err != nil {
					return err
				}
				if a.Status != http.StatusUnauthorized {
					return broken("a key of %s was revoked through one copy, and the other answers %d", k.path, a.Status)
				}
			}
			one, two = two, one
		}
		c.o.Count("keys revoked through one and refused by the other", 2)
	}
	return nil
}
