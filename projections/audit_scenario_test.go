package projections

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"roster/events"
)

var updateAudit = flag.Bool("update-audit", false, "write what the audit trail answers into its scenarios")

// auditLine is a commit of a scenario. In a line, $name is an id, %name a key and ~n the id of the n-th commit; the
// log's first commit is written by the test, so the first line is ~2.
type auditLine struct {
	Boundary string         `json:"boundary"`
	After    string         `json:"after"` // time since the commit before; a minute if empty
	Actor    map[string]any `json:"actor"`
	Behalf   map[string]any `json:"behalf"`
	Origin   []any          `json:"origin"` // key, {ip, device}
	Batch    map[string]any `json:"batch"`
	Cmd      string         `json:"cmd"`
	Cause    string         `json:"cause"`
	Facts    []struct {
		Type   string           `json:"type"`
		Data   json.RawMessage  `json:"data"`
		Sealed map[string][]any `json:"sealed"` // part: key, clear value
	} `json:"facts"`
}

type auditNames struct {
	pattern *regexp.Regexp
	back    map[string]string
}

func (n auditNames) resolve(line string) string {
	return n.pattern.ReplaceAllStringFunc(line, func(s string) string {
		var to string
		switch s[0] {
		case '$':
			to = testID(s[1:]).String()
		case '%':
			to = testKey(s[1:]).String()
		default:
			var pos uint64
			if _, err := fmt.Sscan(s[1:], &pos); err != nil {
				return s
			}
			to = testCommit(pos).String()
		}
		n.back[to] = s
		return to
	})
}

func (n auditNames) name(text string) string {
	for id, s := range n.back {
		text = strings.ReplaceAll(text, id, s)
	}
	return text
}

func auditBox(t *testing.T, pair []any) map[string]any {
	t.Helper()
	plain, err := json.Marshal(pair[1])
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"k": pair[0], "b": base64.RawURLEncoding.EncodeToString(plain)}
}

// record writes the line as the log would have it.
func (l auditLine) record(t *testing.T, pos uint64, at time.Time) events.Record {
	t.Helper()
	var facts []map[string]any
	for _, f := range l.Facts {
		fact := map[string]any{"type": f.Type, "v": 1, "data": f.Data}
		if f.Data == nil {
			fact["data"] = map[string]any{}
		}
		sealed := map[string]any{}
		for part, pair := range f.Sealed {
			sealed[part] = auditBox(t, pair)
		}
		if len(sealed) > 0 {
			fact["sealed"] = sealed
		}
		facts = append(facts, fact)
	}
	id := testCommit(pos)
	w := map[string]any{"v": 1, "log": testID("log"), "id": id, "boundary": l.Boundary, "prev": map[string]any{"pos": 0, "hash": ""},
		"at": events.TimeOf(at), "cmd": map[string]any{"id": id, "name": l.Cmd, "part": 1, "parts": 1}, "actor": l.Actor, "facts": facts}
	if l.Behalf != nil {
		w["behalf"] = l.Behalf
	}
	if l.Batch != nil {
		w["batch"] = l.Batch
	}
	if l.Cause != "" {
		w["cause"] = l.Cause
	}
	if l.Origin != nil {
		w["origin"] = auditBox(t, l.Origin)
	}
	payload, err := json.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	b, err := events.ParseBoundary(l.Boundary)
	if err != nil {
		t.Fatal(err)
	}
	return events.Record{Pos: pos, Boundary: b, Payload: payload}
}

// auditQueryOf reads the head of a question: "operator" or "account $id [$id…]", then key=value.
func auditQueryOf(t *testing.T, head string) AuditQuery {
	t.Helper()
	var q AuditQuery
	for _, word := range strings.Fields(head) {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "operator":
			q.Operator = true
		case "account":
		case "actor":
			q.Actor = value
		case "target":
			q.Target = value
		case "action":
			q.Action = value
		case "outcome":
			q.Outcome = value
		case "q":
			q.Q = value
		case "from":
			q.From, err = time.Parse(time.RFC3339, value)
		case "to":
			q.To, err = time.Parse(time.RFC3339, value)
		default:
			var id events.AnyID
			err = id.UnmarshalText([]byte(word))
			q.Accounts = append(q.Accounts, events.AccountID(id))
		}
		if err != nil {
			t.Fatalf("question %q: %v", head, err)
		}
	}
	return q
}

