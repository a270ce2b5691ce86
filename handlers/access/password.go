package access

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"roster/domain"
	"roster/events"
	"roster/handlers"
)

// maxPassword is the longest password, in bytes, that anybody can have: 1,024 characters.
const maxPassword = 4096

// CheckPassword lists every rule that a new password fails, all at once; location says where it stands in the request.
// What is known of whoever chooses it is in c.
func (a *Access) CheckPassword(location string, c domain.Chosen, rule events.PasswordRule) error {
	c.Common = a.passwords.Common(c.Password)
	c.Around = append(c.Around, a.portal)
	return c.Check(location, rule)
}

// UsePortalName says what the portal is called: no password may be made of that.
func (a *Access) UsePortalName(name string) { a.portal = name }

// maxAround bounds the accounts whose names are looked for in a password.
const maxAround = 20

// checkChosen is CheckPassword for a user, whose rules they are, and the comparison with what was typed once more.
func (a *Access) checkChosen(ctx context.Context, u domain.User, field, password string, confirm *string, rules domain.Rules) error {
	profile, email, err := a.app.Person(ctx, u)
	if err != nil {
		return err
	}
	chosen := domain.Chosen{Password: password, Name: profile.PersonName, Email: email}
	accounts := u.Accounts()
	for _, id := range accounts[:min(len(accounts), maxAround)] {
		account, _, err := a.app.Account(ctx, id)
		if err != nil {
			return err
		}
		chosen.Around = append(chosen.Around, account.Name)
	}
	wrong := a.CheckPassword("body."+field, chosen, rules.Password)
	if confirm == nil || *confirm == password {
		return wrong
	}
	differs := domain.Field{Location: "body.confirm", Message: "the two passwords are not the same"}
	all := &domain.Error{Code: domain.Invalid, Detail: differs.Message, Fields: []domain.Field{differs}}
	var refusal *domain.Error
	if errors.As(wrong, &refusal) {
		all.Fields = append(refusal.Fields, differs)
		all.Detail = "some fields are wrong"
	}
	return all
}

// verify verifies one's own password by an attempt that is reserved first, as at sign-in, so that the limit holds however
// many try at once. It answers the credential that was verified and the attempt, which a fact that follows takes back.
func (a *Access) verify(ctx context.Context, call handlers.Call, u domain.User, password string) (events.SecretID, events.CommitID, error) {
	wrong := &domain.Error{Code: domain.BadCredentials, Detail: "the current password is wrong"}
	if len(password) > maxPassword { // nobody's, and nothing to spend work on
		return events.SecretID{}, events.CommitID{}, wrong
	}
	attempt, err := a.attempt(ctx, call, u.ID, domain.MethodPassword)
	if err != nil {
		return events.SecretID{}, attempt, err
	}
	hash, err := a.vault.Password(ctx, u.Password)
	if errors.Is(err, handlers.ErrErased) { // replaced while we were asking
		return events.SecretID{}, attempt, wrong
	}
	if err != nil {
		return events.SecretID{}, attempt, fmt.Errorf("verify a password: %w", err)
	}
	ok, _, err := a.passwords.Verify(ctx, password, hash)
	switch {
	case err != nil:
		return events.SecretID{}, attempt, fmt.Errorf("verify a password: %w", err)
	case !ok:
		return events.SecretID{}, attempt, wrong
	}
	return u.Password, attempt, nil
}

// keep hashes a password and keeps it in the vault.
func (a *Access) keep(ctx context.Context, user events.UserID, password string) (events.SecretID, error) {
	hash, err := a.passwords.Hash(ctx, password)
	if err != nil {
		return events.SecretID{}, fmt.Errorf("a new password: %w", err)
	}
	secret, err := a.vault.PutPassword(ctx, user, hash)
	if err != nil {
		return events.SecretID{}, fmt.Errorf("a new password: %w", err)
	}
	return secret, nil
}

// forgetPasswords destroys the hashes of passwords that have been replaced.
func (a *Access) forgetPasswords(ctx context.Context, u domain.User) error {
	for _, old := range slices.Concat(u.Replaced, []events.SecretID{u.Password}) {
		if err := a.vault.DestroySecret(ctx, old); err != nil {
			return fmt.Errorf("forget a password: %w", err)
		}
	}
	return nil
}

// ChangePassword replaces the password of whoever asks, and ends all their other sessions (SPEC 4.3). What is wrong with
// the new one is said first, and costs no attempt.
func (a *Access) ChangePassword(ctx context.Context, call handlers.Call, current, password string, confirm *string) (handlers.Result, error) {
	cmd := domain.ChangePassword{User: call.Actor.User()}
	if r, ok, err := a.app.Done(ctx, call, cmd); ok || err != nil {
		return r, err
	}
	u, err := a.mayChoose(ctx, call, password, confirm)
	if err != nil {
		return handlers.Result{}, err
	}
	var attempt events.CommitID
	if cmd.Verified, attempt, err = a.verify(ctx, call, u, current); err != nil {
		return handlers.Result{}, err
	}
	if cmd.Password, err = a.keep(ctx, u.ID, password); err != nil {
		return handlers.Result{}, err
	}
	call.Cause = causedBy(attempt)
	r, err := a.app.Do(ctx, call, cmd)
	if err != nil {
		return r, err
	}
	return r, a.forgetPasswords(ctx, u)
}

// mayChoose is whoever asks, where a password may be theirs.
func (a *Access) mayChoose(ctx context.Context, call handlers.Call, password string, confirm *string) (domain.User, error) {
	u, _, err := a.app.User(ctx, call.Actor.User())
	if err != nil {
		return u, err
	}
	var rules domain.Rules
	if err := a.app.Ask(ctx, call, domain.AskPersonRules(u.ID, &rules)); err != nil {
		return u, err
	}
	return u, a.checkChosen(ctx, u, "new", password, confirm, rules)
}

// PlanPassword is the command that ChangePassword would come to, were the current password the right one: it is not
// looked at.
func (a *Access) PlanPassword(ctx context.Context, call handlers.Call, password string, confirm *string) (domain.Command, error) {
	u, err := a.mayChoose(ctx, call, password, confirm)
	return domain.ChangePassword{User: u.ID, Verified: u.Password, Password: events.SecretID{15: 1}}, err
}
