package events

import (
	"encoding/json"
	"fmt"
)

// lift reads an old version of a fact as today's type.
type lift func(data []byte, sealed map[string]Box) (Event, error)

// upcasts lists, for each version that is no longer written, how it is read: straight to today's type, so that the
// compiler finds every lift that a new field touches.
func upcasts() map[Kind]lift {
	return map[Kind]lift{
		{"key.created", 1}: keyCreatedV1,
	}
}

// keyCreatedV1 was without on_behalf: no key could do so.
func keyCreatedV1(data []byte, sealed map[string]Box) (Event, error) {
	var f KeyCreated
	if len(sealed) > 0 {
		return nil, fmt.Errorf("%w: key.created has no sealed part", ErrCorrupt)
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	f.OnBehalf = false
	return f, nil
}
