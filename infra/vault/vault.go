// Package vault keeps what must be destroyable and is therefore no fact: data keys, secrets (password hashes, TOTP
// seeds, passkeys) and the map from a blinded address to its id. It is a JetStream stream of its own.
//
// Every entry stands alone on its subject, claimed with an expected last sequence of 0, and is durable when the
// call that put it or read it returns, provided that the server acknowledges only what is on disk, or that
// Options.Disk says when it is. Nothing is overwritten. Destroying puts a tombstone on the subject and then has the
// server overwrite the entry with random bytes, on disk when the call returns; a call that was interrupted is finished by calling it again, or by whoever meets the rest.
// An entry that is missing without a tombstone is a fault (ErrMissing), never "erased".
package vault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/infra/keyring"
	"roster/infra/streams"
)

var (
	// ErrErased says that the key or secret has been destroyed for good.
	ErrErased = errors.New("erased")
	// ErrMissing says that there is neither an entry nor a tombstone: the vault has lost something, or it is not
	// the vault of this log. A fault: the reader stops.
	ErrMissing = errors.New("vault has no such entry")
	// ErrNoVault says that there is no vault where one must be.
	ErrNoVault = errors.New("there is no vault")
	// ErrBroken says that an entry does not open where it stands. A fault.
	ErrBroken = errors.New("vault entry is broken")
	// ErrKeyring says that an entry was wrapped with a master key that our keyring does not have. A fault: the
	// process must be started again with the newer keyring.
	ErrKeyring = errors.New("vault entry needs another keyring")
	// ErrAway says that the server did not answer. What was to be written may have been: writing it again is no harm.
	ErrAway = errors.New("the vault's server did not answer")
)

// MaxCacheTTL is how long at most a process goes on using a key that another process has destroyed. The process
// that destroys drops it at once. A bound by time is kept even where messages are lost; a subscription is not.
const MaxCacheTTL = 60 * time.Second

// Options say how a vault is kept.
type Options struct {
	// Name is the log's name, "roster" by default: stream ROSTER_VAULT, subjects roster.vault.… Lower-case
	// letters, digits, "_" and "-".
	Name string
	// Replicas of a stream that is made new; 1 by default.
	Replicas int
	// Existing refuses to make the stream: ErrNoVault.
	Existing bool
	// Rand is a cryptographic source, safe for use from everywhere at once. Required.
	Rand io.Reader
	// Now is the clock that ages the cache; time.Now by default.
	Now func() time.Time
	// Disk says when what the server has acknowledged is on disk; nil where it acknowledges nothing else.
	Disk Disk
	// CacheSize is how many keys are held in memory, 16,384 by default (about 150 bytes each).
	CacheSize int
	// CacheTTL is how long, MaxCacheTTL by default and at most.
	CacheTTL time.Duration
}

// Disk says when what the server has acknowledged is on disk. The embedded server of infra/nats is one.
type Disk interface {
	// Synced answers when the message at a position of a stream is on disk, with all before it.
	Synced(ctx context.Context, stream string, pos uint64) error
	// Rewritten answers when what has been erased from a stream is overwritten on disk.
	Rewritten(ctx context.Context, stream string) error
}

// Vault is the open vault. It may be used from everywhere at once, and by any number of processes.
type Vault struct {
	js     jetstream.JetStream
	stream jetstream.Stream
	kr     *keyring.Keyring
	rand   io.Reader
	disk   Disk
	name   string // of the stream
	prefix string // of the subjects, with the dot
	cache  *cache
}

