package main

import (
	"context"
	"fmt"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers/address"
)

// demoModules are what the demo's portal sells.
func demoModules() []events.Module {
	return []events.Module{
		{Name: "hosting", Label: "Hosting", Actions: []string{"read", "deploy", "restart"}},
		{Name: "pricing", Label: "Pricing", Actions: []string{"read", "change"}},
		{Name: "messaging", Label: "Messaging", Actions: []string{"read", "send"}},
	}
}

// tree gives the first company its branches, a role of its own, contacts, and people with access for a while.
func (d *demo) tree(ctx context.Context) error {
	operator := d.by(events.Actor{Type: events.ByOperator, ID: d.operatorID})
	d.on(89, 0)
	if _, err := d.app.Do(ctx, operator, domain.DeclareModules{Modules: demoModules()}); err != nil {
		return err
	}
	d.on(70, 0)
	steps := []domain.Command{domain.DefineRole{Account: d.account, Role: "support", Label: "Support desk",
		Permissions: []domain.Permission{domain.UsersRead, domain.AccountRead, "hosting:read", "hosting:restart", "messaging:read", "messaging:send"}}}
	branches := map[string]events.AccountID{"": d.account}
	for _, b := range []struct{ name, below string }{{"Northwind Iberia", ""}, {"Northwind Nordics", ""}, {"Northwind Oslo", "Northwind Nordics"}} {
		r, err := d.app.Do(ctx, d.asOwner(), domain.OpenAccount{AccountName: b.name, Parent: branches[b.below]})
		if err != nil {
			return err
		}
		branches[b.name] = events.AccountID(r.Commits[0].Boundary.ID)
	}
	until := events.TimeOf(d.today.AddDate(0, 0, 12))
	for _, p := range []struct {
		name, branch string
		grant        events.Grant
	}{
		{"Mei-Ling Chen", "Northwind Nordics", events.Grant{Roles: []string{domain.Admin}, Inherit: true}},
		{"Amélie Durand", "Northwind Iberia", events.Grant{Roles: []string{domain.Manager}}},
		{"Sofia Rossi", "Northwind Oslo", events.Grant{Roles: []string{"support"}}},
		{"Yuki Tanaka", "Northwind Iberia", events.Grant{Roles: []string{domain.Viewer}, Until: until}},
	} {
		user, err := d.userOf(ctx, p.name)
		if err != nil {
			return err
		}
		steps = append(steps, domain.AddUser{Account: branches[p.branch], User: user, Grants: []events.Grant{p.grant}})
	}
	for i, cmd := range steps {
		d.on(45, time.Duration(i)*time.Minute)
		if _, err := d.app.Do(ctx, d.asOwner(), cmd); err != nil {
			return fmt.Errorf("%s: %w", cmd.Name(), err)
		}
	}
	for _, c := range []struct {
		person events.ContactPerson
		roles  []string
	}{
		{events.ContactPerson{Name: "Northwind Accounts Payable", Email: "invoices@northwind.example", Phone: "+351 21 000 00 00"}, []string{"billing"}},
		{events.ContactPerson{Name: "Ruth Adeyemi", Email: "ruth.adeyemi@northwind.example"}, []string{"security", "legal"}},
	} {
		key, err := d.access.NewContactKey(ctx)
		if err != nil {
			return err
		}
		if _, err := d.app.Do(ctx, d.asOwner(), domain.AddContact{Account: d.account, Key: key, Person: c.person, Roles: c.roles}); err != nil {
			return err
		}
	}
	return nil
}

// userOf is the user of one of the demo's people.
func (d *demo) userOf(ctx context.Context, name string) (events.UserID, error) {
	known, err := d.access.FindAddressee(ctx, address.Entry{Email: email(name)})
	if err != nil || known == nil {
		return events.UserID{}, fmt.Errorf("%s has no address: %w", name, err)
	}
	held, _, err := d.app.Address(ctx, known.ID)
	return held.User, err
}
