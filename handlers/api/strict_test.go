package api

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"roster/domain"
)

func FuzzCheckJSON(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `null`, `{"a":[{"b":1}],"c":"d"}`, `{"a":1,"A":2}`, `[1,]`, `{"a"}`, `{"a":1}x`, strings.Repeat("[", 40), "\xff", `1e999`, `{"":{"":[]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		err := checkJSON(body)
		if err == nil && !json.Valid(body) {
			t.Errorf("%q is taken for JSON", body)
		}
		var refusal *domain.Error
		if err != nil && (!errors.As(err, &refusal) || refusal.Code != codeMalformed || len(refusal.Fields) != 1) {
			t.Errorf("%q: %v", body, err)
		}
	})
}

func TestCanonicalLeavesSecretsOut(t *testing.T) {
	a, err1 := canonical("SetUp", map[string]string{"token": "t"}, []byte(`{"owner":{"password":"one","email":"a"},"list":[{"password":"x"}],"n":1.0}`))
	b, err2 := canonical("SetUp", map[string]string{"token": "t"}, []byte(`{"n":1,"list":[{}],"owner":{"email":"a","password":"two"}}`))
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if string(a) != string(b) || strings.Contains(string(a), "one") {
		t.Errorf("%s\n%s", a, b)
	}
}

func TestDurationOf(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{"P7D": 7 * day, "P2W": 14 * day, "PT12H": 12 * time.Hour, "P1DT1H30M5S": day + 90*time.Minute + 5*time.Second,
		"P": 0, "PT": 0, "": 0, "P1Y": 0, "P1M": 0, "7D": 0, "P-1D": 0, "PT0S": 0, "P1.5D": 0, "p7d": 0} {
		got, err := durationOf(s)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %s, %v", s, got, err)
		}
	}
}

func TestAcceptable(t *testing.T) {
	three := []string{typeJSON, typeCSV, typeNDJSON}
	for accept, want := range map[string]string{"": typeJSON, "*/*": typeJSON, "text/csv": typeCSV, "text/*": typeCSV, "application/x-ndjson, application/json;q=0.5": typeNDJSON,
		"text/csv;q=0, */*": typeJSON, "text/html": "", "application/json;q=0": "", "nonsense": "", "application/json;q=x, text/csv": typeCSV} {
		if got := acceptable([]string{accept}, three); got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

func TestTraceOf(t *testing.T) {
	const good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, bad := range []string{"", "x", strings.ToUpper(good), "01" + good[2:], good + "-x", "00-" + strings.Repeat("0", 32) + good[35:], good[:36] + strings.Repeat("0", 16) + "-01"} {
		if traceOf(bad) != "" {
			t.Errorf("%q is taken for a trace", bad)
		}
	}
	if traceOf(good) != good {
		t.Error("a trace is not taken for one")
	}
}
