package mailer_test

import (
	"testing"

	"github.com/google/uuid"

	"roster/domain"
	"roster/events"
)

// SPEC 4.5, S22: a person is told by mail of every change of what they show beside their password.
func TestChangesOfFactorsAreTold(t *testing.T) {
	p := open(t, nil)
	grace, _ := p.Join("grace@guests.example", "Grace", "Hopper")
	u, _, err := p.App.User(t.Context(), grace)
	if err != nil {
		t.Fatal(err)
	}
	defer p.run(p.mailer(nil))()
	by := events.Actor{Type: events.ByUser, ID: grace.String()}
	n := 0
	expect := func(says1 string) {
		t.Helper()
		n++
		got := p.mails(n, "grace@guests.example")
		says(t, got[len(got)-1], says1, "If you know of this, there is nothing to do.")
	}
	enrol := func(step int64) events.FactorID {
		id := events.FactorID(uuid.Must(uuid.NewV7()))
		p.Do(by, domain.EnrollFactor{User: grace, Factor: id, Method: events.FactorTOTP, Password: u.Password})
		p.Do(by, domain.VerifyFactor{User: grace, Factor: id, Step: step})
		return id
	}
	id := enrol(1)
	expect("has been added")
	p.Do(by, domain.IssueRecoveryCodes{User: grace, Password: u.Password})
	expect("New recovery codes")
	p.Do(by, domain.RemoveFactor{User: grace, Factor: id, Password: u.Password})
	expect("has been removed")
	enrol(2)
	expect("has been added")
	p.Do(p.Operator(), domain.ResetFactors{User: grace})
	expect("An administrator has taken all")
}