// TestAuditScenarios: facts in, entries out. A trail that is built anew after the keys have been destroyed, page by
// page of other sizes, answers the same.
func TestAuditScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/audit/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := auditScenario(t, string(text))
			if *updateAudit {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(text) {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func auditScenario(t *testing.T, text string) string {
	names := auditNames{regexp.MustCompile(`[$%~][a-z0-9]+`), map[string]string{}}
	rig := newRig(t)
	erased := map[events.KeyID]bool{}
	var out strings.Builder
	var heads []string
	at := testEpoch()
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "-- "):
			heads = append(heads, strings.Trim(line, "- \n"))
			continue
		case len(heads) > 0:
			continue
		}
		out.WriteString(line)
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var l auditLine
		dec := json.NewDecoder(strings.NewReader(names.resolve(line)))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&l); err != nil {
			t.Fatalf("%s%v", line, err)
		}
		step := time.Minute
		if l.After != "" {
			var err error
			if step, err = time.ParseDuration(l.After); err != nil {
				t.Fatal(err)
			}
		}
		at = at.Add(step)
		rig.log.add(t, 1, func(pos uint64) events.Record { return l.record(t, pos, at) })
		for _, f := range l.Facts {
			var keys struct{ Keys []events.KeyID }
			if err := json.Unmarshal(f.Data, &keys); err == nil {
				for _, k := range keys.Keys {
					erased[k] = true
				}
			}
		}
	}
	last, _ := rig.log.Last(t.Context())
	for pos := range last {
		names.resolve(fmt.Sprintf("~%d", pos+1))
	}

	live := rig.runner(Audit(), Archive())
	live.limit = 1
	stop := rig.start(live)
	rig.wait(live, "audit", last)
	answers := auditAnswers(t, live, names, heads)
	before := auditDump(t, live)
	stop()

	again := New(rig.pool, rig.log, opening{erased: erased}, live.log, Audit(), Archive())
	again.beat = live.beat
	if err := again.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.start(again)
	if err := again.Rebuild(t.Context(), "audit", nil); err != nil {
		t.Fatal(err)
	}
	if after := auditDump(t, again); after != before {
		t.Errorf("built anew it is\n%s\nand was\n%s", names.name(after), names.name(before))
	}
	if got := auditAnswers(t, again, names, heads); got != answers {
		t.Errorf("built anew it answers\n%s", got)
	}
	return out.String() + answers
}

func auditAnswers(t *testing.T, r *Runner, names auditNames, heads []string) string {
	t.Helper()
	var out bytes.Buffer
	for _, head := range heads {
		fmt.Fprintf(&out, "-- %s --\n", head)
		q := auditQueryOf(t, names.resolve(head))
		q.Limit = 2 // several pages
		write := AuditNDJSON(&out)
		var newest []AuditEntry
		for {
			page, err := ReadAudit(t.Context(), r, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range page.Entries {
				if err := write(e); err != nil {
					t.Fatal(err)
				}
			}
			newest = append(newest, page.Entries...)
			if page.Next == nil {
				break
			}
			q.Cursor = page.Next
		}
		q.Cursor = nil
		n := len(newest)
		if err := ExportAudit(t.Context(), r, q, func(e AuditEntry) error {
			if n--; n < 0 || e.Position != newest[n].Position || e.Index != newest[n].Index {
				return fmt.Errorf("position %d is not the page's", e.Position)
			}
			return nil
		}); err != nil || n != 0 {
			t.Errorf("%s: the export is not the list turned round: %v, %d left", head, err, n)
		}
	}
	return names.name(out.String())
}

// auditDump is every row of every table of the trail.
func auditDump(t *testing.T, r *Runner) string {
	t.Helper()
	var b strings.Builder
	for _, table := range []string{"entry", "subject", "membership", "span"} {
		rows, err := r.pool.Query(t.Context(), `SELECT x::text FROM `+r.Serving("audit")+`.`+table+` x ORDER BY x::text`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var row string
			if err := rows.Scan(&row); err != nil {
				t.Fatal(err)
			}
			b.WriteString(row + "\n")
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}
