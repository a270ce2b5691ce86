package main

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"roster/domain"
	"roster/events"
	"roster/handlers"
	"roster/handlers/address"
	"roster/handlers/enroll"
)

// demoBegins is how long ago the demo's first fact is.
const demoBegins = 91 * 24 * time.Hour

// demoPerson is one line of the demo: who is invited when, into what, and how it went on.
type demoPerson struct {
	name    string
	role    string
	day     int // days before today on which the invitation went out
	becomes string
}

// demoPeople is the team of the first company. The owner has set it up; everybody else was invited.
func demoPeople() []demoPerson {
	return []demoPerson{
		{"Grace Okafor", domain.Owner, 88, "active"},
		{"Lars Eriksen", domain.Admin, 86, "active"},
		{"Mei-Ling Chen", domain.Admin, 80, "active"},
		{"Tomás Herrera", domain.Manager, 75, "active"},
		{"Amélie Durand", domain.Manager, 74, "active"},
		{"Piotr Kowalczyk", domain.Manager, 60, "suspended"},
		{"Aisha Rahman", domain.Viewer, 55, "active"},
		{"Jonas Weber", domain.Viewer, 55, "active"},
		{"Sofia Rossi", domain.Viewer, 54, "active"},
		{"Daniel Murphy", domain.Viewer, 50, "revoked"},
		{"Yuki Tanaka", domain.Viewer, 48, "active"},
		{"Olga Petrova", domain.Manager, 40, "left"},
		{"Kwame Mensah", domain.Viewer, 33, "active"},
		{"Ingrid Larsson", domain.Viewer, 31, "declined"},
		{"Rahul Mehta", domain.Manager, 21, "expired"},
		{"Chloé Lefèvre", domain.Viewer, 20, "expired"},
		{"Bence Nagy", domain.Viewer, 14, "withdrawn"},
		{"Hannah Fischer", domain.Manager, 5, "pending"},
		{"Lucas Oliveira", domain.Viewer, 4, "pending"},
		{"Zoë van Dijk", domain.Viewer, 2, "active"},
		{"Emeka Obi", domain.Admin, 1, "pending"},
	}
}

// demo fills empty data through commands, as if the last three months had happened, and answers who can sign in.
// It moves the clock that commands are decided by, and puts it back.
type demo struct {
	*program
	today    time.Time
	password string
	account  events.AccountID
	owner    events.UserID
}

// fillDemo refuses data that is not empty.
func (p *program) fillDemo(ctx context.Context) (string, error) {
	if !p.made {
		return "", errors.New("--demo fills empty data only, and this log has facts: choose another --data")
	}
	secret := make([]byte, 8)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	d := &demo{program: p, today: time.Now(), password: "Demo-" + strings.ToLower(base32.StdEncoding.EncodeToString(secret)[:8]) + "7"}
	defer d.program.clock.Store(int64(p.options.ClockAhead))
	if err := d.setUp(ctx); err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	for _, person := range demoPeople() {
		if err := d.invite(ctx, person); err != nil {
			return "", fmt.Errorf("demo: %s: %w", person.name, err)
		}
	}
	if err := d.tree(ctx); err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	if err := d.secondAccount(ctx); err != nil {
		return "", fmt.Errorf("demo: %w", err)
	}
	return fmt.Sprintf("The demo's people can sign in with the password %s:\n"+
		"  ines.silva@northwind.example       owner of Northwind Hosting and of Fjord Payments\n"+
		"  lars.eriksen@northwind.example     admin of Northwind Hosting\n"+
		"  tomas.herrera@northwind.example    manager of Northwind Hosting\n"+
		"  aisha.rahman@northwind.example     viewer of Northwind Hosting\n"+
		"  piotr.kowalczyk@northwind.example  suspended", d.password), nil
}

// on moves the clock to a time of a day before today.
func (d *demo) on(day int, after time.Duration) {
	then := d.today.AddDate(0, 0, -day).Add(after - 12*time.Hour)
	d.program.clock.Store(int64(then.Sub(time.Now())))
}

func (d *demo) setUp(ctx context.Context) error {
	d.on(90, 0)
	r, err := d.enroll.SetUp(ctx, d.by(events.Actor{}), enroll.First{AccountName: "Northwind Hosting", Email: "ines.silva@northwind.example",
		Owner: enroll.Newcomer{First: "Inês", Last: "Silva", Password: d.password}})
	d.account, d.owner = r.Account, r.User
	return err
}

