package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// The moments of a cut of a first start.
const (
	firstStreams = "while streams are made"
	firstSetUp   = "right after a set-up"
	firstRandom  = "during a first start"
)

// cutFirst cuts the power while a program makes its data, or right after somebody set it up.
func cutFirst(ctx context.Context, v *volumes, chance *rand.Rand, moment string) error {
	disk, err := v.make(ctx)
	if err != nil {
		return err
	}
	data, err := disk.data()
	if err != nil {
		return err
	}
	c := &outage{Site: &Site{Data: data, lab: v.lab}, disk: disk, cord: &cord{}, chance: chance}
	p, err := c.lab.Launch(c.Serve())
	if err != nil {
		return err
	}
	defer p.Kill()
	var made *Portal
	switch moment {
	case firstStreams:
		if err := c.streamMade(ctx, p, streamNames()[chance.IntN(len(streamNames()))]); err != nil {
			return err
		}
	case firstSetUp:
		if err := p.Ready(ctx); err != nil {
			return err
		}
		if made, err = setUp(ctx, p, 0); err != nil {
			return err
		}
	default:
		if err := Wait(ctx, time.Duration(chance.IntN(2000))*time.Millisecond); err != nil {
			return err
		}
	}
	if err := c.pull(ctx, p); err != nil {
		return err
	}
	if p, err = c.again(ctx); err != nil {
		return err
	}
	if made != nil {
		again := made.Owner
		if err := again.signIn(ctx, p.Client()); err != nil || again.User != made.Owner.User {
			return broken("the owner who was made cannot sign in: %w", err)
		}
	}
	if err := p.Stop(ctx); err != nil {
		return err
	}
	h, err := Read(ctx, data)
	if err != nil {
		return err
	}
	verdict := &Verdict{}
	h.CheckChain(verdict)
	h.CheckFeed(verdict, 0)
	return errors.Join(verdict.Err(), disk.remove())
}

// streamNames are the streams in the order in which a first start makes them.
func streamNames() []string {
	return []string{"ROSTER_LOG", "ROSTER_FEED", "ROSTER_FEED_PLACE", "ROSTER_VAULT"}
}

// streamMade waits until the program has begun to make a stream, and a little longer.
func (c *outage) streamMade(ctx context.Context, p *Program, stream string) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		_, err := os.Stat(c.stream(stream))
		if err == nil {
			return Wait(ctx, time.Duration(c.chance.IntN(10_000))*time.Microsecond)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		select {
		case <-p.Exited():
			return fmt.Errorf("roster ended before it made %s: %s", stream, p.Stderr())
		default:
		}
		if err := Wait(ctx, looksAfter); err != nil {
			return fmt.Errorf("%s is not made: %w", stream, err)
		}
	}
}

// stream is the folder in which a stream is.
func (s *Site) stream(name string) string {
	return filepath.Join(s.Data, "log", "jetstream", "$G", "streams", name)
}
