package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
)

// problem is what the API has refused, as every client of it reads it (RFC 9457).
type problem struct {
	Code    string `json:"code"`
	Status  int    `json:"status"`
	Detail  string `json:"detail"`
	Confirm string `json:"confirm"`
	Errors  []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
	retry string
}

func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// recorder keeps an answer of the API.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	return r.body.Write(b)
}

// send asks the API what the browser's own session may ask, in the process and without a connection: so a page shows and
// does nothing that the API would not, in the same order of refusals, and reads its own writes. What is refused is a
// *problem. headers come in pairs.
func (s *site) send(r *http.Request, method, path string, body, out any, headers ...string) (http.Header, error) {
	ask, err := s.question(r, method, path, body, headers...)
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", path, err)
	}
	answer := &recorder{header: http.Header{}}
	s.API.ServeHTTP(answer, ask)
	if answer.status >= http.StatusBadRequest {
		p := &problem{Status: answer.status, retry: answer.header.Get("Retry-After")}
		if err := json.Unmarshal(answer.body.Bytes(), p); err != nil {
			return nil, fmt.Errorf("%s %s: %d: %w", method, path, answer.status, err)
		}
		return nil, p
	}
	if out != nil && strings.HasPrefix(answer.header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(answer.body.Bytes(), out); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return answer.header, nil
}

// csvText is a body that is sent as it stands.
type csvText string

// question is a request to the API by whoever sent r.
func (s *site) question(r *http.Request, method, path string, body any, headers ...string) (*http.Request, error) {
	var content []byte
	kind := "application/json"
	switch body := body.(type) {
	case nil:
	case csvText:
		content, kind = []byte(body), "text/csv"
	default:
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	ask, err := http.NewRequestWithContext(r.Context(), method, path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	ask.Host, ask.RemoteAddr = r.Host, r.RemoteAddr
	for _, name := range []string{"User-Agent", "X-Forwarded-For", "Forwarded", "X-Real-Ip", "Traceparent"} { // from where it is asked
		if values := r.Header.Values(name); len(values) > 0 {
			ask.Header[name] = values
		}
	}
	if body != nil {
		ask.Header.Set("Content-Type", kind)
	}
	token := s.sessionToken(r)
	if ofOperator(r.URL.Path) { // what the person who is signed in beside may do plays no part
		if token, _, err = s.Access.OperatorOf(r.Context(), s.signedInBy(r, r.URL.Path)); err != nil {
			return nil, err
		}
	}
	if token != "" {
		ask.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		ask.Header.Set(headers[i], headers[i+1])
	}
	return ask, nil
}

// get asks a question.
func (s *site) get(r *http.Request, path string, out any) error {
	_, err := s.send(r, http.MethodGet, path, nil, out)
	return err
}

// asProblem is the refusal that an error is, or nil.
func asProblem(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	return nil
}

// withQuery is the address of a list with one part of what is asked changed; it begins at the first page again.
func withQuery(at string, asked url.Values, name, value string) string {
	q := url.Values{}
	maps.Copy(q, asked)
	q.Del("cursor")
	q.Del("back")
	if q.Del(name); value != "" {
		q.Set(name, value)
	}
	if len(q) == 0 {
		return at
	}
	return at + "?" + q.Encode()
}
