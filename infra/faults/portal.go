package faults

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"roster/events"
	"roster/infra/keyring"
	"roster/infra/token"
)

const password = "Correct-horse-7"

// Portal is a first account with an owner and members, and all that one needs to act as any of them.
type Portal struct {
	Account              events.AccountID
	Owner                Member
	Operator, OperatorID string // key, and the id in it
	Members              []Member
	Keys                 *keyring.Keyring // makes links as the mails have them
}

// Member is somebody who has signed in.
type Member struct{ User, Email, Session string }

// setUp makes the first account of a program that has just been started for the first time, and invites members, who
// accept and sign in.
func setUp(ctx context.Context, p *Program, members int) (*Portal, error) {
	portal := &Portal{}
	keys, _, err := keyring.Load(filepath.Join(p.Data, "keyring.json"), "", time.Now())
	if err != nil {
		return nil, err
	}
	portal.Keys = keys
	text, err := os.ReadFile(filepath.Join(p.Data, "operator.key"))
	if err != nil {
		return nil, err
	}
	portal.Operator = strings.TrimSpace(string(text))
	key, err := token.Parse(portal.Operator)
	if err != nil {
		return nil, err
	}
	portal.OperatorID = key.B.String()

	anyone := p.Client()
	portal.Owner.Email = "ann@northwind.example"
	var made struct{ Account events.AccountID }
	err = anyone.Post(ctx, "/v1/setup/"+p.Setup[strings.LastIndex(p.Setup, "/")+1:], M{"account": M{"name": "Northwind"},
		"owner": M{"email": portal.Owner.Email, "first_name": "Ann", "last_name": "Lee", "password": password}}, &made)
	if err != nil {
		return nil, err
	}
	portal.Account = made.Account
	if err := portal.Owner.signIn(ctx, anyone); err != nil {
		return nil, err
	}
	for i := range members {
		m, err := portal.Join(ctx, anyone, fmt.Sprintf("member%d@northwind.example", i), "viewer")
		if err != nil {
			return nil, err
		}
		portal.Members = append(portal.Members, m)
	}
	return portal, nil
}

// Join has the owner invite somebody, who accepts and signs in.
func (p *Portal) Join(ctx context.Context, c Client, email, role string) (Member, error) {
	var sent struct {
		Results []struct{ Invitation events.InvitationID }
	}
	err := c.As(p.Owner.Session).Post(ctx, "/v1/accounts/"+p.Account.String()+"/invitations", M{"emails": []string{email}, "roles": []string{role}}, &sent)
	if err != nil {
		return Member{}, err
	}
	if len(sent.Results) != 1 {
		return Member{}, fmt.Errorf("%d outcomes of one invitation", len(sent.Results))
	}
	var in struct{ User string }
	err = c.Post(ctx, "/v1/invitations/"+p.Link(sent.Results[0].Invitation, 1)+"/accept", M{"first_name": "First", "last_name": "Last", "password": password}, &in)
	if err != nil {
		return Member{}, err
	}
	m := Member{User: in.User, Email: email}
	return m, m.signIn(ctx, c)
}

// Link is the token of an invitation's link.
func (p *Portal) Link(invitation events.InvitationID, generation uint32) string {
	return p.Keys.MintLink(keyring.Link{Purpose: keyring.Invitation, Scope: p.Account, Subject: invitation, Generation: generation})
}

func (m *Member) signIn(ctx context.Context, c Client) error {
	var in struct {
		Token string
		User  string
	}
	if err := c.Post(ctx, "/v1/sessions", M{"email": m.Email, "password": password}, &in); err != nil {
		return err
	}
	m.Session = in.Token
	var me struct{ ID string }
	if err := c.As(m.Session).Get(ctx, "/v1/me", &me); err != nil {
		return err
	}
	m.User = me.ID
	return nil
}
