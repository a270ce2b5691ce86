package bench

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// starts measures a start after a clean stop, and after kill -9. What a killed process leaves is what its files hold
// at that moment: a copy of the folder, taken while the portal is open and nobody writes, is that, and can be started
// beside it.
func starts(ctx context.Context, l *lab) error {
	dir, err := l.folder()
	if err != nil {
		return err
	}
	p, _, err := openPortal(ctx, dir)
	if err != nil {
		return err
	}
	firms, err := p.firms(ctx, historyFirms)
	if err == nil {
		_, err = p.past(ctx, l.o.Scale)
	}
	if err := errors.Join(err, p.close()); err != nil {
		return err
	}
	clean, killed := outcome{name: "start/clean", took: new(spread)}, outcome{name: "start/kill", took: new(spread)}
	for round, since := 0, time.Now(); round < 3 || round < 16 && time.Since(since).Seconds() < 2*l.o.Seconds; round++ {
		after, afterKill, err := l.startTwice(ctx, dir, firms)
		if err != nil {
			return err
		}
		for _, one := range []struct {
			o    *outcome
			took time.Duration
		}{{&clean, after}, {&killed, afterKill}} {
			one.o.took.note(one.took)
			one.o.count++
			ms := one.took.Seconds() * 1e3
			one.o.turns = append(one.o.turns, turn{p50: ms, p99: ms})
		}
	}
	m := p50("s", 1e-3)
	l.row(m.row("start/clean", clean, nil, atMost(2, "s")))
	l.row(m.row("start/kill", killed, &clean, atMost(5, "s")))
	return nil
}

// startTwice starts the portal after its clean stop, has it work a little, and starts what a kill would leave.
func (l *lab) startTwice(ctx context.Context, dir string, firms []firm) (clean, killed time.Duration, err error) {
	p, clean, err := openPortal(ctx, dir)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, p.close()) }()
	for i := range firms {
		if _, err := p.do(ctx, &firms[i]); err != nil {
			return 0, 0, err
		}
	}
	image := dir + "-image"
	defer func() { err = errors.Join(err, os.RemoveAll(image)) }()
	if err := os.CopyFS(image, os.DirFS(dir)); err != nil {
		return 0, 0, err
	}
	if err := os.Chmod(filepath.Join(image, "keyring.json"), 0o600); err != nil { // a copy gets wider modes, and keys may not
		return 0, 0, err
	}
	before, err := p.log.Last(ctx)
	if err != nil {
		return 0, 0, err
	}
	again, killed, err := openPortal(ctx, image)
	if err != nil {
		return 0, 0, err
	}
	// It has to be the same log: a start that lost something would be quick.
	if after, last := again.log.Last(ctx); last != nil || after < before {
		err = errors.Join(last, errors.New("a start after a kill has lost commits"))
	}
	return clean, killed, errors.Join(err, again.close())
}
