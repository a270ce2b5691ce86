package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"roster/domain"
	"roster/handlers/api"
	"roster/infra/keyring"
	"roster/projections"
)

// links are what the API asks of the keyring.
type links struct{ keys *keyring.Keyring }

func (l links) Mint(purpose byte, scope, subject [16]byte, generation uint32) string {
	return l.keys.MintLink(keyring.Link{Purpose: purpose, Scope: scope, Subject: subject, Generation: generation})
}

func (l links) Read(token string) (byte, [16]byte, [16]byte, uint32, error) {
	k, err := l.keys.ReadLink(token, time.Now())
	return k.Purpose, k.Scope, k.Subject, k.Generation, err
}

// api is the handler of the main listener, as the program wires it. Without models it answers commands only.
func (p *portal) api(models *projections.Runner) (http.Handler, error) {
	return api.New(api.Config{App: p.app, Access: p.access, Links: links{p.keys}, Models: models,
		PublicURL: "http://localhost:8080", Version: "bench", Cursor: p.keys.AddressHMAC("\x00cursors\x00"), Metrics: api.NewMetrics()})
}

// serve serves a handler on a loopback port until the group ends, with the program's settings.
func (l *lab) serve(ctx context.Context, h http.Handler) (address string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	l.onClose(func() error {
		err := server.Close()
		if end := <-ended; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		return err
	})
	return listener.Addr().String(), nil
}

// client is a connection that stays open. It does as little as a client can: the machine is the server's.
type client struct {
	conn net.Conn
	in   *bufio.Reader
}

func (l *lab) clients(ctx context.Context, address string, n int) ([]*client, error) {
	list := make([]*client, n)
	for i := range list {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		l.onClose(func() error { _ = conn.Close(); return nil }) // the server may have closed it
		list[i] = &client{conn, bufio.NewReaderSize(conn, 32<<10)}
	}
	return list, nil
}

// ask sends a request as it is and reads the answer, which has to be 200; body says whether it is wanted.
func (c *client) ask(request []byte, body bool) ([]byte, error) {
	r, err := c.send(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Body.Close() }()
	if r.StatusCode != http.StatusOK || body {
		text, err := io.ReadAll(r.Body)
		if err == nil && r.StatusCode != http.StatusOK {
			err = fmt.Errorf("answered %s: %.300s", r.Status, text)
		}
		return text, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return nil, err
}

// send sends a request as it is and reads the answer's head.
func (c *client) send(request []byte) (*http.Response, error) {
	if err := c.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(request); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.in, nil)
}

// whole sends a request and answers the status and body of whatever comes back.
func (c *client) whole(request []byte) (string, error) {
	r, err := c.send(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Body.Close() }()
	text, err := io.ReadAll(r.Body)
	return r.Status + " " + string(text), err
}

func request(method, path, token, body string) []byte {
	text := method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n"
	if token != "" {
		text += "Authorization: Bearer " + token + "\r\n"
	}
	if body != "" {
		text += fmt.Sprintf("Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	return []byte(text + "\r\n" + body)
}

// asked is a firm with the two requests that change its member's role.
type asked struct {
	raise, lower []byte
	raised       bool
}

func (f *firm) asked() asked {
	path := "/v1/accounts/" + f.id.String() + "/users/" + f.member.String() + "/role"
	return asked{raise: request(http.MethodPut, path, f.owner.token, `{"roles":["`+domain.Manager+`"]}`),
		lower: request(http.MethodPut, path, f.owner.token, `{"roles":["`+domain.Viewer+`"]}`)}
}

func (a *asked) next() []byte {
	a.raised = !a.raised
	if a.raised {
		return a.raise
	}
	return a.lower
}

// empty answers as briefly as can be, once it has read the request.
func empty(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return // the client is gone
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte("{}\n"))
}

func overHTTP(ctx context.Context, l *lab) error {
	p, err := l.portal(ctx)
	if err != nil {
		return err
	}
	firms, err := p.firms(ctx, l.accounts())
	if err != nil {
		return err
	}
	handler, err := p.api(nil)
	if err != nil {
		return err
	}
	address, err := l.serve(ctx, handler)
	if err != nil {
		return err
	}
	idle, err := l.serve(ctx, http.HandlerFunc(empty))
	if err != nil {
		return err
	}
	requests := make([]asked, len(firms))
	for i := range firms {
		requests[i] = firms[i].asked()
	}
	for _, c := range callersOf() {
		callers := c.callers
		name := fmt.Sprintf("commands/http/%d", callers)
		if !l.wanted(name) {
			continue
		}
		before, err := p.log.Last(ctx)
		if err != nil {
			return err
		}
		real, err := l.putting(ctx, name, address, requests, callers)
		if err != nil {
			return err
		}
		none, err := l.putting(ctx, "http/empty", idle, clone(requests), callers)
		if err != nil {
			return err
		}
		real.share, none.share = c.share, c.share
		got, err := l.race(ctx, real, none)
		if err != nil {
			return err
		}
		// A request that was answered 200 and changed nothing would be counted as a command.
		if after, err := p.log.Last(ctx); err != nil || after < before+uint64(got[0].count) {
			return errors.Join(err, fmt.Errorf("%s: %d commands and %d commits", name, got[0].count, after-before))
		}
		g := goal{}
		if callers == 64 {
			g = atLeast(9000, "commands/s")
		}
		l.row(perSecond("commands/s").row(name, got[0], &got[1], g))
		if callers == 64 {
			l.row(perSecond("commands/s").row(name+"/half", got[0], &got[1], atLeastTimes(0.5)))
		}
	}
	return nil
}

func clone(list []asked) []asked { return append([]asked(nil), list...) }

// putting is a contestant of callers with a connection each who go round requests that are theirs alone.
func (l *lab) putting(ctx context.Context, name, address string, requests []asked, callers int) (contestant, error) {
	clients, err := l.clients(ctx, address, callers)
	if err != nil {
		return contestant{}, err
	}
	next, mine := make([]int, callers), len(requests)/callers
	return contestant{name: name, callers: callers, op: func(_ context.Context, caller int) error {
		a := &requests[caller*mine+next[caller]%mine]
		next[caller]++
		_, err := clients[caller].ask(a.next(), false)
		return err
	}}, nil
}

// getting is a contestant of callers who ask for the same page again and again.
func (l *lab) getting(ctx context.Context, name, address string, request []byte, callers int) (contestant, error) {
	clients, err := l.clients(ctx, address, callers)
	if err != nil {
		return contestant{}, err
	}
	return contestant{name: name, callers: callers, op: func(_ context.Context, caller int) error {
		_, err := clients[caller].ask(request, false)
		return err
	}}, nil
}

// page is what of a page of the user list is looked at.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  *string           `json:"next_cursor"`
}

func (c *client) page(request []byte) (page, error) {
	var p page
	text, err := c.ask(request, true)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err
}
