package faults

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// scene is one concurrent history: who asked what of an account, when, and what was answered.
type scene struct {
	name  string
	model porcupine.Model

	mu      sync.Mutex
	began   time.Time
	acts    []porcupine.Operation
	clients int // used so far: a caller who does not know what became of a request goes on as another one
}

// never is when an operation returns of which nobody knows the outcome: it may take effect at any later time, or so
// late that nobody saw it.
const never = math.MaxInt64

// newScene makes a scene for so many callers.
func newScene(name string, model porcupine.Model, callers int) *scene {
	return &scene{name: name, model: model, began: time.Now(), clients: callers}
}

// now is the time within the scene.
func (s *scene) now() int64 { return int64(time.Since(s.began)) }

// note keeps an operation that was called then and has just returned. An unknown one never returns, and client is
// the caller's new name.
func (s *scene) note(client int, call int64, input, output any, unknown bool) (next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.now()
	next = client
	if unknown {
		end, next = never, s.clients
		s.clients++
	}
	s.acts = append(s.acts, porcupine.Operation{ClientId: client, Input: input, Call: call, Output: output, Return: end})
	return next
}

// checkWithin is how long one history may take to check: they are short, so that it takes milliseconds.
const checkWithin = 20 * time.Second

// check says whether some order of the operations, each at a moment between its call and its return, has the answers
// that were given.
func (s *scene) check() (porcupine.CheckResult, porcupine.LinearizationInfo) {
	return porcupine.CheckOperationsVerbose(s.model, s.acts, checkWithin)
}

// String is the history, an operation on each line, in the order of their calls.
func (s *scene) String() string {
	acts := append([]porcupine.Operation(nil), s.acts...)
	sort.SliceStable(acts, func(i, j int) bool { return acts[i].Call < acts[j].Call })
	var b strings.Builder
	for _, a := range acts {
		end := "never"
		if a.Return != never {
			end = fmt.Sprintf("%.3f", float64(a.Return)/1e6)
		}
		_, _ = fmt.Fprintf(&b, "  %9.3f .. %9s ms  caller %d  %s\n", float64(a.Call)/1e6, end, a.ClientId, s.model.DescribeOperation(a.Input, a.Output))
	}
	return b.String()
}

// said is what was answered: "ok", the code of the refusal, or that nobody knows.
type said struct {
	code    string
	unknown bool
}

const okay = "ok"

func (s said) String() string {
	if s.unknown {
		return "?"
	}
	return s.code
}

// agrees compares an answer with the one that the model gives. An unknown one agrees with all.
func (s said) agrees(code string) bool { return s.unknown || s.code == code }