// by is a call from one of the demo's desks (RFC 5737 addresses).
func (d *demo) by(who events.Actor) handlers.Call {
	return handlers.Call{Actor: who, Origin: events.OriginInfo{IP: "192.0.2.17", Device: "Firefox on Linux"}}
}

func (d *demo) asOwner() handlers.Call {
	return d.by(events.Actor{Type: events.ByUser, ID: d.owner.String()})
}

func email(name string) string {
	plain := strings.NewReplacer("á", "a", "é", "e", "è", "e", "ë", "e").Replace(strings.ToLower(name))
	return strings.ReplaceAll(plain, " ", ".") + "@northwind.example"
}

func (d *demo) invite(ctx context.Context, person demoPerson) error {
	first, last, _ := strings.Cut(person.name, " ")
	d.on(person.day, 0)
	link, err := d.send(ctx, d.asOwner(), d.account, address.Entry{Email: email(person.name), First: first, Last: last}, person.role)
	if err != nil || person.becomes == "pending" || person.becomes == "expired" {
		return err
	}
	d.on(person.day, time.Hour)
	switch person.becomes {
	case "declined":
		_, err := d.enroll.Decline(ctx, d.by(link.Actor()), link)
		return err
	case "withdrawn":
		_, err := d.app.Do(ctx, d.asOwner(), domain.RevokeInvitation{Account: d.account, Invitation: link.Invitation})
		return err
	}
	r, err := d.enroll.Accept(ctx, d.by(link.Actor()), link, enroll.Newcomer{First: first, Last: last, Password: d.password})
	if err != nil {
		return err
	}
	d.on(person.day, 2*time.Hour)
	if _, err := d.access.SignIn(ctx, d.by(events.Actor{}), email(person.name), d.password); err != nil {
		return err
	}
	d.on(max(person.day-10, 1), 3*time.Hour)
	var ends domain.Command
	call := d.asOwner()
	switch person.becomes {
	case "suspended":
		ends = domain.Suspend{Account: d.account, User: r.User, Reason: "On parental leave until spring"}
	case "revoked":
		ends = domain.Revoke{Account: d.account, User: r.User, Reason: "Contract ended"}
	case "left":
		ends, call = domain.Leave{Account: d.account}, d.by(events.Actor{Type: events.ByUser, ID: r.User.String()})
	default:
		return nil
	}
	_, err = d.app.Do(ctx, call, ends)
	return err
}

// send invites one address and answers its link.
func (d *demo) send(ctx context.Context, call handlers.Call, account events.AccountID, to address.Entry, role string) (enroll.Link, error) {
	addressee, err := d.access.Addressee(ctx, to)
	if err != nil {
		return enroll.Link{}, err
	}
	r, err := d.app.Do(ctx, call, domain.InviteUsers{Account: account, Invitees: []*domain.Addressee{addressee}, Grants: []events.Grant{{Roles: []string{role}}}})
	if err != nil {
		return enroll.Link{}, err
	}
	return firstLink(r)
}

// firstLink is the link of the invitation that a result made.
func firstLink(r handlers.Result) (enroll.Link, error) {
	for _, c := range r.Commits {
		for _, f := range c.Facts {
			if i, ok := f.(events.InvitationCreated); ok {
				return enroll.Link{Account: events.AccountID(c.Boundary.ID), Invitation: i.Invitation, Generation: i.Generation}, nil
			}
		}
	}
	return enroll.Link{}, errors.New("nobody was invited")
}

// secondAccount is one that the operator opens for somebody who already has a user.
func (d *demo) secondAccount(ctx context.Context) error {
	d.on(30, 0)
	owner, err := d.access.Addressee(ctx, address.Entry{Email: "ines.silva@northwind.example", First: "Inês", Last: "Silva"})
	if err != nil {
		return err
	}
	r, err := d.app.Do(ctx, d.by(events.Actor{Type: events.ByOperator, ID: d.operatorID}), domain.OpenAccount{AccountName: "Fjord Payments", Owner: owner})
	if err != nil {
		return err
	}
	link, err := firstLink(r)
	if err != nil {
		return err
	}
	d.on(30, time.Hour)
	if _, err := d.enroll.Accept(ctx, d.asOwner(), link, enroll.Newcomer{}); err != nil {
		return err
	}
	d.on(3, 0)
	_, err = d.send(ctx, d.asOwner(), link.Account, address.Entry{Email: "nils.berg@fjord.example", First: "Nils", Last: "Berg"}, domain.Viewer)
	return err
}
