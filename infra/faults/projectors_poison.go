package faults

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// poisonModel is the read model that cannot apply a commit.
const poisonModel = "user_list"

// poison has one account's rows refused by PostgreSQL, so that a commit cannot be applied: its account is parked and
// seen to be, the others go on, and after the mend it is applied. The mend is a new start one time, and the next time
// the read model built anew.
func (p *projecting) poison(ctx context.Context) error {
	operator := p.running.Client().As(p.Operator)
	var other struct{ ID string }
	if err := operator.Post(ctx, "/v1/accounts", M{"name": "Fjord"}, &other); err != nil {
		return err
	}
	var schema string
	err := within(ctx, p.Data, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, `SELECT schema FROM roster.projection WHERE name = $1 AND state = 'serving'`, poisonModel).Scan(&schema); err != nil {
			return err
		}
		in := pgx.Identifier{schema}.Sanitize()
		_, err := conn.Exec(ctx, fmt.Sprintf(`CREATE FUNCTION %[1]s.refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'it is poisoned'; END$$;
			CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON %[1]s.entry FOR EACH ROW WHEN (NEW.account = '%[2]s') EXECUTE FUNCTION %[1]s.refuse()`, in, p.Account))
		return err
	})
	if err != nil {
		return err
	}
	n := p.strikes["poison"]
	guest := fmt.Sprintf("poison%d@northwind.example", n)
	invite := func(account, role string) error {
		return operator.Post(ctx, "/v1/accounts/"+account+"/invitations", M{"emails": []string{guest}, "roles": []string{role}}, nil)
	}
	if err := errors.Join(invite(p.Account.String(), "viewer"), invite(other.ID, "owner")); err != nil {
		return err
	}
	if err := p.isParked(ctx, operator, other.ID, guest); err != nil {
		return err
	}
	err = within(ctx, p.Data, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `DROP FUNCTION `+pgx.Identifier{schema, "refuse"}.Sanitize()+` CASCADE`)
		return err
	})
	if err != nil {
		return err
	}
	if n%2 == 1 {
		err = rebuild(ctx, operator, poisonModel)
	} else {
		p.running.Kill()
		p.running, err = p.Start(ctx)
	}
	if err != nil {
		return err
	}
	mended, cancel := context.WithTimeout(ctx, currentWithin)
	defer cancel()
	waited := Until(mended, func() bool { // what is parked is an error
		err = Current(mended, p.running.Client().As(p.Operator))
		return err == nil
	})
	if waited != nil {
		return fmt.Errorf("after the mend: %w", err)
	}
	if _, err := p.look(ctx, p.running); err != nil { // all mails are sent
		return err
	}
	p.reference, err = p.Rebuilt(ctx, p.running, &p.v, "after the mend")
	return err
}

// isParked waits until the account is parked, and judges what everybody sees then.
func (p *projecting) isParked(ctx context.Context, operator Client, other, guest string) error {
	ctx, cancel := context.WithTimeout(ctx, currentWithin)
	defer cancel()
	boundary := events.OfAccount(p.Account).String()
	var status struct {
		Items []struct {
			Name, State string
			Lag         uint64
			Parked      []struct {
				Boundary, Error string
				Commits         int
			}
		}
	}
	var wrong error
	waited := Until(ctx, func() bool {
		if wrong = operator.Get(ctx, "/v1/operator/projections", &status); wrong != nil {
			return false
		}
		parked := false
		for _, m := range status.Items {
			switch {
			case m.State != "serving":
			case m.Lag > 0:
				return false
			case m.Name == poisonModel:
				parked = len(m.Parked) == 1 && m.Parked[0].Boundary == boundary && strings.Contains(m.Parked[0].Error, "it is poisoned")
			case len(m.Parked) > 0:
				wrong = fmt.Errorf("%s has parked %+v", m.Name, m.Parked)
			}
		}
		return parked
	})
	if waited != nil {
		return broken("the account is not parked, or not alone: %+v: %w", status.Items, errors.Join(waited, wrong))
	}
	out, err := exec.CommandContext(ctx, p.lab.Program, "projections", "status", "--url", p.running.URL, "--data", p.Data).CombinedOutput()
	if err != nil || !strings.Contains(string(out), boundary+" is parked at position") {
		return fmt.Errorf("roster projections status does not say what is parked: %w: %s", err, out)
	}
	var list struct {
		Items []struct{ Email string }
	}
	if err := operator.Get(ctx, "/v1/accounts/"+other+"/users?status=pending", &list); err != nil {
		return err
	}
	if !slices.ContainsFunc(list.Items, func(i struct{ Email string }) bool { return i.Email == guest }) {
		p.v.Differs("while an account is parked, another one's list lacks an invitation: %v", list.Items)
	}
	return wrong
}
