package main_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"roster/events"
	"roster/infra/eventlog"
	"roster/infra/nats"
	"roster/infra/postgres/launch"
)

// fold is an account as a naive reader of the log sees it.
type fold struct {
	members map[string]*folded // by user
	pending map[string]*folded // by invitation: those still open
	actions map[string]int     // facts by name
}

type folded struct{ status, roles, delivery string }

func newFold() *fold {
	return &fold{members: map[string]*folded{}, pending: map[string]*folded{}, actions: map[string]int{}}
}

func rolesIn(grants []events.Grant) string {
	var roles []string
	for _, g := range grants {
		roles = append(roles, g.Roles...)
	}
	return strings.Join(roles, ",")
}

// add moves the fold on by a fact of the account.
func (f *fold) add(e events.Event) {
	f.actions[events.KindOf(e).Name]++
	mailed := func(id events.InvitationID, delivery string) {
		if i := f.pending[id.String()]; i != nil {
			i.delivery = delivery
		}
	}
	switch e := e.(type) {
	case events.MembershipGranted:
		f.members[e.User.String()] = &folded{"active", rolesIn(e.Grants), ""}
	case events.MembershipRoleChanged:
		f.members[e.User.String()].roles = rolesIn(e.To)
	case events.MembershipSuspended:
		f.members[e.User.String()].status = "suspended"
	case events.MembershipReactivated:
		f.members[e.User.String()].status = "active"
	case events.InvitationCreated:
		f.pending[e.Invitation.String()] = &folded{"pending", rolesIn(e.Grants), "unsent"}
	case events.InvitationResent:
		mailed(e.Invitation, "unsent")
	case events.InvitationMailSent:
		mailed(e.Invitation, "sent")
	case events.InvitationRevoked:
		delete(f.pending, e.Invitation.String())
	case events.InvitationAccepted:
		delete(f.pending, e.Invitation.String())
	}
}

// list is the user list that the fold gives.
func (f *fold) list() map[string]string {
	list := map[string]string{}
	for id, one := range f.members {
		list[id] = fmt.Sprintf("%s %s", one.status, one.roles)
	}
	for id, one := range f.pending {
		list[id] = fmt.Sprintf("%s %s %s", one.status, one.roles, one.delivery)
	}
	return list
}

// readLog reads the whole log of data that nobody uses.
func (k *killing) readLog(data string) []events.Record {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := nats.Embedded(ctx, nats.Config{Dir: filepath.Join(data, "log")})
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	conn, err := server.Connect()
	if err != nil {
		k.t.Fatal(err)
	}
	log, err := eventlog.Open(ctx, conn, "roster", eventlog.SoleWriter())
	if err != nil {
		k.t.Fatal(err)
	}
	defer log.Close()
	last, err := log.Last(ctx)
	if err != nil {
		k.t.Fatal(err)
	}
	var all []events.Record
	for uint64(len(all)) < last {
		page, err := log.Read(ctx, uint64(len(all)), 1000)
		if err != nil {
			k.t.Fatal(err)
		}
		all = append(all, page...)
	}
	return all
}

// wholeList reads the user list on all its pages, as of one position.
func (k *killing) wholeList(r *running) (list map[string]string, at uint64) {
	ann := r.as(k.ann)
	r.until("a user list as of one position", func() bool {
		list, at = map[string]string{}, 0
		cursor := ""
		for {
			page := ann.get("/v1/accounts/" + k.account + "/users?limit=500&status=active,suspended,revoked,pending,expired" + cursor).Want(200).JSON()
			position := uint64(page["position"].(float64))
			if at != 0 && position != at {
				return false
			}
			at = position
			for _, one := range page["items"].([]any) {
				item := one.(map[string]any)
				text := item["status"].(string) + " " + joined(item["roles"])
				if item["user"] == nil {
					text += " " + item["delivery"].(string)
				}
				list[item["id"].(string)] = text
			}
			next, ok := page["next_cursor"].(string)
			if !ok {
				return true
			}
			cursor = "&cursor=" + next
		}
	})
	return list, at
}

func joined(list any) string {
	var texts []string
	for _, one := range list.([]any) {
		texts = append(texts, one.(string))
	}
	return strings.Join(texts, ",")
}

