package events

// About is the person a fact is about: a user, an invitation, or zero. Facts of a user's own boundary are about
// that user.
func About(b Boundary, e Event) AnyID {
	if a, ok := e.(interface{ about() AnyID }); ok {
		return a.about()
	}
	if b.Kind == UserBoundary || b.Kind == AttemptsBoundary {
		return b.ID
	}
	return AnyID{}
}

// WithoutSecrets is the fact as subscribers may see it: hashes of secrets are left out (SPEC 6.4).
func WithoutSecrets(e Event) Event {
	if s, ok := e.(interface{ withoutSecrets() Event }); ok {
		return s.withoutSecrets()
	}
	return e
}
