package events

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// EnvelopeVersion is the version that Encode writes.
const EnvelopeVersion = 1

// MaxCommitBytes is the largest payload of one commit.
const MaxCommitBytes = 256 << 10

// The ways in which a record cannot be read. A reader that meets one of them stops or parks the boundary; it
// never skips.
var (
	// ErrUnknown: the record was written by a newer version: a kind, a version of a fact or of the envelope that
	// this program does not know.
	ErrUnknown = errors.New("written by a newer version of Roster")
	// ErrCorrupt: the record is not what Encode writes.
	ErrCorrupt = errors.New("corrupt record")
)

// Record is one message of the log as it is stored: its place, its subject's boundary and its bytes.
type Record struct {
	Pos      uint64
	Boundary Boundary
	Payload  []byte
}

// Hash is SHA-256(0x00 ‖ position, 8 bytes big-endian ‖ payload): the leaf of an RFC 6962 tree, and the hash that
// the boundary's next commit, checkpoints and the archive name. Nothing is ever re-serialised to compute it.
func (r Record) Hash() Hash {
	h := sha256.New()
	var head [9]byte
	binary.BigEndian.PutUint64(head[1:], r.Pos)
	h.Write(head[:])
	h.Write(r.Payload)
	return Hash(h.Sum(nil))
}

// Commit is what one command wrote to one boundary: its facts in order, and who, when, from where and why.
type Commit struct {
	Pos  uint64 // position in the log; 0 until written
	Hash Hash   // of the record; zero until written

	Log      LogID
	ID       CommitID
	Boundary Boundary
	Prev     Prev
	At       Time
	Cmd      Cmd
	Batch    *Batch
	Actor    Actor
	Behalf   *Actor
	Cause    string // "<commit id>.<index>" of the fact that this reacts to
	Corr     string // id of the first command of a chain
	Trace    string // W3C traceparent
	Origin   *Box   // network address and device, see OriginInfo
	Build    string
	Facts    []Event
}

// By is whose deed the commit is: that of whoever it was done for, else of whoever did it.
func (c Commit) By() Actor {
	if c.Behalf != nil {
		return *c.Behalf
	}
	return c.Actor
}

// Because is the commit of the fact that this reacts to; zero where it reacts to none.
func (c Commit) Because() (id CommitID) {
	text, _, _ := strings.Cut(c.Cause, ".")
	if id.UnmarshalText([]byte(text)) != nil {
		return CommitID{}
	}
	return id
}

// Prev is the boundary's previous commit; zero for its first.
type Prev struct {
	Pos  uint64 `json:"pos"`
	Hash Hash   `json:"hash"`
}

// Cmd is the command that a commit carries out.
type Cmd struct {
	ID       CommitID `json:"id"`
	Name     string   `json:"name"`
	Part     int      `json:"part"` // 1-based: which of the commits of one bulk within the boundary
	Parts    int      `json:"parts"`
	Undoes   CommitID `json:"undoes,omitzero"`
	MAC      string   `json:"mac,omitempty"` // of the canonical request, where an idempotency key was given
	Outcomes []string `json:"outcomes,omitempty"`
}

// Batch says which messages of the log were appended together: all or none of them, applied together.
type Batch struct {
	ID CommitID `json:"id"`
	N  int      `json:"n"` // 1-based
	Of int      `json:"of"`
}

// ActorType says what kind of caller acted.
type ActorType string

// The kinds of callers.
const (
	ByUser      ActorType = "user"
	ByKey       ActorType = "key"
	ByOperator  ActorType = "operator"
	ByLink      ActorType = "link"
	ByIDP       ActorType = "idp"
	BySystem    ActorType = "system"
	ByAnonymous ActorType = "anonymous"
)

// Actor is who acted. ID is a user's or key's id, an operator key's id, "<invitation>.<generation>" for a link,
// the name of a part of Roster for the system, the device's for somebody not signed in on a device that is known.
type Actor struct {
	Type    ActorType `json:"type"`
	ID      string    `json:"id,omitempty"`
	Session SessionID `json:"session,omitzero"`
}

// Caller is "type:id", as derived ids have it.
func (a Actor) Caller() string { return string(a.Type) + ":" + a.ID }

// User is the id of the acting user, or zero when the actor is none.
func (a Actor) User() UserID {
	if a.Type != ByUser {
		return UserID{}
	}
	id, err := ParseUserID(a.ID)
	if err != nil {
		return UserID{}
	}
	return id
}

// Key is the id of the acting API key, or zero when the actor is none.
func (a Actor) Key() KeyRefID {
	if a.Type != ByKey {
		return KeyRefID{}
	}
	id, err := ParseAnyID(a.ID)
	if err != nil {
		return KeyRefID{}
	}
	return KeyRefID(id)
}

// OriginInfo is what the sealed origin of a commit holds.
type OriginInfo struct {
	IP     string `json:"ip,omitempty"`
	Device string `json:"device,omitempty"`
}

type wireCommit struct {
	V        int        `json:"v"`
	Log      LogID      `json:"log"`
	ID       CommitID   `json:"id"`
	Boundary Boundary   `json:"boundary"`
	Prev     Prev       `json:"prev"`
	At       Time       `json:"at"`
	Cmd      Cmd        `json:"cmd"`
	Batch    *Batch     `json:"batch,omitempty"`
	Actor    Actor      `json:"actor"`
	Behalf   *Actor     `json:"behalf,omitempty"`
	Cause    string     `json:"cause,omitempty"`
	Corr     string     `json:"corr,omitempty"`
	Trace    string     `json:"trace,omitempty"`
	Origin   *Box       `json:"origin,omitempty"`
	Build    string     `json:"build,omitempty"`
	Facts    []wireFact `json:"facts"`
}

