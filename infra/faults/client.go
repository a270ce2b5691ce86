package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// M is a JSON object.
type M = map[string]any

// Client asks a program with a token and headers. The zero value but for URL is anonymous.
type Client struct {
	URL    string
	Token  string
	Header map[string]string
	HTTP   *http.Client // nil: one with a minute's patience
}

// Client is an anonymous client of the program.
func (p *Program) Client() Client { return Client{URL: p.URL} }

// As is the client with another token.
func (c Client) As(token string) Client { c.Token = token; return c }

// With is the client with one more header.
func (c Client) With(name, value string) Client {
	header := map[string]string{}
	for k, v := range c.Header {
		header[k] = v
	}
	header[name] = value
	c.Header = header
	return c
}

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Into reads the answer's body.
func (a Answer) Into(v any) error { return json.Unmarshal(a.Body, v) }

// Do asks. An error means that no whole answer came: what became of the request is not known.
func (c Client) Do(ctx context.Context, method, path string, body any) (Answer, error) {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return Answer{}, err
		}
		reader = bytes.NewReader(raw)
	}
	if !strings.HasPrefix(path, "http") {
		path = c.URL + path
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Minute)
		defer cancel()
	}
	req, err := http.NewRequestWithContext(ctx, method, path, reader)
	if err != nil {
		return Answer{}, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for k, v := range c.Header {
		req.Header.Set(k, v)
	}
	res, err := client.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }() // it has been read
	raw, err := io.ReadAll(res.Body)
	return Answer{res.StatusCode, res.Header, raw}, err
}

// Call asks and reads the answer into a value, unless that is nil. A refusal is an error.
func (c Client) Call(ctx context.Context, method, path string, body, into any) error {
	a, err := c.Do(ctx, method, path, body)
	if err == nil && (a.Status < 200 || a.Status > 299) {
		err = fmt.Errorf("status %d: %.500s", a.Status, a.Body)
	}
	if err == nil && into != nil {
		err = json.Unmarshal(a.Body, into)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// Get asks a question.
func (c Client) Get(ctx context.Context, path string, into any) error {
	return c.Call(ctx, http.MethodGet, path, nil, into)
}

// Post sends a command.
func (c Client) Post(ctx context.Context, path string, body, into any) error {
	return c.Call(ctx, http.MethodPost, path, body, into)
}
