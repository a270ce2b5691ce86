package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"roster/events"
	"roster/infra/keyring"
)

// histories has a few callers do to one account, all at once, what its rules are about, thousands of times, and looks
// for an order of what was answered that the rules allow (RELIABILITY R4, F22 to F24).
//
// Of five histories one is about an invitation whose time runs out meanwhile. Of the others a third each is about
// owners and about an address; then a tree, a bulk, and several accounts take turns. No invitation is shorter than an hour: those are made by one life of the program, and their histories are
// run by the next one, whose clock is so much ahead that the hour ends while they run.
func histories() Fault {
	return Fault{Name: "histories", About: "concurrent histories of last owner, unique address, single-use links, trees, bulks and several accounts, checked for linearizability",
		Short: 36, Long: 10000, Run: runHistories}
}

const (
	troupes    = 3                     // histories at once, each with people of its own
	callers    = 4                     // in a history
	sceneActs  = 4                     // of each caller
	briefBatch = 200                   // histories about expiry in one life of the program
	briefPace  = 40 * time.Millisecond // between the ends of their invitations
	startSlack = 3 * time.Second       // for the program to start before the first of them ends
)

// theatre is the program that histories are played against.
type theatre struct {
	l        *Lab
	data     string
	mails    *Mails
	program  *Program
	ahead    time.Duration // of its clock
	operator Client
	keys     *keyring.Keyring
	http     *http.Client
	cast     [troupes]troupe
	drawings string // where histories are drawn that no order explains; "" for the folder of temporary files

	mu   sync.Mutex
	v    Verdict
	odd  int // answers that are a fault's and no refusal
	late int // lists that never caught up
}

// troupe is the people of one history after the other.
type troupe struct {
	n      int
	people [crew]Member
	rand   *rand.Rand
	plays  int
}

