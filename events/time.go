package events

import (
	"fmt"
	"time"
)

// Time is a point in time in microseconds since 1970 UTC, written as RFC 3339 in UTC with six digits, so that the
// same time always has the same bytes. The zero Time means "none".
type Time int64

const timeForm = "2006-01-02T15:04:05.000000Z"

// TimeOf cuts t to the microsecond.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixMicro())
}

// Std is the time as the standard library has it, in UTC; the zero Time is the zero time.Time.
func (t Time) Std() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

// IsZero says that there is no time.
func (t Time) IsZero() bool { return t == 0 }

// Add is the time d later, cut to the microsecond.
func (t Time) Add(d time.Duration) Time { return t + Time(d/time.Microsecond) }

// Sub is how much later t is than u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Microsecond }

func (t Time) String() string { b, _ := t.MarshalText(); return string(b) }

// MarshalText writes the time; the zero time is the empty text.
func (t Time) MarshalText() ([]byte, error) {
	if t == 0 {
		return []byte{}, nil
	}
	return t.Std().AppendFormat(nil, timeForm), nil
}

// UnmarshalText reads the one form that MarshalText writes.
func (t *Time) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*t = 0
		return nil
	}
	parsed, err := time.Parse(timeForm, string(b))
	if err != nil || parsed.UTC().Format(timeForm) != string(b) || TimeOf(parsed) == 0 {
		return fmt.Errorf("not a time: want UTC with six digits, such as 2026-01-02T03:04:05.123456Z")
	}
	*t = TimeOf(parsed)
	return nil
}
