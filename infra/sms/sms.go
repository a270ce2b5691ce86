// Package sms hands short messages to a gateway over HTTP.
package sms

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Gateway posts each message as JSON, {"to":"+31…","text":"…"}. Two headers let the receiver know that it was us:
// Roster-Timestamp, in seconds, and Roster-Signature, "v1=" and the hex of HMAC-SHA-256 over timestamp, a dot and the
// body, by the password of the gateway's URL. Any 2xx takes the message.
type Gateway struct {
	to     string
	key    []byte
	client *http.Client
	clock  func() time.Time
}

// Open makes a Gateway of an address, https://:KEY@host/path; without TLS only on this machine.
func Open(address string) (*Gateway, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" { // err repeats the key
		return nil, errors.New("want https://:KEY@HOST/PATH")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, errors.New("codes go to another machine by https alone")
	}
	key, ok := u.User.Password()
	if !ok || len(key) < 16 {
		return nil, errors.New("want a key of 16 characters at least, as https://:KEY@HOST/PATH: requests are signed with it")
	}
	u.User = nil
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConns: 4, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return &Gateway{u.String(), []byte(key), client, time.Now}, nil
}

// Text hands a message over. The error never has the message in it.
func (g *Gateway) Text(ctx context.Context, to, text string) error {
	body, err := json.Marshal(struct {
		To   string `json:"to"`
		Text string `json:"text"`
	}{to, text})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, g.to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	at := strconv.FormatInt(g.clock().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Roster-Timestamp", at)
	r.Header.Set("Roster-Signature", Signature(g.key, at, body))
	answer, err := g.client.Do(r)
	if err != nil {
		return fmt.Errorf("sms gateway: %w", err)
	}
	defer func() { _ = answer.Body.Close() }() // nothing was written
	if _, err := io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)); err != nil {
		return fmt.Errorf("sms gateway: %w", err)
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("sms gateway: it answered %d", answer.StatusCode)
	}
	return nil
}

// Close lets connections go.
func (g *Gateway) Close() error {
	g.client.CloseIdleConnections()
	return nil
}

// Signature is what stands in Roster-Signature.
func Signature(key []byte, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}
