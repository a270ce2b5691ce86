package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"roster/handlers"
	"roster/handlers/access"
	"roster/infra/eventlog"
	"roster/infra/keyring"
	"roster/infra/nats"
	"roster/infra/password"
	"roster/infra/sealer"
	"roster/infra/token"
	"roster/infra/vault"
	"roster/projections"
)

// portal is the writing side of Roster as the program wires it: the embedded log with every acknowledged commit on
// disk, the vault, and the App.
type portal struct {
	dir    string
	keys   *keyring.Keyring
	log    *eventlog.Log
	vault  *vault.Vault
	sealer *sealer.Sealer
	app    *handlers.App
	access *access.Access
	hasher *password.Hasher

	closers []func() error
	closed  bool
}

// openPortal opens the portal of a folder, making it where there is none. ready is how long it took until commands
// could be carried out.
func openPortal(ctx context.Context, dir string) (_ *portal, ready time.Duration, err error) {
	begin := time.Now()
	p := &portal{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open a portal: %w", err), p.close())
		}
	}()
	if p.keys, _, err = keyring.Load(filepath.Join(dir, "keyring.json"), "", time.Now()); err != nil {
		return nil, 0, err
	}
	server, err := nats.Embedded(ctx, nats.Config{Dir: filepath.Join(dir, "log"), GroupCommit: true})
	if err != nil {
		return nil, 0, err
	}
	p.closers = append(p.closers, server.Close)
	conn, err := server.Connect()
	if err != nil {
		return nil, 0, err
	}
	if p.log, err = eventlog.Open(ctx, conn, "roster", eventlog.OnDisk(server)); err != nil {
		return nil, 0, err
	}
	p.closers = append(p.closers, func() error { p.log.Close(); return nil })
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, 0, err
	}
	if p.vault, err = vault.Open(ctx, js, p.keys, vault.Options{Name: "roster", Rand: rand.Reader, Disk: server}); err != nil {
		return nil, 0, err
	}
	p.sealer = sealer.New(p.vault, rand.Reader)
	p.app = handlers.NewApp(handlers.Config{Log: p.log, Sealer: p.sealer, MACs: p.keys, Build: "bench"})
	if _, err := p.app.Start(ctx, p.keys.Fingerprint()); err != nil {
		return nil, 0, err
	}
	ready = time.Since(begin)
	if p.hasher, err = password.New(password.Recommended(), 2, rand.Reader); err != nil {
		return nil, 0, err
	}
	p.access = access.New(p.app, p.sealer, p.hasher, token.Tokens{AddressHMAC: p.keys.AddressHMAC})
	return p, ready, nil
}

// close stops the portal; it may be called again.
func (p *portal) close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	var trouble error
	for i := len(p.closers) - 1; i >= 0; i-- {
		trouble = errors.Join(trouble, p.closers[i]())
	}
	return trouble
}

// portal opens a new portal that is closed with the group.
func (l *lab) portal(ctx context.Context) (*portal, error) {
	dir, err := l.folder()
	if err != nil {
		return nil, err
	}
	p, _, err := openPortal(ctx, dir)
	if err != nil {
		return nil, err
	}
	l.onClose(p.close)
	return p, nil
}

// models are the read models, as the program runs them.
func models() []projections.Model {
	return []projections.Model{projections.Archive(), projections.UserList(), projections.Invitations(), projections.Audit(), projections.Accounts()}
}
