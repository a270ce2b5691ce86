package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	tries      = 3                      // how often a request is sent before it is given up
	firstPause = 250 * time.Millisecond // between two tries, where the server asks for none
	longest    = 30 * time.Second       // that a server's Retry-After is followed
	pageSize   = 500                    // items in a page of a list
)

// client asks a Roster over its HTTP API.
type client struct {
	login
	behalf string
	asJSON bool
	io     stdio
	http   *http.Client
}

func newClient(to login, behalf string, asJSON bool, io stdio) *client {
	transport := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		ResponseHeaderTimeout: 5 * time.Minute, // inviting thousands takes its time
		TLSHandshakeTimeout:   10 * time.Second,
		IdleConnTimeout:       time.Minute,
	}
	return &client{login: to, behalf: behalf, asJSON: asJSON, io: io, http: &http.Client{
		Transport: transport,
		// A redirected command would arrive as a question, and the key somewhere else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// question is a request as it is sent, once or again.
type question struct {
	method, path string
	query        url.Values
	body         any
	key          string // the idempotency key of a command
	dryRun       bool
	accept       string
	stream       bool // whoever asks reads the body as it comes
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// get asks for a JSON document.
func (c *client) get(ctx context.Context, path string, query url.Values) (json.RawMessage, error) {
	a, err := c.ask(ctx, question{method: http.MethodGet, path: path, query: query})
	return a.body, err
}

// ask sends a question, and again where the answer was lost or the server is not there for now: a command has its
// idempotency key, so that it is done once. What is no success is an error.
func (c *client) ask(ctx context.Context, q question) (answer, error) {
	res, err := c.open(ctx, q)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, body}, err
}

// open sends a question until it is answered.
func (c *client) open(ctx context.Context, q question) (*http.Response, error) {
	pause := firstPause
	for try := 1; ; try++ {
		res, err := c.send(ctx, q)
		if err == nil && res.StatusCode < http.StatusMultipleChoices {
			return res, nil
		}
		var trouble error
		switch {
		case ctx.Err() != nil:
			return nil, stopped(q)
		case err != nil:
			trouble = c.lost(q, err)
		default:
			if trouble = c.refusal(q, res); !transient(res.StatusCode) {
				return nil, trouble
			}
			if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds >= 0 {
				pause = min(time.Duration(seconds)*time.Second, longest)
			}
		}
		if try == tries {
			return nil, trouble
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, stopped(q)
		}
		pause *= 2
	}
}

// transient says of a status that asking again may help.
func transient(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusBadGateway || status == http.StatusGatewayTimeout
}

func (c *client) send(ctx context.Context, q question) (*http.Response, error) {
	at := c.Endpoint + q.path
	if len(q.query) > 0 {
		at += "?" + q.query.Encode()
	}
	var body io.Reader
	if q.body != nil {
		text, err := json.Marshal(q.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, q.method, at, body)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + c.Key, "Accept": q.accept,
		"Idempotency-Key": q.key, "Roster-On-Behalf-Of": c.behalf, "User-Agent": "roster/" + version} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if q.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if q.dryRun {
		req.Header.Set("Roster-Dry-Run", "true")
	}
	res, err := c.http.Do(req)
	if err != nil || q.stream {
		return res, err
	}
	defer func() { _ = res.Body.Close() }()
	whole, err := io.ReadAll(res.Body) // an answer that breaks off is none
	if err != nil {
		return nil, err
	}
	res.Body = io.NopCloser(bytes.NewReader(whole))
	return res, nil
}

// refusal reads the answer of a server that did not do what it was asked.
func (c *client) refusal(q question, res *http.Response) error {
	defer func() { _ = res.Body.Close() }()
	if to := res.Header.Get("Location"); res.StatusCode < http.StatusBadRequest {
		return &awayError{fmt.Sprintf("%s answers that Roster is elsewhere, at %s: give that as --endpoint", c.Endpoint, printable(to))}
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return c.lost(q, err)
	}
	p := problemOf(answer{res.StatusCode, res.Header, body})
	switch {
	case p.Status == http.StatusUnauthorized:
		p.hint = "the key is not known at " + c.Endpoint + ": roster login keeps another"
	case p.Status == http.StatusTooManyRequests && res.Header.Get("Retry-After") != "":
		p.hint = "try again in " + res.Header.Get("Retry-After") + " s"
	case transient(p.Status) && q.key != "" && !q.dryRun:
		p.hint = again(q)
	}
	return p
}

// lost says that there was no answer, and what to do.
func (c *client) lost(q question, err error) error {
	var in *url.Error
	if errors.As(err, &in) {
		err = in.Err
	}
	text := fmt.Sprintf("Roster does not answer at %s (%v): is roster serve running there? --endpoint says where else", c.Endpoint, err)
	if q.key != "" && !q.dryRun {
		text += "; " + again(q)
	}
	return &awayError{text}
}

// stopped is that whoever asked does not want to wait any longer.
func stopped(q question) error {
	if q.key == "" || q.dryRun {
		return errors.New("interrupted")
	}
	return errors.New("interrupted; " + again(q))
}

// again is how a command of which nobody knows whether it was done is sent once more.
func again(q question) string {
	return "if it was done all the same, the same command with --idempotency-key " + q.key + " does not do it twice"
}

// pages reads a list: page after page, as many items as are wanted, all where limit is 0. It answers the first page
// with all of them.
func (c *client) pages(ctx context.Context, path string, query url.Values, limit int) (listing, error) {
	telling := c.io.progress()
	defer telling.end()
	if query == nil {
		query = url.Values{}
	}
	var all listing
	for {
		query.Set("limit", strconv.Itoa(pageSize))
		if limit > 0 {
			query.Set("limit", strconv.Itoa(min(limit-len(all.items), pageSize)))
		}
		raw, err := c.get(ctx, path, query)
		if err != nil {
			return listing{}, err
		}
		page, err := listingOf(raw)
		if err != nil {
			return listing{}, err
		}
		if all.rest == nil {
			all.rest = page.rest
		}
		all.items, all.next = append(all.items, page.items...), page.next
		if limit > 0 && len(all.items) >= limit || all.next == "" {
			return all, nil
		}
		telling.say("%d read", len(all.items))
		query.Set("cursor", all.next)
	}
}

// one reads a list that is answered whole.
func (c *client) one(ctx context.Context, path string, query url.Values) (listing, error) {
	raw, err := c.get(ctx, path, query)
	if err != nil {
		return listing{}, err
	}
	return listingOf(raw)
}

// listing is a list: its items, and what else the server said with them.
type listing struct {
	items []json.RawMessage
	next  string
	rest  map[string]json.RawMessage
}

func listingOf(raw json.RawMessage) (listing, error) {
	var l listing
	var page struct {
		Items []json.RawMessage `json:"items"`
		Next  *string           `json:"next_cursor"`
	}
	if err := errors.Join(json.Unmarshal(raw, &page), json.Unmarshal(raw, &l.rest)); err != nil || page.Items == nil {
		return l, &awayError{"the server answered something else than a list: is this Roster?"}
	}
	l.items = page.Items
	if page.Next != nil {
		l.next = *page.Next
	}
	return l, nil
}

// document is the list as one JSON document, with the cursor of what has not been read.
func (l listing) document() map[string]any {
	out := map[string]any{}
	for name, value := range l.rest {
		out[name] = value
	}
	out["items"] = l.items
	if l.items == nil {
		out["items"] = []json.RawMessage{}
	}
	out["next_cursor"] = nil
	if l.next != "" {
		out["next_cursor"] = l.next
	}
	return out
}

// newKey is an idempotency key that nobody has used.
func newKey() string { return "cli-" + uuid.Must(uuid.NewV7()).String() }

// at is a path of the API with its parts escaped.
func at(parts ...string) string {
	var b strings.Builder
	b.WriteString("/v1")
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}
