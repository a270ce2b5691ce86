package eventlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"roster/handlers"
)

// heardWithin is how long ago the leader may have heard from a majority. One that has not may have been replaced, and
// know nothing of what its successor has acknowledged: an election takes longer.
const heardWithin = 2 * time.Second

// Last implements handlers.Log. A sole writer answers from memory: every commit that was acknowledged before the
// call is at or before the answer, and the answer is on disk. Otherwise the stream's leader is asked, once for all who
// wait; one that has not heard from a majority of its replicas for two seconds is handlers.ErrUnavailable, and so is
// one that does not have what this process knows to have been acknowledged.
func (l *Log) Last(ctx context.Context) (uint64, error) {
	if l.sole {
		return l.last.Load(), nil
	}
	known := l.last.Load()
	last, err := l.ask.do(ctx, l.askLeader)
	if err == nil && last < known {
		err = fmt.Errorf("%w: the leader's log ends at position %d, and %d was acknowledged", handlers.ErrUnavailable, last, known)
	}
	if err == nil {
		err = unavailable(l.onDisk(ctx, last))
	}
	if err != nil {
		return 0, fmt.Errorf("last position: %w", err)
	}
	return last, nil
}

func (l *Log) askLeader(ctx context.Context) (uint64, error) {
	var answer struct {
		Error *jetstream.APIError `json:"error"`
		State *struct {
			LastSeq uint64 `json:"last_seq"`
		} `json:"state"`
		Config struct {
			Replicas int `json:"num_replicas"`
		} `json:"config"`
		Cluster *cluster `json:"cluster"`
	}
	err := l.reading.do(ctx, func(m *natsgo.Msg) (bool, error) { return true, json.Unmarshal(m.Data, &answer) },
		&natsgo.Msg{Subject: "$JS.API.STREAM.INFO." + l.stream})
	switch {
	case err != nil:
		return 0, unavailable(err)
	case answer.Error != nil:
		return 0, fmt.Errorf("%w: %w", handlers.ErrUnavailable, answer.Error)
	case answer.State == nil:
		return 0, errors.New("an answer without a state")
	}
	if err := answer.Cluster.leads(answer.Config.Replicas); err != nil {
		return 0, fmt.Errorf("%w: %w", handlers.ErrUnavailable, err)
	}
	return answer.State.LastSeq, nil
}

// cluster is what a stream's leader says of its replicas.
type cluster struct {
	Leader   string `json:"leader"`
	Replicas []struct {
		Name    string        `json:"name"`
		Offline bool          `json:"offline"`
		Active  time.Duration `json:"active"` // since it was heard from, in nanoseconds
	} `json:"replicas"`
}

// leads says why the answer may be of a leader that is none any more.
func (c *cluster) leads(replicas int) error {
	if replicas <= 1 {
		return nil
	}
	if c == nil || c.Leader == "" {
		return errors.New("the stream has no leader")
	}
	heard := 1 // itself
	for _, r := range c.Replicas {
		if !r.Offline && r.Active < heardWithin {
			heard++
		}
	}
	if heard <= replicas/2 {
		return fmt.Errorf("the leader has heard from %d of %d replicas within %s, itself counted", heard, replicas, heardWithin)
	}
	return nil
}
