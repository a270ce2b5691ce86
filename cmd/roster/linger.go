package main

import (
	"io"
	"net/http"
	"time"
)

const (
	lingerBytes = 64 << 20
	lingerTime  = 10 * time.Second
)

// lingering reads on, within bounds, what a client still sends when it has been answered already. Closing the
// connection under it would reset it, and the client would never see why it was refused (RFC 9112, 9.6).
func lingering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		body := &begunBody{ReadCloser: r.Body}
		in := r.WithContext(r.Context()) // net/http looks at the body of its own request when it ends it
		in.Body = body
		next.ServeHTTP(w, in)
		if r.Header.Get("Expect") != "" && !body.begun {
			return // it has not been told to go on, and does not send
		}
		if http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerTime)) == nil {
			_, _ = io.CopyN(io.Discard, body, lingerBytes) // whatever it was, it has been answered
		}
	})
}

// begunBody knows whether anybody has read from it.
type begunBody struct {
	io.ReadCloser
	begun bool
}

func (b *begunBody) Read(p []byte) (int, error) {
	b.begun = true
	return b.ReadCloser.Read(p)
}
