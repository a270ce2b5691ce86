package faults

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"roster/events"
)

const (
	blockSize  = 8 << 20               // at which the server begins the next block of a stream
	almost     = blockSize - 3<<19     // the cuts that come before the one of a roll-over leave some of it
	looksAfter = 50 * time.Microsecond // for what is over in a few milliseconds
	rollWithin = 5 * time.Minute
)

// rolls is what an outage knows of blocks that were filled.
type rolls struct {
	filling atomic.Bool  // the callers fill the newest block
	turn    atomic.Int64 // of who is suspended or reactivated next
	cuts    int          // made when there was a new block
	made    int          // of them those whose copy of the disk has it
}

// heavy makes commits large, so that a block of the log is full every few seconds.
func heavy(s *Step) {
	if s.Name == "Suspend" || s.Name == "Reactivate" {
		s.Body["reason"] = strings.Repeat("😀", longReason-len(s.Key)) + s.Key
	}
}

// adjust makes commits heavy, and while a block is to be filled has nearly every caller make such ones.
func (c *outage) adjust(s *Step) {
	if c.rolls.filling.Load() && s.Key != "" {
		c.heavier(s, int(c.rolls.turn.Add(1)))
	}
	heavy(s)
}

// heavier makes another command of one: the members are suspended and reactivated in turn.
func (s *Site) heavier(step *Step, n int) {
	member := s.Members[n/2%len(s.Members)].User
	name, verb, status := "Suspend", "/suspend", "suspended"
	if n%2 == 1 {
		name, verb, status = "Reactivate", "/reactivate", "active"
	}
	*step = Step{Name: name, Key: step.Key, Caller: "user:" + s.Owner.User, Token: s.Owner.Session, Home: events.OfAccount(s.Account),
		Method: http.MethodPost, Path: "/v1/accounts/" + s.Account.String() + "/users/" + member + verb, Body: M{},
		isSo: func(f *Fold) bool { return f.Members[member].Status == status }}
}

// fill has callers nearly fill the newest block of the log of a site that is stopped, and moves From behind what they did.
func (s *Site) fill(ctx context.Context) error {
	p, err := s.Start(ctx)
	if err != nil {
		return err
	}
	defer p.Kill() // where something fails
	load := s.NewLoad("fill", len(s.Members))
	load.pause = 0
	var turn atomic.Int64
	load.adjust = func(step *Step) {
		if step.Key != "" {
			s.heavier(step, int(turn.Add(1)))
		}
		heavy(step)
	}
	working, stop := context.WithTimeout(ctx, rollWithin)
	defer stop()
	load.Begin(working)
	load.Open(p.URL)
	for {
		n, size, err := s.newestBlock()
		if err != nil {
			return err
		}
		if size >= almost || n > 1 {
			break
		}
		if err := Wait(working, time.Millisecond); err != nil {
			return fmt.Errorf("the log's block has %d bytes: %w", size, err)
		}
	}
	if err := errors.Join(load.Finish(ctx), p.Stop(ctx)); err != nil {
		return err
	}
	h, err := s.Read(ctx)
	if err != nil {
		return err
	}
	s.From = h.Last()
	return nil
}

// newestBlock is the number and the size of the block of the log that grows.
func (s *Site) newestBlock() (n int, size int64, err error) {
	list, err := os.ReadDir(filepath.Join(s.stream("ROSTER_LOG"), "msgs"))
	if err != nil {
		return 0, 0, err
	}
	for _, e := range list {
		number, ok := strings.CutSuffix(e.Name(), ".blk")
		if i, err := strconv.Atoi(number); ok && err == nil && i > n {
			n = i
		}
	}
	is, err := os.Stat(s.block(n))
	if err != nil {
		return n, 0, fmt.Errorf("the newest block of the log: %w", err)
	}
	return n, is.Size(), nil
}

func (s *Site) block(n int) string {
	return filepath.Join(s.stream("ROSTER_LOG"), "msgs", strconv.Itoa(n)+".blk")
}

// cutRoll has the callers fill the newest block of the log and cuts the power when the next one has been made: in turn a
// moment later, when a few commands may have been acknowledged that stand in it, and at once.
func (c *outage) cutRoll(ctx context.Context, p *Program) error {
	old, _, err := c.newestBlock()
	if err != nil {
		return err
	}
	c.rolls.filling.Store(true)
	defer c.rolls.filling.Store(false)
	waiting, cancel := context.WithTimeout(ctx, rollWithin)
	defer cancel()
	for {
		_, err := os.Stat(c.block(old + 1))
		if err == nil {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if err := Wait(waiting, looksAfter); err != nil {
			return fmt.Errorf("the log's block is not filled: %w: %s", err, p.Stderr())
		}
	}
	if c.rolls.cuts%2 == 0 {
		if err := Wait(ctx, time.Duration(c.chance.IntN(40))*time.Millisecond); err != nil {
			return err
		}
	}
	c.rolls.cuts++
	if err := c.pull(ctx, p); err != nil {
		return err
	}
	if _, err := os.Stat(c.block(old + 1)); err == nil {
		c.rolls.made++
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