// incomplete says that something is missing that every envelope has.
func (w wireCommit) incomplete() bool {
	return w.Log.IsZero() || w.ID.IsZero() || w.At.IsZero() || len(w.Facts) == 0 || w.Actor.Type == "" ||
		w.Cmd.ID.IsZero() || w.Cmd.Name == "" || w.Cmd.Part < 1 || w.Cmd.Parts < w.Cmd.Part
}

type wireFact struct {
	Type   string          `json:"type"`
	V      int             `json:"v"`
	Data   json.RawMessage `json:"data"`
	Sealed map[string]Box  `json:"sealed,omitempty"`
}

// Encode writes the payload of a log message. Every sealed part must have been sealed; a commit without facts or
// over MaxCommitBytes is an error, and so is one that Decode would refuse as incomplete.
func Encode(c Commit) ([]byte, error) {
	if len(c.Facts) == 0 {
		return nil, fmt.Errorf("encode %s: a commit without facts", c.Boundary)
	}
	w := wireCommit{EnvelopeVersion, c.Log, c.ID, c.Boundary, c.Prev, c.At, c.Cmd, c.Batch, c.Actor, c.Behalf,
		c.Cause, c.Corr, c.Trace, c.Origin, c.Build, make([]wireFact, 0, len(c.Facts))}
	for _, f := range c.Facts {
		fact, err := encodeFact(f)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", c.Boundary, err)
		}
		w.Facts = append(w.Facts, fact)
	}
	if w.incomplete() || c.Boundary.IsZero() || c.Boundary.Nobody() {
		return nil, fmt.Errorf("encode %s: an envelope has log, id, boundary, time, command and actor", c.Boundary)
	}
	payload := w.append(make([]byte, 0, w.size()))
	if len(payload) > MaxCommitBytes {
		return nil, fmt.Errorf("encode %s: %d bytes, more than a commit may have (%d)", c.Boundary, len(payload), MaxCommitBytes)
	}
	return payload, nil
}

// Decode reads a record. The error is ErrUnknown for what a newer version wrote and ErrCorrupt for anything else
// that Encode would not have written, among it a payload whose boundary is not its subject's.
func Decode(r Record) (Commit, error) {
	fail := func(err error) (Commit, error) {
		return Commit{}, fmt.Errorf("position %d (%s): %w", r.Pos, r.Boundary, err)
	}
	var w wireCommit
	dec := json.NewDecoder(bytes.NewReader(r.Payload))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&w); err != nil {
		var version struct {
			V int `json:"v"`
		}
		if json.Unmarshal(r.Payload, &version) == nil && version.V > EnvelopeVersion {
			return fail(fmt.Errorf("envelope version %d: %w", version.V, ErrUnknown))
		}
		return fail(fmt.Errorf("%w: %w", ErrCorrupt, err))
	}
	switch {
	case w.V > EnvelopeVersion:
		return fail(fmt.Errorf("envelope version %d: %w", w.V, ErrUnknown))
	case w.V != EnvelopeVersion, w.incomplete():
		return fail(fmt.Errorf("%w: incomplete envelope", ErrCorrupt))
	case w.Boundary != r.Boundary:
		return fail(fmt.Errorf("%w: payload of boundary %s", ErrCorrupt, w.Boundary))
	case dec.InputOffset() != int64(len(r.Payload)):
		return fail(fmt.Errorf("%w: bytes behind the envelope", ErrCorrupt))
	}
	c := Commit{r.Pos, r.Hash(), w.Log, w.ID, w.Boundary, w.Prev, w.At, w.Cmd, w.Batch, w.Actor, w.Behalf,
		w.Cause, w.Corr, w.Trace, w.Origin, w.Build, make([]Event, 0, len(w.Facts))}
	for i, f := range w.Facts {
		fact, err := decodeFact(f)
		if err != nil {
			return fail(fmt.Errorf("fact %d: %w", i, err))
		}
		c.Facts = append(c.Facts, fact)
	}
	return c, nil
}

// CommitIDOf derives a commit's id from boundary, caller, idempotency key and part, so that the same request is
// the same commit whenever it is tried again. caller is Actor.Caller, followed by the same of whoever it acts for.
func CommitIDOf(b Boundary, caller, key string, part int) CommitID {
	sum := sha256.Sum256(LengthPrefixed(b.String(), caller, key, strconv.Itoa(part)))
	return CommitID(sum[:16])
}

// DerivedID is a UUIDv8 (RFC 9562, 5.8) from log, caller, idempotency key and ordinal: the ids of what a keyed
// command creates, the same at every try.
func DerivedID(log LogID, caller, key string, ordinal int) AnyID {
	sum := sha256.Sum256(LengthPrefixed(log.String(), caller, key, strconv.Itoa(ordinal)))
	id := AnyID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// LengthPrefixed puts each field behind its length, 4 bytes big-endian: the form of everything that is hashed or
// authenticated, so that no two lists of fields have the same bytes.
func LengthPrefixed(fields ...string) []byte {
	n := 0
	for _, f := range fields {
		n += 4 + len(f)
	}
	b := make([]byte, 0, n)
	for _, f := range fields {
		b = binary.BigEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}
