package access

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"time"

	"roster/domain"
	"roster/handlers"
)

// OperatorWithin is how long a browser keeps an operator's key.
const OperatorWithin = 8 * time.Hour

// purposeOperator makes the key that operators' keys are sealed with.
const purposeOperator = "operator.cookie"

// maxOperator bounds what a browser hands back.
const maxOperator = 1024

// KeepOperator verifies an operator's key and answers it sealed, so that a browser can keep it without being able to read
// it. Every use reads the key anew (OperatorOf): what ends the key ends what was kept.
//
// A key cannot be guessed, so a right one is never turned away for the tries of somebody else. Each wrong one is noted in
// the operator's trail, until there have been too many from one address (SPEC 5.1).
func (a *Access) KeepOperator(ctx context.Context, call handlers.Call, key string) (kept string, err error) {
	p, err := a.Authenticate(ctx, key)
	switch {
	case err == nil && p.Operator():
		return a.sealOperator(key)
	case err != nil && !isCode(err, domain.SignInRequired):
		return "", err
	}
	subject, actor := a.nobody("the operator, from " + call.Origin.IP)
	call.Actor, call.Behalf, call.Key = actor, nil, ""
	if _, err := a.reserve(ctx, call, domain.ReserveAttempt{Subject: subject, Factor: domain.MethodOperatorKey}); err != nil {
		return "", err
	}
	return "", &domain.Error{Code: domain.BadCredentials, Detail: "this is no operator's key"}
}

// OperatorOf answers the key that a browser has kept, which is still one, and who asks by it. The refusal is
// sign_in_required for anything else.
func (a *Access) OperatorOf(ctx context.Context, kept string) (key string, p Principal, err error) {
	key, ok := a.openOperator(kept)
	if !ok {
		return "", p, signInRequired()
	}
	p, err = a.Authenticate(ctx, key)
	switch {
	case err != nil:
		return "", p, err
	case !p.Operator():
		return "", Principal{}, signInRequired()
	}
	return key, p, nil
}

func (a *Access) operatorAEAD() (cipher.AEAD, error) {
	key := a.tokens.MAC(purposeOperator, nil)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func (a *Access) sealOperator(key string) (string, error) {
	aead, err := a.operatorAEAD()
	if err != nil {
		return "", err
	}
	plain := append(timeBytes(a.app.Now()), key...)
	return base64.RawURLEncoding.EncodeToString(aead.Seal(nil, nil, plain, []byte{sealVersion})), nil
}

func (a *Access) openOperator(kept string) (key string, ok bool) {
	if kept == "" || len(kept) > maxOperator {
		return "", false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(kept)
	if err != nil {
		return "", false
	}
	aead, err := a.operatorAEAD()
	if err != nil {
		return "", false
	}
	plain, err := aead.Open(nil, nil, sealed, []byte{sealVersion})
	if err != nil || len(plain) < 8 {
		return "", false
	}
	age := a.app.Now().Sub(bytesTime(plain[:8]))
	return string(plain[8:]), age >= 0 && age < OperatorWithin
}
