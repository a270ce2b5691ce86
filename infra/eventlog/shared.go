package eventlog

import (
	"context"
	"sync"
)

// shared asks once for all who wait. Whoever comes while a question is under way waits for the next one: an answer
// that was on its way may be older than the caller.
type shared struct {
	mu      sync.Mutex
	running bool
	next    *question // of those who wait for the one under way to end
}

type question struct {
	done chan struct{}
	pos  uint64
	err  error
}

func (s *shared) do(ctx context.Context, ask func(context.Context) (uint64, error)) (uint64, error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &question{done: make(chan struct{})}
	}
	q := s.next
	if !s.running {
		s.running = true
		go s.run(context.WithoutCancel(ctx), ask) // ends within answerWithin of the last question
	}
	s.mu.Unlock()
	select {
	case <-q.done:
		return q.pos, q.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *shared) run(ctx context.Context, ask func(context.Context) (uint64, error)) {
	for {
		s.mu.Lock()
		q := s.next
		s.next = nil
		s.running = q != nil
		s.mu.Unlock()
		if q == nil {
			return
		}
		q.pos, q.err = ask(ctx)
		close(q.done)
	}
}
