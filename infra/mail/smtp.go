package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// SMTP is a Sender that hands each mail to the server at url:
//
//	smtp://user:password@host:587     STARTTLS if the server offers it
//	smtps://user:password@host:465    TLS from the first byte
//
// The port may be left out (587 and 465), and so may the user. ?tls=required refuses a server without STARTTLS;
// ?tls=none never uses it. Certificates are always verified. A password is never sent in clear text, except to
// this machine itself.
//
// One attempt takes at most two minutes and ends when its context does. A server that does not let us in (5xx
// before it has seen a mail, or because of who we are) defers the mail: that is no verdict on the recipient.
func SMTP(url string) (Sender, error) {
	s, err := parseSMTP(url)
	if err != nil {
		return nil, err // not s: a nil *smtpSender in a Sender would not be nil
	}
	return s, nil
}

// timeout bounds each of the two halves of an attempt: being let in, and handing over the mail.
const timeout = time.Minute

type smtpSender struct {
	host           string
	port           int
	user, password string
	implicit       bool // TLS from the first byte
	policy         gomail.TLSPolicy
	tls            *tls.Config
	timeout        time.Duration
}

func parseSMTP(raw string) (*smtpSender, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The error of url.Parse repeats the URL, and with it the password.
		return nil, errors.New("SMTP server: not a URL: want smtp://user:password@host:port (a password with special characters has to be percent-encoded)")
	}
	s := &smtpSender{host: u.Hostname(), policy: gomail.TLSOpportunistic, timeout: timeout}
	switch u.Scheme {
	case "smtp":
		s.port = 587
	case "smtps":
		s.port, s.implicit = 465, true
	default:
		return nil, errors.New("SMTP server: the URL has to begin with smtp:// or smtps://")
	}
	if s.host == "" || u.Opaque != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return nil, fmt.Errorf("SMTP server: want %s://user:password@host:port and nothing behind it but ?tls=", u.Scheme)
	}
	if p := u.Port(); p != "" {
		if s.port, err = strconv.Atoi(p); err != nil || s.port < 1 || s.port > 65535 {
			return nil, fmt.Errorf("SMTP server: %q is not a port", p)
		}
	}
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("SMTP server: what follows the ? cannot be read")
	}
	for name, values := range query {
		switch {
		case name != "tls" || len(values) != 1:
			return nil, fmt.Errorf("SMTP server: unknown setting %q: there is only ?tls=required and ?tls=none", name)
		case values[0] == "required":
			s.policy = gomail.TLSMandatory
		case values[0] == "none" && !s.implicit:
			s.policy = gomail.NoTLS
		default:
			return nil, fmt.Errorf("SMTP server: ?tls=%s does not go with %s://", values[0], u.Scheme)
		}
	}
	s.tls = &tls.Config{ServerName: s.host, MinVersion: tls.VersionTLS12}
	return s, nil
}

// Send makes one attempt on a connection of its own.
func (s *smtpSender) Send(ctx context.Context, m Message) error {
	m, err := m.checked()
	if err != nil {
		return err
	}
	// The library does not watch the context once it is connected, and leaves the connection open when the server
	// does not let it in; so the connection is ours.
	var conn net.Conn
	stop := func() bool { return true }
	dial := func(dialCtx context.Context, network, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(dialCtx, network, net.JoinHostPort(s.host, strconv.Itoa(s.port)))
		if err != nil {
			return nil, err
		}
		conn, stop = c, context.AfterFunc(ctx, func() { _ = c.Close() })
		if !s.implicit {
			return c, nil
		}
		t := tls.Client(c, s.tls)
		return t, t.HandshakeContext(dialCtx)
	}
	defer func() {
		stop()
		if conn != nil {
			_ = conn.Close()
		}
	}()

	client, err := s.client(dial)
	if err != nil {
		return &Deferred{reason("%v", err)}
	}
	server, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return &Deferred{reason("%s: %v", s.host, why(ctx, err))}
	}
	msg := compose(m)
	err = client.SendWithSMTPClient(server, msg)
	if err == nil || msg.IsDelivered() { // accepted is accepted, whatever went wrong afterwards
		_ = client.CloseWithSMTPClient(server)
		return nil
	}
	return verdict(ctx, err)
}

func (s *smtpSender) client(dial gomail.DialContextFunc) (*gomail.Client, error) {
	options := []gomail.Option{
		gomail.WithPort(s.port),
		gomail.WithTimeout(s.timeout),
		gomail.WithTLSConfig(s.tls.Clone()),
		gomail.WithTLSPolicy(s.policy),
		gomail.WithDialContextFunc(dial),
		gomail.WithoutNoop(),
		// Our addresses are ASCII and headers are encoded: asking for SMTPUTF8 would only make a next server, which
		// does not know it, refuse the mail.
		gomail.WithoutSMTPUTF8(),
	}
	if s.implicit {
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS)) // no STARTTLS inside TLS
	}
	if s.user != "" {
		options = append(options, gomail.WithUsername(s.user), gomail.WithPassword(s.password),
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1,
				gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	return gomail.NewClient(s.host, options...)
}

// compose writes the mail down in the library's form. m has been checked.
func compose(m Message) *gomail.Msg {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&mail.Address{Name: m.FromName, Address: m.From})
	msg.ToMailAddress(&mail.Address{Name: m.ToName, Address: m.To})
	msg.Subject(m.Subject)
	_, domain, _ := strings.Cut(m.From, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // so that nobody's holiday note answers
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	return msg
}

// verdict reads an error of handing over the mail: 5xx is a bounce, unless it is about who we are.
func verdict(ctx context.Context, err error) error {
	var sent *gomail.SendError
	if !errors.As(err, &sent) {
		return &Deferred{reason("%v", why(ctx, err))}
	}
	// The error goes on with the recipient's address and the Message-ID, which say nothing new.
	text, _, _ := strings.Cut(sent.Error(), ", affected ")
	switch code := sent.ErrorCode(); {
	case code == 0:
		if ctx.Err() != nil {
			text = why(ctx, err).Error()
		}
		return &Deferred{reason("%s", text)}
	case code < 500, code == 530, code == 534, code == 535, code == 538:
		return &Deferred{reason("%s", answer(text, code))}
	default:
		return &Bounced{reason("%s", answer(text, code))}
	}
}

// answer is the server's own words, from its code on; the library quotes them.
func answer(text string, code int) string {
	_, words, found := strings.Cut(text, strconv.Itoa(code)+" ")
	if !found {
		return text
	}
	if quoted, err := strconv.QuotedPrefix(words); err == nil {
		if plain, err := strconv.Unquote(quoted); err == nil {
			words = plain
		}
	}
	return strconv.Itoa(code) + " " + words
}

// why prefers the context's reason to "use of closed network connection", which is only how it was carried out.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("given up: %w", context.Cause(ctx))
	}
	return err
}