func runHistories(ctx context.Context, l *Lab, rounds int) (out Outcome, err error) {
	dir, err := l.Dir()
	if err != nil {
		return Outcome{}, err
	}
	th := &theatre{l: l, data: dir, http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 4 * troupes * callers}}}
	defer th.http.CloseIdleConnections()
	if th.mails, err = newMails(); err != nil {
		return Outcome{}, err
	}
	l.OnClose(th.mails.close)
	if err := th.start(ctx); err != nil {
		return th.v.Outcome, err
	}
	if err := th.hire(ctx); err != nil {
		return th.v.Outcome, err
	}
	l.Say("histories: the people are there")
	brief := rounds / 5
	var next atomic.Int64
	plays := []func(context.Context, *troupe) error{th.owners, th.address, th.moves, th.owners, th.address, th.bulks, th.owners, th.address, th.several}
	err = th.each(func(t *troupe) error {
		for n := next.Add(1); n <= int64(rounds-brief); n = next.Add(1) {
			if err := plays[int(n)%len(plays)](ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
	l.Say("histories: %d played", rounds-brief)
	for ; err == nil && brief > 0; brief -= min(brief, briefBatch) {
		err = th.briefs(ctx, min(brief, briefBatch))
		l.Say("histories: %d to go", brief-min(brief, briefBatch))
	}
	if err == nil {
		err = th.closing(ctx)
	}
	if th.odd > 0 {
		th.v.Differs("%d answers were neither done nor refused: %s", th.odd, th.program.Stderr())
	}
	if th.late > 0 {
		th.v.Count("lists that lagged behind for ten seconds", th.late)
	}
	th.v.Rounds = rounds
	return th.v.Outcome, errors.Join(err, th.v.Err(), l.Discard(dir))
}

// start starts the program with its clock ahead.
func (th *theatre) start(ctx context.Context) error {
	args := []string{"--smtp", th.mails.URL}
	if th.ahead > 0 {
		args = append(args, "--clock-ahead", th.ahead.String())
	}
	var err error
	if th.program, err = th.l.Start(ctx, Serve{Data: th.data, Args: args}); err == nil {
		th.operator.URL = th.program.URL
	}
	return err
}

// each has every troupe do something at once, and answers all trouble.
func (th *theatre) each(do func(*troupe) error) error {
	var playing sync.WaitGroup
	trouble := make([]error, troupes)
	for n := range th.cast {
		playing.Go(func() { trouble[n] = do(&th.cast[n]) })
	}
	playing.Wait()
	return errors.Join(trouble...)
}

// hire makes the people, who are few since a password costs time, and signs them in.
func (th *theatre) hire(ctx context.Context) error {
	portal, err := setUp(ctx, th.program, 0)
	if err != nil {
		return err
	}
	th.keys, th.operator = portal.Keys, Client{HTTP: th.http, Token: portal.Operator, URL: th.program.URL}
	for n := range th.cast {
		th.cast[n].n, th.cast[n].rand = n, th.l.Rand(fmt.Sprint("histories/", n))
	}
	return th.each(func(t *troupe) error {
		for i := range t.people {
			p, err := portal.Join(ctx, th.operator, fmt.Sprintf("lee.%d.%d@bücher.example", t.n, i), "viewer")
			if err != nil {
				return err
			}
			t.people[i] = p
		}
		return nil
	})
}

// invite has the operator invite people, none of whom may be there already.
func (th *theatre) invite(ctx context.Context, account, role string, emails ...string) ([]string, error) {
	var sent struct{ Results []struct{ Invitation string } }
	if err := th.operator.Post(ctx, "/v1/accounts/"+account+"/invitations", M{"emails": emails, "roles": []string{role}}, &sent); err != nil {
		return nil, err
	}
	var ids []string
	for _, one := range sent.Results {
		ids = append(ids, one.Invitation)
	}
	return ids, nil
}

// link is the link as the mail has it.
func (th *theatre) link(account, invitation string, generation uint32) string {
	scope, err := events.ParseAccountID(account)
	subject, failed := events.ParseInvitationID(invitation)
	if err != nil || failed != nil {
		return "none"
	}
	return th.keys.MintLink(keyring.Link{Purpose: keyring.Invitation, Scope: scope, Subject: subject, Generation: generation})
}

// open makes a fresh account with an owner.
func (th *theatre) open(ctx context.Context, t *troupe, owner Member) (account string, err error) {
	t.plays++
	var opened struct{ ID, Invitation string }
	if err := th.operator.Post(ctx, "/v1/accounts", M{"name": fmt.Sprintf("Scene %d of %d", t.plays, t.n), "owner": M{"email": owner.Email}}, &opened); err != nil {
		return "", err
	}
	return opened.ID, th.join(ctx, opened.ID, opened.Invitation, owner)
}

func (th *theatre) join(ctx context.Context, account, invitation string, p Member) error {
	return th.operator.As(p.Session).Post(ctx, "/v1/invitations/"+th.link(account, invitation, 1)+"/accept", M{}, nil)
}

// reply is an answer to a request of a history.
type reply struct {
	said
	body M
}

// ask sends one request of a history. One in twenty is given up within a few milliseconds: then nobody knows.
func (th *theatre) ask(ctx context.Context, rand *rand.Rand, token, method, path string, body any) reply {
	if rand.IntN(20) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(6000))*time.Microsecond)
		defer cancel()
	}
	a, err := th.operator.As(token).Do(ctx, method, path, body)
	r := reply{said: said{unknown: true}}
	if err == nil {
		err = a.Into(&r.body)
	}
	code, _ := r.body["code"].(string)
	switch {
	case err != nil:
	case a.Status >= 500:
		th.mu.Lock()
		th.odd++
		th.mu.Unlock()
		th.l.Say("%s %s: status %d: %s", method, path, a.Status, a.Body)
	case a.Status >= 300:
		r.said = said{code: code}
	default:
		r.said = said{code: okay}
	}
	th.mu.Lock()
	defer th.mu.Unlock()
	switch {
	case r.unknown:
		th.v.Unknown++
	case r.code == okay:
		th.v.Acknowledged++
	default:
		th.v.Refused++
	}
	return r
}

// judge checks a history. One that no order explains is said in words, and drawn into a file.
func (th *theatre) judge(s *scene) error {
	result, info := s.check()
	switch result {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		th.mu.Lock()
		defer th.mu.Unlock()
		th.v.Differs("%s: not decided within %s", s.name, checkWithin)
		return nil
	case porcupine.Illegal:
	}
	f, err := os.CreateTemp(th.drawings, "roster-history-*.html")
	if err != nil {
		return err
	}
	err = errors.Join(porcupine.Visualize(s.model, info, f), f.Close())
	th.mu.Lock()
	defer th.mu.Unlock()
	th.v.Differs("%s: no order explains it, see %s:\n%s", s.name, f.Name(), s)
	return err
}

// closing looks into the log itself: whatever was answered, no account that had an active owner was ever without one,
// and no address had two memberships or two living invitations in an account, or two users.
func (th *theatre) closing(ctx context.Context) error {
	if err := th.program.Stop(ctx); err != nil {
		return err
	}
	h, err := Read(ctx, th.data)
	if err != nil {
		return err
	}
	h.CheckChain(&th.v)
	owned := newRegister()
	for _, c := range h.Commits {
		owned.add(&th.v, c)
	}
	th.v.Count("accounts", len(owned.accounts))
	return nil
}
