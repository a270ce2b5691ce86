package eventlog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// How long a request without an earlier deadline waits for its answer. A server elsewhere drops what comes while its
// stream has no leader, without a word; who asks soon again finds the next one.
const (
	answerWithin = 10 * time.Second
	remoteWithin = 4 * time.Second
)

// The ways in which a request ends without an answer.
var (
	errNotSent  = errors.New("not sent")
	errNobody   = errors.New("nobody answers for the stream")
	errLost     = errors.New("connection lost")
	errNoAnswer = errors.New("no answer in time")
)

// requests sends requests over one connection and hands each the answers that are for it, as many as it takes:
// an acknowledgement, or a page of messages. A lost connection ends all that wait, at once.
type requests struct {
	nc     *natsgo.Conn
	within time.Duration
	inbox  string
	sub    *natsgo.Subscription
	status chan natsgo.Status
	done   chan struct{}

	mu      sync.Mutex
	next    uint64
	waiting map[string]*request
	closed  bool
}

type request struct {
	take func(*natsgo.Msg) (done bool, err error)
	end  chan error
}

func newRequests(nc *natsgo.Conn, within time.Duration) (*requests, error) {
	r := &requests{nc: nc, within: within, inbox: nc.NewInbox() + ".", waiting: map[string]*request{}, done: make(chan struct{})}
	sub, err := nc.Subscribe(r.inbox+"*", r.answer)
	if err != nil {
		return nil, err
	}
	// Memory is bounded by what requests ask for; a dropped answer would look like a time-out.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		return nil, errors.Join(err, sub.Unsubscribe())
	}
	r.sub = sub
	r.status = nc.StatusChanged(natsgo.DISCONNECTED, natsgo.RECONNECTING, natsgo.CLOSED)
	go r.watch()
	return r, nil
}

func (r *requests) watch() {
	defer close(r.done)
	for range r.status {
		r.failAll(errLost)
	}
}

func (r *requests) failAll(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for token, req := range r.waiting {
		delete(r.waiting, token)
		req.end <- err
	}
}

func (r *requests) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	_ = r.sub.Unsubscribe() // an error says that the connection is closed
	r.nc.RemoveStatusListener(r.status)
	<-r.done
	r.failAll(errLost)
}

func (r *requests) answer(m *natsgo.Msg) {
	token := m.Subject[len(r.inbox):]
	r.mu.Lock()
	req := r.waiting[token]
	r.mu.Unlock()
	if req == nil {
		return // its caller has gone
	}
	done, err := false, error(nil)
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		err = errNobody
	} else {
		done, err = req.take(m)
	}
	if !done && err == nil {
		return
	}
	r.mu.Lock()
	_, waits := r.waiting[token]
	delete(r.waiting, token)
	r.mu.Unlock()
	if waits {
		req.end <- err
	}
}

// do sends messages, which all get the same reply subject, and calls take for each answer, one at a time, until it
// says that it is done or fails. What take has gathered may be used when do returned nil, and not otherwise.
// errNotSent says that the last message was not handed to the connection.
func (r *requests) do(ctx context.Context, take func(*natsgo.Msg) (bool, error), msgs ...*natsgo.Msg) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	if !r.nc.IsConnected() {
		return fmt.Errorf("%w: %w", errNotSent, errLost)
	}
	req := &request{take: take, end: make(chan error, 1)}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return fmt.Errorf("%w: %w", errNotSent, ErrClosed)
	}
	r.next++
	token := strconv.FormatUint(r.next, 36)
	r.waiting[token] = req
	r.mu.Unlock()
	forget := func() {
		r.mu.Lock()
		delete(r.waiting, token)
		r.mu.Unlock()
	}

	for _, m := range msgs {
		m.Reply = r.inbox + token
		if err := r.nc.PublishMsg(m); err != nil {
			forget()
			return unsent(err)
		}
	}
	timeout := time.NewTimer(r.within)
	defer timeout.Stop()
	select {
	case err := <-req.end:
		return err
	case <-ctx.Done():
		forget()
		return ctx.Err()
	case <-timeout.C:
		forget()
		return errNoAnswer
	}
}

// unsent tells what the connection refused to take from what broke while it was being written.
func unsent(err error) error {
	for _, before := range []error{natsgo.ErrConnectionClosed, natsgo.ErrConnectionDraining, natsgo.ErrReconnectBufExceeded,
		natsgo.ErrMaxPayload, natsgo.ErrHeadersNotSupported, natsgo.ErrInvalidConnection} {
		if errors.Is(err, before) {
			return fmt.Errorf("%w: %w", errNotSent, err)
		}
	}
	return fmt.Errorf("%w: %w", errLost, err)
}
