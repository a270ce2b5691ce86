// Package projections turns the log into tables that answer questions. Each read model is one file: its tables,
// how facts change them, the questions it answers. Any of them can be thrown away and made again from the log.
package projections

import (
	"context"

	"github.com/jackc/pgx/v5"

	"roster/events"
)

// Model is a read model: its tables and how facts change them.
//
// Each version of a model lives in a PostgreSQL schema of its own (a generation), beside the one that serves, until
// it has caught up and takes its place. Tables is DDL with unqualified names: it runs with that schema as the
// search path. Apply runs with the same search path and in the transaction that moves the model's checkpoint, so
// that it happens once for each commit, in the order of the log. It is handed whole atomic batches, with all sealed
// parts opened or marked erased; an error rolls the transaction back. All models are handed the same commits: Apply
// changes nothing in them.
type Model struct {
	Name    string // a lower-case word with underscores
	Version int    // raised whenever Tables or Apply change what would stand in the tables
	Tables  string
	Apply   func(ctx context.Context, tx pgx.Tx, commits []Opened) error
}

// Source is where the runner reads the log.
type Source interface {
	// Read answers at most limit durable commits after a position, in order and without a hole; more when the last
	// would be inside an atomic batch. It waits until there is at least one, or until ctx ends.
	Read(ctx context.Context, after uint64, limit int) ([]events.Record, error)
	// Last is the position of the last durable commit.
	Last(ctx context.Context) (uint64, error)
}

// Opener opens what is sealed in a commit: the parts of its facts (events.Open), and its origin. A person whose key
// has been destroyed is no error: that part reads erased. Commits of a page are opened several at once.
type Opener interface {
	Open(ctx context.Context, c events.Commit) (Opened, error)
}

// Opened is a commit that can be read: its facts are opened, and Origin says from where it came, as far as that is
// known and not erased. Payload is the record's bytes as stored; the runner sets it.
type Opened struct {
	events.Commit
	From    events.OriginInfo
	Payload []byte
}
