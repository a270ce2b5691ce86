package nats

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	monitorPort   = "8222"
	monitorWithin = 3 * time.Second
	pingedWithin  = 500 * time.Millisecond // for all servers to answer one question
)

// ErrWouldLose says that the servers acknowledge what a power cut takes away again, or that nobody knows.
var ErrWouldLose = errors.New("a power cut would lose acknowledged commands")

// Servers is what is known of the settings of servers elsewhere.
type Servers struct {
	connected string          // the one that we are connected to
	always    map[string]bool // by name: a message is on disk before it is acknowledged
	silent    []string        // why others are not known
}

// varz is what we read of a server's answer about itself.
type varz struct {
	Name      string `json:"server_name"`
	JetStream struct {
		Config *struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
	} `json:"jetstream"`
}

// ReadServers asks servers for their settings: over the connection, where its account imports
// $SYS.REQ.SERVER.PING.VARZ, and at their monitoring endpoints: those given, or port 8222 of every host that the
// connection knows. One that does not answer is not known afterwards.
func ReadServers(ctx context.Context, conn *natsgo.Conn, monitors string) Servers {
	s := Servers{connected: conn.ConnectedServerName(), always: map[string]bool{}}
	for _, v := range pinged(ctx, conn) {
		s.learn(v)
	}
	var list []string
	for _, one := range strings.Split(monitors, ",") {
		if one = strings.TrimRight(strings.TrimSpace(one), "/"); one != "" {
			list = append(list, one)
		}
	}
	if len(list) == 0 {
		for _, server := range conn.Servers() {
			if u, err := url.Parse(server); err == nil {
				list = append(list, "http://"+hostPort(u.Hostname()))
			}
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	answers, errs := make([]varz, len(list)), make([]error, len(list))
	var asking sync.WaitGroup
	for i, one := range list {
		asking.Go(func() { answers[i], errs[i] = monitored(ctx, one) })
	}
	asking.Wait()
	for i := range list {
		if errs[i] != nil {
			s.silent = append(s.silent, errs[i].Error())
			continue
		}
		s.learn(answers[i])
	}
	return s
}

func hostPort(host string) string {
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + monitorPort
}

func (s Servers) learn(v varz) {
	if v.Name != "" && v.JetStream.Config != nil {
		s.always[v.Name] = v.JetStream.Config.SyncAlways
	}
}

// monitored asks a monitoring endpoint.
func monitored(ctx context.Context, monitor string) (v varz, err error) {
	ctx, cancel := context.WithTimeout(ctx, monitorWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, monitor+"/varz", nil)
	if err != nil {
		return v, fmt.Errorf("%s is no URL of a monitoring endpoint", monitor)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err
		}
		return v, fmt.Errorf("%s/varz: %w", monitor, err)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err = errors.Join(err, res.Body.Close()); err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err == nil && v.Name == "" {
		err = errors.New("this is no NATS server")
	}
	if err != nil {
		return v, fmt.Errorf("%s/varz: %w", monitor, err)
	}
	return v, nil
}

// pinged asks every server over the connection. Most accounts may not, and then nobody answers.
func pinged(ctx context.Context, conn *natsgo.Conn) (answers []varz) {
	ctx, cancel := context.WithTimeout(ctx, pingedWithin)
	defer cancel()
	inbox := conn.NewRespInbox()
	sub, err := conn.SubscribeSync(inbox)
	if err != nil {
		return nil
	}
	defer func() { _ = sub.Unsubscribe() }() // it goes with the connection otherwise
	if err := conn.PublishRequest("$SYS.REQ.SERVER.PING.VARZ", inbox, nil); err != nil {
		return nil
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return answers
		}
		var answer struct {
			Data varz `json:"data"`
		}
		if len(m.Data) > 0 && json.Unmarshal(m.Data, &answer) == nil {
			answers = append(answers, answer.Data)
		}
	}
}

// Holds says what the servers that hold a stream promise of what they have acknowledged in it. A single copy that is
// not synced before it is acknowledged, or of which that is not known, is ErrWouldLose and how to mend it. Copies on
// several servers outlive the loss of one; a warning says so where they would not outlive a power cut of all.
func (s Servers) Holds(stream *jetstream.StreamInfo) (warning string, err error) {
	copies := []string{s.connected}
	if c := stream.Cluster; c != nil && c.Leader != "" {
		copies = []string{c.Leader}
		for _, r := range c.Replicas {
			copies = append(copies, r.Name)
		}
	}
	var lazy, unknown []string
	for _, name := range copies {
		switch always, known := s.always[name]; {
		case !known:
			unknown = append(unknown, name)
		case !always:
			lazy = append(lazy, name)
		}
	}
	name := stream.Config.Name
	if stream.Config.Replicas > 1 {
		switch {
		case len(lazy) > 0:
			return fmt.Sprintf("%s acknowledge what is not on disk yet in stream %s: a power cut of several servers at once would lose acknowledged commands; set sync_interval: always in the jetstream block of each",
				strings.Join(lazy, ", "), name), nil
		case len(unknown) > 0:
			return fmt.Sprintf("it is not known whether %s sync stream %s before they acknowledge: without it, a power cut of several servers at once would lose acknowledged commands (%s)",
				strings.Join(unknown, ", "), name, s.why()), nil
		}
		return "", nil
	}
	switch {
	case len(lazy) > 0:
		return "", fmt.Errorf("%w: stream %s has one copy, on NATS server %s, which acknowledges what is not on disk yet: set sync_interval: always in its jetstream block, or make the stream on three servers (--nats-replicas 3)",
			ErrWouldLose, name, lazy[0])
	case len(unknown) > 0:
		return "", fmt.Errorf("%w, for all that is known: stream %s has one copy, on NATS server %s, and nobody says whether it syncs before it acknowledges (%s): give its monitoring endpoint (http: 8222 in its configuration) by --nats-monitor http://HOST:8222, or import the service $SYS.REQ.SERVER.PING.VARZ into our account",
			ErrWouldLose, name, unknown[0], s.why())
	}
	return "", nil
}

func (s Servers) why() string {
	return cmp.Or(strings.Join(s.silent, "; "), "others answered")
}