// judge compares what was answered with what stands in the log and in the read models.
func (k *killing) judge(r *running, workers []*worker) {
	for _, model := range k.models(r) {
		if model["problem"] != "" || len(model["parked"].([]any)) > 0 {
			k.t.Errorf("a read model stands still: %v", model)
		}
	}
	k.mailed(r)
	list, at := k.wholeList(r)
	audit := k.auditCounts(r)
	r.until("the archive has everything", func() bool {
		for _, model := range k.models(r) {
			if model["lag"].(float64) > 0 {
				return false
			}
		}
		return true
	})
	r.stop()
	log := k.readLog(r.Data)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn := connect(ctx, k.t, r.Data)
	k.archived(ctx, conn, log)

	commits := k.decoded(log)
	account, err := events.ParseAccountID(k.account)
	if err != nil {
		k.t.Fatal(err)
	}
	so := k.recorded(commits, workers)
	f := newFold()
	for _, c := range commits {
		for len(so) > 0 && so[0].final().position < c.Pos {
			if !so[0].isSo(f) {
				k.t.Errorf("%s %s under %s was answered at %d and has done nothing", so[0].method, so[0].path, so[0].key, so[0].final().position)
			}
			so = so[1:]
		}
		if c.Pos > at && list != nil {
			k.same("user list", list, f.list())
			list = nil
		}
		if c.Boundary == events.OfAccount(account) {
			for _, fact := range c.Facts {
				f.add(fact)
			}
		}
	}
	if list != nil {
		k.same("user list", list, f.list())
	}
	k.queued(ctx, conn, f)
	for action, n := range audit {
		if f.actions[action] < n || strings.HasPrefix(action, "membership.") && f.actions[action] != n {
			k.t.Errorf("the audit trail has %d of %s, the log %d", n, action, f.actions[action])
		}
	}
	k.t.Logf("%d commits in the log, %d members and %d open invitations in the list", len(log), len(f.members), len(f.pending))
}

// mailed waits until every mail is sent, or until the mailer knows at least of all: what the feed had handed to one that
// was killed comes again after ten seconds. What that one was about to send is taken up after half a minute.
func (k *killing) mailed(r *running) {
	ann, began := r.as(k.ann), time.Now()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ; time.Since(began) < 14*time.Second; <-tick.C {
		text := string(ann.get("/v1/accounts/" + k.account + "/invitations?limit=500&status=pending").Want(200).Body)
		if !strings.Contains(text, `"delivery":"unsent"`) {
			return
		}
	}
}

// queued checks that every mail that is not sent is still to be sent.
func (k *killing) queued(ctx context.Context, conn *pgx.Conn, f *fold) {
	rows, err := conn.Query(ctx, `SELECT invitation::text FROM roster.outbox WHERE done_at IS NULL`)
	if err != nil {
		k.t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		k.t.Fatal(err)
	}
	left := 0
	for id, i := range f.pending {
		if i.delivery != "unsent" {
			continue
		}
		if left++; !slices.Contains(list, id) {
			k.t.Errorf("the mail of invitation %s is lost", id)
		}
	}
	k.t.Logf("%d mails are still to be sent", left)
}

func (k *killing) models(r *running) (list []map[string]any) {
	for _, one := range r.as(k.operator).get("/v1/operator/projections").Want(200).JSON()["items"].([]any) {
		list = append(list, one.(map[string]any))
	}
	return list
}

// auditCounts counts the entries of the account's audit trail by action, of the facts that the callers made.
func (k *killing) auditCounts(r *running) map[string]int {
	counts := map[string]int{}
	export := r.as(k.ann).with("Accept", "application/x-ndjson").get("/v1/accounts/" + k.account + "/audit").Want(200).Body
	for line := range bytes.Lines(export) {
		action := answer{t: k.t, Body: line}.JSON()["action"].(string)
		if strings.HasPrefix(action, "membership.") || strings.HasPrefix(action, "invitation.") {
			counts[action]++
		}
	}
	if len(counts) < 6 {
		k.t.Errorf("the audit trail has only %v", counts)
	}
	return counts
}

func (k *killing) same(what string, got, want map[string]string) {
	if maps.Equal(got, want) {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] {
			k.t.Errorf("%s: %s is %q, the log says %q", what, id, got[id], want[id])
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			k.t.Errorf("%s: %s is %q, the log knows nothing of it", what, id, got[id])
		}
	}
}

// decoded decodes the log and checks the chain of every boundary, and that no commit stands there twice.
func (k *killing) decoded(log []events.Record) []events.Commit {
	last, seen := map[events.Boundary]events.Prev{}, map[events.CommitID]bool{}
	var commits []events.Commit
	for i, rec := range log {
		c, err := events.Decode(rec)
		if err != nil {
			k.t.Fatalf("position %d: %v", rec.Pos, err)
		}
		if rec.Pos != uint64(i+1) || c.Prev != last[c.Boundary] || seen[c.ID] {
			k.t.Errorf("position %d: commit %s follows %+v, want %+v; seen before: %t", rec.Pos, c.ID, c.Prev, last[c.Boundary], seen[c.ID])
		}
		last[c.Boundary], seen[c.ID] = events.Prev{Pos: rec.Pos, Hash: rec.Hash()}, true
		commits = append(commits, c)
	}
	return commits
}