// Open opens the vault and makes its stream where there is none. It refuses a stream whose settings would lose
// entries or keep destroyed bytes.
func Open(ctx context.Context, js jetstream.JetStream, kr *keyring.Keyring, o Options) (*Vault, error) {
	if o.Name == "" {
		o.Name = "roster"
	}
	if strings.Trim(o.Name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
		return nil, fmt.Errorf("vault: name %q: want lower-case letters, digits, _ and -", o.Name)
	}
	if o.Rand == nil {
		return nil, errors.New("vault: no source of randomness")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.CacheSize <= 0 {
		o.CacheSize = 16_384
	}
	if o.CacheTTL <= 0 || o.CacheTTL > MaxCacheTTL {
		o.CacheTTL = MaxCacheTTL
	}
	v := &Vault{
		js: js, kr: kr, rand: o.Rand, disk: o.Disk, name: strings.ToUpper(o.Name) + "_VAULT", prefix: o.Name + ".vault.",
		cache: newCache(o.CacheSize, o.CacheTTL, o.Now),
	}
	want := v.config(max(o.Replicas, 1))
	var err error
	if o.Existing {
		v.stream, err = js.Stream(ctx, v.name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, fmt.Errorf("%w: stream %s", ErrNoVault, v.name)
		}
	} else {
		v.stream, err = streams.Ensure(ctx, js, want) // it may be somebody else's, with other settings
	}
	if err != nil {
		return nil, fmt.Errorf("vault: opening stream %s: %w", v.name, err)
	}
	if err := v.checkSettings(v.stream.CachedInfo().Config); err != nil {
		return nil, err
	}
	return v, v.onDisk(ctx, v.stream.CachedInfo().State.LastSeq)
}

// onDisk waits until the entries up to a sequence number are on disk.
func (v *Vault) onDisk(ctx context.Context, seq uint64) error {
	if v.disk == nil {
		return nil
	}
	if err := v.disk.Synced(ctx, v.name, seq); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	return nil
}

// Used says that there were entries, or traces of some, when the vault was opened.
func (v *Vault) Used() bool { return v.stream.CachedInfo().State.LastSeq > 0 }

// config is how the stream is made. No limit per subject and no DenyDelete: a tombstone must not push the entry
// out unerased, and destroying is a delete. No direct reads: a replica that lags would say "missing".
func (v *Vault) config(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: v.name, Subjects: []string{v.prefix + ">"}, Description: "data keys, secrets and blinded addresses",
		Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Discard: jetstream.DiscardNew,
		MaxMsgs: -1, MaxBytes: -1, MaxMsgsPerSubject: -1, MaxMsgSize: -1, MaxConsumers: -1, Replicas: replicas,
		Duplicates: time.Second, Compression: jetstream.NoCompression, DenyPurge: true,
	}
}

func (v *Vault) checkSettings(c jetstream.StreamConfig) error {
	var wrong []string
	refuse := func(bad bool, what string) {
		if bad {
			wrong = append(wrong, what)
		}
	}
	refuse(len(c.Subjects) != 1 || c.Subjects[0] != v.prefix+">", "subjects must be "+v.prefix+">")
	refuse(c.Storage != jetstream.FileStorage, "storage must be file")
	refuse(c.Retention != jetstream.LimitsPolicy || c.MaxAge != 0 || c.MaxMsgs > 0 || c.MaxBytes > 0 || c.MaxMsgsPerSubject > 0, "there must be no limits")
	refuse(c.Discard != jetstream.DiscardNew, "discard must be new")
	refuse(c.DenyDelete, "deletes must be allowed")
	refuse(c.AllowDirect || c.MirrorDirect, "direct reads must be off")
	refuse(c.AllowRollup, "roll-up must be off")
	refuse(c.Compression != jetstream.NoCompression, "compression must be off")
	refuse(c.PersistMode == jetstream.AsyncPersistMode, "persist mode must not be async")
	refuse(c.Mirror != nil || len(c.Sources) > 0 || c.SubjectTransform != nil || c.RePublish != nil || c.Sealed, "it must not be mirrored, sourced, transformed, republished or sealed")
	if len(wrong) > 0 {
		return fmt.Errorf("vault: stream %s: %s", v.name, strings.Join(wrong, "; "))
	}
	return nil
}

// entry is an entry as it stands in the stream.
type entry struct {
	record
	seq uint64
}

