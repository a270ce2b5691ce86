package api

import (
	"fmt"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"roster/domain"
)

// guarded sets the headers of every answer and turns a fault into a problem.
func guarded(p problems, secure bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		out := &answer{ResponseWriter: w}
		defer func() {
			fault := recover()
			if fault == nil {
				return
			}
			p.logger.Error("a request ended in a fault", "fault", fmt.Sprint(fault), "stack", string(debug.Stack()))
			if !out.begun {
				p.write(w, p.make(codeInternal, "something went wrong inside; it has been logged"))
				return
			}
			out.abort()
		}()
		if !clean(r) {
			p.write(out, p.of(nowhere()))
			return
		}
		next.ServeHTTP(out, r)
	})
}

// clean says that a path names what it seems to. Segments of dots are escaped, so that they arrive where an id does
// and are refused like any other that is none, instead of being walked along.
func clean(r *http.Request) bool {
	escaped := r.URL.EscapedPath()
	if strings.Contains(escaped, "/.") {
		segments := strings.Split(escaped, "/")
		for i, s := range segments {
			if s == "." || s == ".." {
				segments[i] = strings.ReplaceAll(s, ".", "%2E")
			}
		}
		r.URL.RawPath = strings.Join(segments, "/")
		escaped = r.URL.EscapedPath()
	}
	cleaned := path.Clean(escaped)
	return cleaned == escaped || cleaned+"/" == escaped
}

// answer is a response that knows whether it has begun. It hides what else the connection can do: huma would set
// deadlines on it that end requests which take their time.
type answer struct {
	http.ResponseWriter
	begun  bool
	status int
}

func (a *answer) WriteHeader(status int) {
	if !a.begun {
		a.begun, a.status = true, status
		a.ResponseWriter.WriteHeader(status)
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.ResponseWriter.Write(b)
}

// Flush sends what has been written so far.
func (a *answer) Flush() { _ = connection(a).Flush() }

// abort breaks an answer that has begun and cannot be finished, so that nobody takes it for whole.
func (a *answer) abort() { _ = connection(a).SetWriteDeadline(time.Unix(1, 0)) }

// connection is what an answer hides.
func connection(w http.ResponseWriter) *http.ResponseController {
	for a, ok := w.(*answer); ok; a, ok = w.(*answer) {
		w = a.ResponseWriter
	}
	return http.NewResponseController(w)
}

// Fallback answers what no other handler does: 405 with Allow where one of the muxes knows the path under another
// verb, else 404. It is for a program that mounts the API beside others; New has its own.
func Fallback(c Config, muxes ...*http.ServeMux) http.Handler {
	s := &server{Config: c, problems: newProblems(c)}
	return s.outer(s.fallback(muxes...))
}

func (s *server) fallback(muxes ...*http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowed := verbsOf(r, muxes)
		switch {
		case len(allowed) == 0:
			s.problems.write(w, s.problems.make(domain.NotFound, "there is no such path: /docs and /openapi.json list those there are"))
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			s.problems.write(w, s.problems.make(codeNotAllowed, "allowed here: "+strings.Join(allowed, ", ")))
		}
	})
}

// verbsOf lists the verbs that a path has.
func verbsOf(r *http.Request, muxes []*http.ServeMux) []string {
	var allowed []string
	for _, verb := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := r.Clone(r.Context())
		probe.Method = verb
		for _, mux := range muxes {
			if _, pattern := mux.Handler(probe); strings.HasPrefix(pattern, verb+" ") && !slices.Contains(allowed, verb) {
				allowed = append(allowed, verb)
			}
		}
	}
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	if allowed != nil {
		allowed = append(allowed, http.MethodOptions)
	}
	slices.Sort(allowed)
	return allowed
}