// recorded checks every command against the log. It answers those that were so already, by position.
func (k *killing) recorded(commits []events.Commit, workers []*worker) (so []*step) {
	byID, sessions, started := map[events.CommitID]events.Commit{}, map[string]uint64{}, map[string]int{}
	for _, c := range commits[len(k.logFrom):] {
		byID[c.ID] = c
		for _, fact := range c.Facts {
			if s, ok := fact.(events.SessionStarted); ok {
				sessions[s.Session.String()] = c.Pos
				started[c.Boundary.ID.String()]++
			}
		}
	}
	counts, asked := map[string]int{}, map[events.CommitID]bool{}
	for _, w := range workers {
		signedIn := 0
		for _, s := range w.steps {
			last := s.final()
			counts[last.outcome]++
			if len(s.tries) > 1 {
				counts["sent again"]++
			}
			if s.name == "SignIn" {
				if last.outcome == okay && sessions[last.body["id"].(string)] != last.position {
					k.t.Errorf("a session was given at %d and stands at %d", last.position, sessions[last.body["id"].(string)])
				}
				if last.outcome != refused {
					signedIn++
				}
				continue
			}
			if s.home.IsZero() {
				s.home = events.OfAccount(events.AccountID(events.DerivedID(commits[0].Log, s.caller, s.key, 0)))
			}
			id := events.CommitIDOf(s.home, s.caller, s.key, 1)
			c, ok := byID[id]
			asked[id] = last.outcome != refused
			switch {
			case last.outcome == okay && !ok && s.isSo != nil:
				so = append(so, s)
				counts["already so"]++
			case last.outcome == refused && ok, last.outcome == okay && !ok:
				k.t.Errorf("%s under %s was answered %q (%s), its commit is in the log: %t", s.name, s.key, last.outcome, last.code, ok)
			case ok && c.Cmd.Name != s.name:
				k.t.Errorf("%s under %s stands in the log as %s", s.name, s.key, c.Cmd.Name)
			}
			for _, one := range s.tries {
				if ok && one.outcome == okay && one.position != c.Pos && (c.Batch == nil || one.position != c.Pos+uint64(c.Batch.Of-c.Batch.N)) {
					k.t.Errorf("%s under %s was answered at %d and stands at %d", s.name, s.key, one.position, c.Pos)
				}
			}
		}
		if n := started[k.members[w.n]]; n > signedIn {
			k.t.Errorf("%d sessions of somebody who tried %d times", n, signedIn)
		}
	}
	whole := map[events.CommitID]int{}
	for id, c := range byID {
		if c.Batch != nil {
			id = c.Batch.ID
			whole[id] += c.Batch.Of - c.Batch.N // 0 + 1 + … + Of-1, if all are there
			whole[id] -= c.Batch.N - 1
		}
		if c.Cmd.MAC != "" && !asked[id] {
			k.t.Errorf("position %d: %s by %s was asked for by nobody, or was refused", c.Pos, c.Cmd.Name, c.Actor.Caller())
		}
	}
	for id, n := range whole {
		if n != 0 {
			k.t.Errorf("of batch %s a part is missing", id)
		}
	}
	k.t.Logf("commands: %v", counts)
	sort.SliceStable(so, func(i, j int) bool { return so[i].final().position < so[j].final().position })
	return so
}

// archived compares the archive with the log, byte for byte.
func (k *killing) archived(ctx context.Context, conn *pgx.Conn, log []events.Record) {
	t := k.t
	var schema string
	if err := conn.QueryRow(ctx, `SELECT schema FROM roster.projection WHERE name = 'archive' AND state = 'serving'`).Scan(&schema); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(ctx, `SELECT position, boundary, payload FROM `+pgx.Identifier{schema, "archived"}.Sanitize()+` ORDER BY position`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for ; rows.Next(); n++ {
		var position int64
		var boundary string
		var payload []byte
		if err := rows.Scan(&position, &boundary, &payload); err != nil {
			t.Fatal(err)
		}
		if n >= len(log) || log[n].Pos != uint64(position) || log[n].Boundary.String() != boundary || !bytes.Equal(log[n].Payload, payload) {
			t.Fatalf("the archive has %d bytes of %s at position %d, which are not the log's", len(payload), boundary, position)
		}
	}
	if rows.Err() != nil || n > len(log) || n < len(log)-8 { // what the stop itself wrote last may not be in it
		t.Errorf("the archive has %d commits, the log %d: %v", n, len(log), rows.Err())
	}
}

// connect starts the private PostgreSQL of data that nobody uses.
func connect(ctx context.Context, t testing.TB, data string) *pgx.Conn {
	t.Helper()
	server, err := launch.Start(ctx, launch.Config{Dir: data})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	conn, err := pgx.Connect(ctx, server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}