// last is the newest message on a subject; ok is false where there is none.
func (v *Vault) last(ctx context.Context, subject string) (e entry, ok bool, err error) {
	m, err := v.stream.GetLastMsgForSubject(ctx, subject)
	return v.opened(ctx, subject, m, err)
}

// first is the oldest message on a subject; ok is false where there is none.
func (v *Vault) first(ctx context.Context, subject string) (e entry, ok bool, err error) {
	m, err := v.stream.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject))
	return v.opened(ctx, subject, m, err)
}

// opened is a message that was read, once it is on disk.
func (v *Vault) opened(ctx context.Context, subject string, m *jetstream.RawStreamMsg, err error) (entry, bool, error) {
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("vault: reading %s: %w: %w", subject, ErrAway, err)
	}
	if err := v.onDisk(ctx, m.Sequence); err != nil {
		return entry{}, false, err
	}
	r, err := unwrap(v.kr, subject, m.Data)
	return entry{r, m.Sequence}, err == nil, err
}

// put publishes a record where the subject's last sequence is prev; conflict is true where it is another one, and
// nothing was written. What was written is on disk. On an error it is unknown whether it was.
func (v *Vault) put(ctx context.Context, subject string, prev uint64, r record) (conflict bool, err error) {
	data, err := wrap(v.rand, v.kr, subject, r)
	if err != nil {
		return false, err
	}
	ack, err := v.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data},
		jetstream.WithExpectStream(v.name), jetstream.WithExpectLastSequencePerSubject(prev))
	// 10071 wrong last sequence; 10164 the same while another write is in flight (replicated streams).
	var api *jetstream.APIError
	if errors.As(err, &api) && (api.ErrorCode == 10071 || api.ErrorCode == 10164) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("vault: writing %s: %w: %w", subject, ErrAway, err)
	}
	return false, v.onDisk(ctx, ack.Sequence)
}

// erase has the server overwrite one message with random bytes; erased then waits for the disk. A message that is
// gone already is no error.
func (v *Vault) erase(ctx context.Context, seq uint64) error {
	failed := v.stream.SecureDeleteMsg(ctx, seq)
	if failed == nil {
		return nil
	}
	_, err := v.stream.GetMsg(ctx, seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	return fmt.Errorf("vault: erasing message %d: %w: %w", seq, ErrAway, failed)
}

// erased waits until what was erased, here or by somebody else at the same time, is overwritten on disk.
func (v *Vault) erased(ctx context.Context) error {
	if v.disk == nil {
		return nil
	}
	if err := v.disk.Rewritten(ctx, v.name); err != nil {
		return fmt.Errorf("vault: erasing: %w", err)
	}
	return nil
}

// destroy puts the tombstone on a subject and then erases every older message on it; before that, unpoint erases
// what would be found no more without the old entry. It may be called again after any interruption, and by several
// at once. Where there is nothing it answers ErrMissing.
func (v *Vault) destroy(ctx context.Context, subject string, unpoint func(old record) error) error {
	for {
		e, ok, err := v.last(ctx, subject)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: %s", ErrMissing, subject)
		}
		if e.Kind == kindTombstone {
			return v.eraseUpTo(ctx, subject, e.seq, unpoint)
		}
		// A conflict: somebody else put it. Either way the next round sees the tombstone.
		if _, err := v.put(ctx, subject, e.seq, record{Kind: kindTombstone, OwnerType: e.OwnerType, OwnerID: e.OwnerID}); err != nil {
			return err
		}
	}
}

func (v *Vault) eraseUpTo(ctx context.Context, subject string, tombstone uint64, unpoint func(old record) error) error {
	for {
		e, ok, err := v.first(ctx, subject)
		if err != nil {
			return err
		}
		if !ok || e.seq >= tombstone {
			return v.erased(ctx)
		}
		if unpoint != nil {
			if err := unpoint(e.record); err != nil {
				return err
			}
		}
		if err := v.erase(ctx, e.seq); err != nil {
			return err
		}
	}
}
