package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"roster/infra/nats/natstest"
	"roster/infra/postgres/launch"
)

const nodesCallers = 8

func nodes() Fault {
	return Fault{Name: "nodes", Short: 2, Long: 60, Run: runNodes,
		About: "three nats-servers under load: the log's leader steps down, or a server is killed -9 and comes back"}
}

// NewClusterSite is NewExternalSite with the log on three nats-servers.
func (l *Lab) NewClusterSite(ctx context.Context, members int) (*Site, []*natstest.Server, error) {
	data, err := l.Dir()
	if err != nil {
		return nil, nil, err
	}
	servers, err := natstest.Cluster(ctx, 3, natstest.Config{Dir: filepath.Join(data, "nats"), SyncAlways: true})
	if err != nil {
		return nil, nil, err
	}
	var monitors []string
	for _, one := range servers {
		l.OnClose(one.Kill)
		monitors = append(monitors, one.Monitor)
	}
	s := &Site{Data: data, lab: l, Nats: servers[0]}
	if s.Database, err = launch.Start(ctx, launch.Config{Dir: data}); err != nil {
		return nil, nil, err
	}
	l.OnClose(s.stopDatabase)
	s, err = l.settle(ctx, s, members, "--nats", natstest.URLs(servers), "--nats-monitor", strings.Join(monitors, ","), "--database", s.Database.URL(""))
	return s, servers, err
}

func runNodes(ctx context.Context, l *Lab, rounds int) (o Outcome, err error) {
	site, servers, err := l.NewClusterSite(ctx, nodesCallers)
	if err != nil {
		return o, err
	}
	p, err := site.Start(ctx)
	if err != nil {
		return o, err
	}
	who, err := site.joined(ctx, p)
	if err != nil {
		return o, err
	}
	load := site.NewLoad("nodes", nodesCallers)
	working, stop := context.WithCancel(ctx)
	defer stop()
	load.Begin(working)
	load.Open(p.URL)
	conn, err := natsgo.Connect(natstest.URLs(servers), natsgo.MaxReconnects(-1))
	if err != nil {
		return o, err
	}
	defer conn.Close()
	chance := l.Rand("nodes")
	var figures Outcome
	var longest time.Duration
	for n := range rounds {
		if err := Wait(ctx, time.Duration(200+chance.IntN(600))*time.Millisecond); err != nil {
			return o, err
		}
		leader, err := leaderOf(ctx, conn, "ROSTER_LOG")
		if err != nil {
			return o, err
		}
		what, killed := "leaders that stepped down", (*natstest.Server)(nil)
		began := time.Now()
		if n%2 == 0 {
			if _, err := conn.RequestWithContext(ctx, "$JS.API.STREAM.LEADER.STEPDOWN.ROSTER_LOG", nil); err != nil {
				return o, err
			}
		} else if killed = servers[chance.IntN(len(servers))]; n%4 == 1 {
			what, killed = "servers killed that lead", servers[leader]
		} else {
			what = "servers killed"
		}
		if killed != nil {
			if err := killed.Kill(); err != nil {
				return o, err
			}
		}
		// The next command that is acknowledged, whoever leads then.
		if err := site.acknowledged(ctx, p, who); err != nil {
			return o, fmt.Errorf("round %d, %s: %w: %s", n+1, what, err, p.Stderr())
		}
		took := time.Since(began).Round(time.Millisecond)
		longest = max(longest, took)
		figures.Count(what, 1)
		l.Say("nodes: %s: a command after %s", what, took)
		if killed != nil {
			if err := killed.Restart(ctx); err != nil {
				return o, err
			}
		}
	}
	figures.Note("at most %s until the next acknowledgement", longest)
	if err := load.Finish(ctx); err != nil {
		return o, err
	}
	o, err = site.Judge(ctx, p, load.Steps())
	o.Add(figures)
	o.Rounds = rounds
	return o, errors.Join(err, natstest.Stop(servers...))
}

// joined is one more member, whom no caller knows, of a site that nobody works on yet.
func (s *Site) joined(ctx context.Context, p *Program) (Member, error) {
	m, err := s.Join(ctx, p.Client(), "watched@northwind.example", "viewer")
	if err != nil {
		return m, err
	}
	h, err := s.Read(ctx)
	if err == nil {
		s.From = h.Last()
	}
	return m, err
}

// acknowledged sends a command until it is done.
func (s *Site) acknowledged(ctx context.Context, p *Program, who Member) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	owner := p.Client().As(s.Owner.Session)
	path := "/v1/accounts/" + s.Account.String() + "/users/" + who.User
	var last error
	waited := Until(ctx, func() bool {
		done := true
		for _, verb := range []string{"/suspend", "/reactivate"} { // one of them writes
			a, err := owner.Do(ctx, http.MethodPost, path+verb, M{})
			last = err
			if err == nil && a.Status != http.StatusOK {
				last = fmt.Errorf("status %d: %.300s", a.Status, a.Body)
			}
			done = done && last == nil
		}
		return done
	})
	return errors.Join(waited, last)
}

// leaderOf is the number of the server that leads a stream, which may have to be elected.
func leaderOf(ctx context.Context, conn *natsgo.Conn, stream string) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	waited := Until(ctx, func() bool {
		var m *natsgo.Msg
		asking, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		if m, err = conn.RequestWithContext(asking, "$JS.API.STREAM.INFO."+stream, nil); err != nil {
			return false
		}
		var info struct{ Cluster struct{ Leader string } }
		if err = json.Unmarshal(m.Data, &info); err != nil {
			return true
		}
		_, err = fmt.Sscanf(info.Cluster.Leader, "n%d", &n)
		return err == nil
	})
	return n - 1, errors.Join(waited, err)
}
