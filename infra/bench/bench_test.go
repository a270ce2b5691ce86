package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"roster/infra/postgres/launch/pgtest"
)

// Every row is there, with its baseline, and nothing is left behind. Nothing here looks at how fast anything is.
func TestEveryRow(t *testing.T) {
	dir := pgtest.Dir(t)
	told := 0
	report, err := Run(t.Context(), Options{Seconds: 0.04, Scale: 200, Dir: dir, small: true, Notice: func(Row) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("%s was left behind", e.Name())
	}
	if told != len(report.Rows) {
		t.Errorf("told of %d of %d rows", told, len(report.Rows))
	}
	var text bytes.Buffer
	if err := report.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	type baseline struct {
		Name  string
		Value float64
	}
	var got struct {
		Rows []struct {
			Name, Unit, Goal string
			Value            float64
			P50, P99, Ratio  float64
			Baseline         *baseline
		}
	}
	if err := json.Unmarshal(text.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range got.Rows {
		names = append(names, r.Name)
		if r.Value <= 0 || r.Unit == "" || r.P50 > r.P99 {
			t.Errorf("not a figure: %+v", r)
		}
		if b := r.Baseline; b != nil && (b.Name == "" || b.Value <= 0 || r.Ratio <= 0) {
			t.Errorf("%s beside %+v: %g", r.Name, b, r.Ratio)
		}
	}
	for name, base := range map[string]string{
		"commands/in-process/1": "postgres/append", "commands/in-process/4": "postgres/append", "commands/in-process/256": "postgres/append", "commands/in-process/16": "postgres/append", "commands/in-process/64": "postgres/append",
		"commands/in-process/64/ordered": "postgres/ordered", "commands/in-process/1/fsync": "disk/fsync",
		"commands/http/1": "http/empty", "commands/http/16": "http/empty", "commands/http/64": "http/empty", "commands/http/64/half": "http/empty", "commands/http/256": "http/empty",
		"commands/one-account/64": "postgres/one-stream", "invite/http/50": "postgres/one-transaction", "commands/members/10": "", "commands/members/200": "commands/members/10",
		"check/warm": "postgres/select", "check/warm/map": "memory/map", "sign-in/rate/16": "argon2id/verify", "sign-in/session": "",
		"sign-in/told-apart/sign-in/unknown": "sign-in/user", "sign-in/told-apart/sign-in/contact": "sign-in/user", "sign-in/told-apart/reset/unknown": "sign-in/user", "sign-in/told-apart/reset/contact": "sign-in/user", "sign-in/told-apart/sign-up/unknown": "sign-in/user", "sign-in/told-apart/sign-up/contact": "sign-in/user",
		"projections/catch-up":         "postgres/copy",
		"user-list/http/first-page/16": "user-list/sql", "user-list/http/deep-page/16": "user-list/sql", "user-list/http/search/16": "user-list/sql",
		"user-list/read/first-page/16": "user-list/sql", "pages/users": "http/empty", "pages/users/size": "", "pages/search": "http/empty", "pages/user": "http/empty", "pages/invite": "http/empty",
		"pages/roles": "http/empty", "pages/policy": "http/empty", "pages/audit": "http/empty", "pages/accounts": "http/empty", "pages/across": "http/empty", "pages/me": "http/empty", "visible/p99": "", "visible/all/p99": "",
		"history/20/command": "", "history/200/command": "history/20/command", "history/200/check": "history/20/check",
		"history/200/projection": "history/20/projection", "start/clean": "", "program/memory": "", "program/start/clean": "", "program/start/kill": "program/start/clean", "start/kill": "start/clean",
	} {
		i := slices.Index(names, name)
		switch {
		case i < 0:
			t.Errorf("there is no row %s in %q", name, names)
		case base == "" && got.Rows[i].Baseline != nil, base != "" && (got.Rows[i].Baseline == nil || got.Rows[i].Baseline.Name != base):
			t.Errorf("%s stands beside %+v, want %q", name, got.Rows[i].Baseline, base)
		}
	}
	var table bytes.Buffer
	if err := report.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "commands/in-process/64") || !strings.Contains(table.String(), "furthest from its goal: ") {
		t.Errorf("%s", &table)
	}
}

func TestRunRefuses(t *testing.T) {
	for name, o := range map[string]Options{
		"no such row":  {Seconds: 1, Scale: 100, Only: "nothing"},
		"no time":      {Seconds: 0, Scale: 100},
		"nonsense":     {Seconds: math.NaN(), Scale: 100},
		"not a folder": {Seconds: 1, Scale: 100, Dir: "bench.go"},
	} {
		if r, err := Run(t.Context(), o); err == nil || len(r.Rows) > 0 {
			t.Errorf("%s: %v and %d rows", name, err, len(r.Rows))
		}
	}
}

// A row further down that nobody knows is an error too, and an interrupted run leaves nothing behind.
func TestRunEnds(t *testing.T) {
	dir := pgtest.Dir(t)
	if _, err := Run(t.Context(), Options{Seconds: 0.04, Scale: 100, Dir: dir, Only: "start/never", small: true}); err == nil {
		t.Error("start/never was measured")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, Options{Seconds: 60, Scale: 100, Dir: dir, Only: "commands/members", small: true}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("interrupted: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v and %v were left behind", err, left)
	}
}

func TestParseScale(t *testing.T) {
	for text, want := range map[string]int{"10k": 10_000, "100K": 100_000, "1m": 1_000_000, "10m": 10_000_000, "250": 250,
		"99": 0, "0k": 0, "": 0, "k": 0, "11m": 0, "-1k": 0, "1.5m": 0, "9999999999999m": 0} {
		got, err := ParseScale(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
		if err == nil && text == "10k" && named(got) != text {
			t.Errorf("%d is called %s", got, named(got))
		}
	}
}

// Of the area under the curve: the same times, apart, apart the other way round, and half of each.
func TestAreaBetween(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{1, 2, 3}, 0.5}, {[]float64{1, 2}, []float64{3, 4}, 1}, {[]float64{3, 4}, []float64{1, 2}, 1},
		{[]float64{1, 3}, []float64{2, 4}, 0.75}, {[]float64{1, 1, 1}, []float64{1, 1, 2}, 2.0 / 3},
	} {
		if got := areaBetween(c.a, c.b); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%v and %v: %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

// What a spread answers is within one part in 128 of what it was told.
func TestSpread(t *testing.T) {
	for _, d := range []time.Duration{0, 1, 127, 128, 129, 255, 256, 257, 1000, 12_345, time.Millisecond, time.Second, time.Hour} {
		var s spread
		s.note(d)
		if got := s.at(0.5) * 1e6; math.Abs(got-float64(d)) > max(float64(d)/128, 1) {
			t.Errorf("%d: %g", d, got)
		}
	}
	var all, odd, even spread
	for n := range 1000 {
		[]*spread{&even, &odd}[n%2].note(time.Duration(n) * time.Millisecond)
	}
	all.add(&odd)
	all.add(&even)
	for part, want := range map[float64]float64{0: 0, 0.5: 500, 0.99: 990, 1: 0} {
		if got := all.at(part); math.Abs(got-want) > want/100+0.001 {
			t.Errorf("%g: %g ms, want %g", part, got, want)
		}
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		goal         goal
		value, ratio float64
		met          bool
		attained     float64
	}{
		{atLeast(10, "x"), 20, 0, true, 2}, {atLeast(10, "x"), 5, 0, false, 0.5}, {atMost(10, "x"), 5, 0, true, 2}, {atMost(10, "x"), 20, 0, false, 0.5},
		{atLeastTimes(1.5), 1, 3, true, 2}, {atMostTimes(2), 9, 4, false, 0.5},
	} {
		r := Row{Value: c.value, Ratio: c.ratio}
		c.goal.judge(&r)
		if r.Met == nil || *r.Met != c.met || r.attained != c.attained || r.Goal == "" {
			t.Errorf("%+v: %+v", c, r)
		}
	}
	var none Row
	goal{}.judge(&none)
	if none.Met != nil || none.Goal != "" {
		t.Errorf("%+v", none)
	}
}

// Turns alternate, an error of an op ends the race, and all of a turn's callers take part.
func TestRace(t *testing.T) {
	seen := make([]int, 3)
	many := contestant{name: "many", callers: 3, op: func(_ context.Context, caller int) error { seen[caller]++; return nil }}
	l := &lab{o: Options{Seconds: 0.004}}
	got, err := l.race(t.Context(), many, contestant{name: "one", callers: 1, op: func(context.Context, int) error { return nil }})
	if err != nil || len(got) != 2 || got[0].name != "many" || got[0].count == 0 || len(got[1].turns) != 4 || slices.Contains(seen, 0) {
		t.Errorf("%v, %v, %+v", err, seen, got)
	}
	broken := errors.New("broken")
	_, err = l.race(t.Context(), contestant{name: "one", callers: 2, op: func(context.Context, int) error { return broken }})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}

	l.o.Alone, l.o.Only = true, "one"
	got, err = l.race(t.Context(), contestant{name: "other", callers: 1}, contestant{name: "one", callers: 1, op: func(context.Context, int) error { return nil }})
	if err != nil || got[0].count != 0 || got[1].count == 0 || perSecond("x").row("one", got[1], &got[0], goal{}).Baseline != nil {
		t.Errorf("%v, %+v", err, got)
	}
}

// What is recorded stands between the marks; what stands around it, and rows of the same run, stay.
func TestRecord(t *testing.T) {
	dir := t.TempDir()
	report := func(commit string, names ...string) Report {
		r := Report{Machine: Machine{Commit: commit, Scale: 1000, Seconds: 4, CPUs: 2}}
		for i, name := range names {
			met := i > 0
			r.Rows = append(r.Rows, Row{Name: name, Value: 10, Unit: "x/s", Rate: float64(1000 * (i + 1)), P99: 3.5, Met: &met, Goal: "≥ 1 x/s",
				Baseline: &Baseline{Name: "base", Value: 5, Rate: 500, P99: 7}})
		}
		return r
	}
	record := func(r Report) string {
		t.Helper()
		if err := r.Record(dir); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "RESULTS.md"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	text := record(report("aaa", "commands/in-process/1", "commands/in-process/64", "history/100/command", "history/1k/command"))
	if err := os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(text+"\nBy hand.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	text = record(report("aaa", "check/warm"))
	for _, want := range []string{"| commands/in-process/64 |", "| check/warm |", "commit aaa", "\nBy hand.\n"} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%d of %q in\n%s", strings.Count(text, want), want, text)
		}
	}
	if text = record(report("bbb", "check/warm")); strings.Contains(text, "commands/in-process") || !strings.HasSuffix(text, "\nBy hand.\n") {
		t.Errorf("%s", text)
	}
	for _, name := range []string{"callers.svg", "history.svg"} {
		plot, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(plot, new(struct{})); err != nil || bytes.Count(plot, []byte("<polyline")) < 2 || bytes.Contains(plot, []byte("NaN")) {
			t.Errorf("%s: %v\n%s", name, err, plot)
		}
	}
	missed := report("aaa", "a/b", "c")
	for _, name := range []string{"a/b/half", "a/bc"} {
		missed.Rows = append(missed.Rows, report("aaa", name).Rows...)
	}
	if got := missed.Missed(); !slices.Equal(got, []string{"a/b", "a/bc"}) { // a/b/half is the same contestant as a/b
		t.Errorf("%q", got)
	}
}
