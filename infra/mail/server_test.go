package mail

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// received is a mail as the server got it.
type received struct {
	from string
	to   []string
	raw  []byte
}

// server is a real SMTP server whose answers a test writes.
type server struct {
	*smtp.Server
	url  string
	host string

	onMail, onRcpt, onData func() error
	user, password         string
	slow                   chan struct{} // when set, DATA waits for it to be closed

	mu    sync.Mutex
	mails []received
	auths int
	conns []net.Conn
}

func (s *server) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mails
}

type session struct {
	s  *server
	c  *smtp.Conn
	in received
}

func (x *session) Reset()        { x.in = received{} }
func (x *session) Logout() error { return nil }
func (x *session) Mail(from string, _ *smtp.MailOptions) error {
	x.in.from = from
	return answerOf(x.s.onMail)
}

func (x *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.in.to = append(x.in.to, to)
	return answerOf(x.s.onRcpt)
}

func (x *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if x.s.slow != nil {
		<-x.s.slow
	}
	if err := answerOf(x.s.onData); errors.Is(err, errHangUp) {
		return errors.Join(x.c.Conn().Close(), err)
	} else if err != nil {
		return err
	}
	x.in.raw = raw
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.mails = append(x.s.mails, x.in)
	return nil
}

func (x *session) AuthMechanisms() []string {
	if x.s.user == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (x *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		x.s.mu.Lock()
		defer x.s.mu.Unlock()
		x.s.auths++
		if user != x.s.user || password != x.s.password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

var errHangUp = errors.New("hang up")

func answerOf(f func() error) error {
	if f == nil {
		return nil
	}
	return f()
}

func always(code int, text string) func() error {
	return func() error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: text}
	}
}

// serve starts a server; with certificate, it offers STARTTLS.
func serve(t *testing.T, s *server, scheme string) *smtpSender {
	t.Helper()
	s.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{s: s, c: c}, nil }))
	s.Domain, s.MaxMessageBytes, s.ErrorLog = "mx.example", 1<<20, quiet{}
	var l net.Listener
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.host = l.Addr().String()
	s.url = fmt.Sprintf("%s://%s", strings.TrimSuffix(scheme, "+starttls"), s.host)
	if s.user != "" {
		s.url = strings.Replace(s.url, "://", "://"+s.user+":"+s.password+"@", 1)
	}
	certificate, roots := testTLS(t)
	switch scheme {
	case "smtps":
		l = tls.NewListener(l, certificate)
	case "smtp+starttls":
		s.TLSConfig = certificate
	default:
		s.AllowInsecureAuth = true
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = l.Close(); _ = s.Close(); <-done }) // l itself: Serve may not have begun

	sender, err := parseSMTP(s.url)
	if err != nil {
		t.Fatal(err)
	}
	sender.tls.RootCAs, sender.timeout = roots, 10*time.Second
	return sender
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// testTLS borrows the standard library's test certificate for 127.0.0.1.
func testTLS(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	h := httptest.NewTLSServer(http.NotFoundHandler())
	defer h.Close()
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	return &tls.Config{Certificates: h.TLS.Certificates, MinVersion: tls.VersionTLS12}, roots
}
