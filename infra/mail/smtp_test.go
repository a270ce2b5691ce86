package mail

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset"
	gomessage "github.com/emersion/go-message/mail"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func example() Message {
	return Message{
		ID: "AbC-_123.0", To: "joerg@mueller.example", ToName: "Jörg \"J\" Müller, CEO",
		From: "no-reply@portal.example", FromName: "Häfen & Co <Portal>", Subject: "Ada invites you – now",
		Text: "Hello Jörg,\n.\na line of one dot, and\r\n.\r\nQUIT\n" + strings.Repeat("long ", 400) + "\n",
		HTML: "<p style=\"margin:0\">Hello <b>Jörg</b></p>",
	}
}

// parse reads a mail back with another library.
func parse(t *testing.T, raw []byte) (header gomessage.Header, text, html string) {
	t.Helper()
	r, err := gomessage.CreateReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	for {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return r.Header, text, html
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p.Body)
		if err != nil {
			t.Fatal(err)
		}
		inline, ok := p.Header.(*gomessage.InlineHeader)
		if !ok {
			t.Fatalf("an attachment: %v", p.Header)
		}
		switch kind, _, err := inline.ContentType(); {
		case err == nil && kind == "text/plain":
			text += string(body)
		case err == nil && kind == "text/html":
			html += string(body)
		default:
			t.Fatalf("a part of type %q, %v", kind, err)
		}
	}
}

func fields(h gomessage.Header) map[string]int {
	n := map[string]int{}
	for f := h.Fields(); f.Next(); {
		n[f.Key()]++
	}
	return n
}

func TestWhatArrivesIsWhatWasSent(t *testing.T) {
	for _, scheme := range []string{"smtp", "smtp+starttls", "smtps"} {
		t.Run(scheme, func(t *testing.T) {
			s := &server{}
			m := example()
			if err := serve(t, s, scheme).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := s.got()
			if len(got) != 1 || got[0].from != m.From || len(got[0].to) != 1 || got[0].to[0] != m.To {
				t.Fatalf("the server got %+v", got)
			}
			header, text, html := parse(t, got[0].raw)
			if subject, err := header.Subject(); err != nil || subject != m.Subject {
				t.Errorf("subject %q, %v", subject, err)
			}
			for key, want := range map[string]gomessage.Address{
				"To": {Name: m.ToName, Address: m.To}, "From": {Name: m.FromName, Address: m.From},
			} {
				if list, err := header.AddressList(key); err != nil || len(list) != 1 || *list[0] != want {
					t.Errorf("%s is %v, %v", key, list, err)
				}
			}
			if id, err := header.MessageID(); err != nil || id != "AbC-_123.0@portal.example" {
				t.Errorf("Message-ID %q, %v", id, err)
			}
			if date, err := header.Date(); err != nil || time.Since(date) > time.Minute {
				t.Errorf("date %v, %v", date, err)
			}
			unix := strings.NewReplacer("\r\n", "\n")
			if unix.Replace(text) != unix.Replace(m.Text) || unix.Replace(html) != m.HTML {
				t.Errorf("text %q\nhtml %q", text, html)
			}
			if header.Get("Auto-Submitted") != "auto-generated" || header.Has("User-Agent") || header.Has("X-Mailer") {
				t.Errorf("headers %v", fields(header))
			}
		})
	}
}

func TestAMailMayHaveNoHTML(t *testing.T) {
	s := &server{}
	m := example()
	m.HTML = ""
	if err := serve(t, s, "smtp").Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	entity, err := message.Read(bytes.NewReader(s.got()[0].raw))
	if err != nil {
		t.Fatal(err)
	}
	if kind, _, err := entity.Header.ContentType(); err != nil || kind != "text/plain" {
		t.Errorf("type %q, %v", kind, err)
	}
}

func TestTheAnswerDecides(t *testing.T) {
	type script struct {
		*server
		want   string // "", "deferred" or "bounced"
		reason string
	}
	for name, c := range map[string]script{
		"250":               {&server{}, "", ""},
		"451 at sender":     {&server{onMail: always(451, "try later")}, "deferred", "451 4.1.1 try later"},
		"451 at recipient":  {&server{onRcpt: always(451, "greylisted")}, "deferred", "451 4.1.1 greylisted"},
		"451 after data":    {&server{onData: always(451, "disk full")}, "deferred", "451 4.1.1 disk full"},
		"550 at sender":     {&server{onMail: always(550, "no such sender")}, "bounced", "550 5.1.1 no such sender"},
		"550 at recipient":  {&server{onRcpt: always(550, "no such user")}, "bounced", "550 5.1.1 no such user"},
		"550 after data":    {&server{onData: always(554, "looks like spam")}, "bounced", "554 5.1.1 looks like spam"},
		"530 who are you":   {&server{onMail: always(530, "authenticate first")}, "deferred", "530 5.1.1 authenticate first"},
		"ill-meant reason":  {&server{onRcpt: always(550, "\x1b[2J\u202eno\u0007")}, "bounced", "550 5.1.1 [2Jno"},
		"a broken off line": {&server{onData: func() error { return errHangUp }}, "deferred", "closing SMTP DATA writer: EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			checkVerdict(t, serve(t, c.server, "smtp").Send(t.Context(), example()), c.want, c.reason)
			if want := map[bool]int{true: 1}[c.want == ""]; len(c.got()) != want {
				t.Errorf("the server holds %d mails, want %d", len(c.got()), want)
			}
		})
	}
}

func checkVerdict(t *testing.T, err error, want, reason string) {
	t.Helper()
	var deferred *Deferred
	var bounced *Bounced
	got, why := "", ""
	switch {
	case errors.As(err, &deferred):
		got, why = "deferred", deferred.Reason
	case errors.As(err, &bounced):
		got, why = "bounced", bounced.Reason
	case err != nil:
		t.Fatalf("an error that is neither: %v", err)
	}
	if got != want || !strings.Contains(why, reason) {
		t.Errorf("%q because of %q, want %q because of %q", got, why, want, reason)
	}
	if strings.Contains(why, "mueller") || why != line(why, maxReason) {
		t.Errorf("the reason is not fit to be shown: %q", why)
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := SMTP("smtp://" + address)
	if err != nil {
		t.Fatal(err)
	}
	checkVerdict(t, s.Send(t.Context(), example()), "deferred", "refused")
}

// A server that is silent at the greeting, and one that is silent after the mail.
func TestASlowServerIsGivenUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	silent, err := parseSMTP("smtp://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	late := &server{slow: make(chan struct{})}
	sender := serve(t, late, "smtp")
	defer close(late.slow)

	for name, s := range map[string]*smtpSender{"greeting": silent, "data": sender} {
		t.Run(name, func(t *testing.T) {
			s.timeout = 100 * time.Millisecond
			checkVerdict(t, s.Send(t.Context(), example()), "deferred", "timeout")

			s.timeout = time.Hour
			ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("enough"))
			defer cancel()
			checkVerdict(t, s.Send(ctx, example()), "deferred", "given up: enough")
		})
	}
}

func TestSignsIn(t *testing.T) {
	for _, scheme := range []string{"smtp", "smtp+starttls", "smtps"} { // smtp: clear text only because it is this machine
		s := &server{user: "roster", password: "s3cret"}
		sender := serve(t, s, scheme)
		if err := sender.Send(t.Context(), example()); err != nil || s.auths != 1 || len(s.got()) != 1 {
			t.Errorf("%s: %v, %d sign-ins, %d mails", scheme, err, s.auths, len(s.got()))
		}
		sender.password = "other"
		err := sender.Send(t.Context(), example())
		checkVerdict(t, err, "deferred", "535")
		if strings.Contains(fmt.Sprint(err), "other") {
			t.Errorf("%s: the password is in %v", scheme, err)
		}
	}
}

func TestThePasswordNeedsTLS(t *testing.T) {
	s := &server{user: "roster", password: "s3cret"}
	sender := serve(t, s, "smtp")
	_, port, err := net.SplitHostPort(s.host)
	if err != nil {
		t.Fatal(err)
	}
	// Another name for this machine, which the library does not take for it.
	sender, err = parseSMTP("smtp://roster:s3cret@127.0.0.2:" + port + "?tls=none")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.Serve(l) }()
	defer func() { _ = l.Close(); <-served }()
	sender.port = l.Addr().(*net.TCPAddr).Port
	checkVerdict(t, sender.Send(t.Context(), example()), "deferred", "unencrypted")
	if s.auths != 0 {
		t.Error("the password was sent in clear text")
	}
}

func TestTLS(t *testing.T) {
	plain := &server{}
	sender := serve(t, plain, "smtp")
	strict, err := parseSMTP(plain.url + "?tls=required")
	if err != nil {
		t.Fatal(err)
	}
	checkVerdict(t, strict.Send(t.Context(), example()), "deferred", "STARTTLS")
	if err := sender.Send(t.Context(), example()); err != nil {
		t.Errorf("opportunistic: %v", err)
	}

	offering := &server{}
	sender = serve(t, offering, "smtp+starttls")
	sender.tls.RootCAs = x509.NewCertPool()
	checkVerdict(t, sender.Send(t.Context(), example()), "deferred", "certificate")
	if len(offering.got()) != 0 {
		t.Error("sent to a server whose certificate nobody vouches for")
	}
	never, err := parseSMTP(offering.url + "?tls=none")
	if err != nil {
		t.Fatal(err)
	}
	if err := never.Send(t.Context(), example()); err != nil {
		t.Errorf("tls=none: %v", err)
	}
}

func TestNothingCanBeInjected(t *testing.T) {
	s := &server{}
	sender := serve(t, s, "smtp")
	if err := sender.Send(t.Context(), example()); err != nil {
		t.Fatal(err)
	}
	usual, _, _ := parse(t, s.got()[0].raw)
	for _, evil := range []string{
		"x\r\nBcc: all@evil.example", "x\nBcc: all@evil.example", "x\rBcc: all@evil.example",
		"x\r\n\r\n<h1>body</h1>", "x\r\n.\r\nMAIL FROM:<a@evil.example>", "x\u2028Bcc: a@evil.example\u2029\u0085y",
		"x\x00\x0b\x0c\x1c\x1e y", "\xff\xfe\r\nBcc: a@evil.example", "=?utf-8?q?x=0D=0ABcc:_a=40evil.example?=",
		"x\" <a@evil.example>, \"y", "x, a@evil.example", "Ö\r\nBcc: all@evil.example", strings.Repeat("Ö\r\n ", 5000),
		"(comment) <a@evil.example>", "x\\", "x\u202e\u200b",
	} {
		before := len(s.got())
		m := example()
		m.ToName, m.FromName, m.Subject, m.Text, m.HTML = evil, evil, evil, evil+"\r\n.\r\nQUIT\r\n", evil
		if err := sender.Send(t.Context(), m); err != nil {
			t.Errorf("%q: %v", evil, err)
			continue
		}
		got := s.got()
		if len(got) != before+1 {
			t.Fatalf("%q made %d mails", evil, len(got)-before)
		}
		last := got[before]
		if last.from != m.From || len(last.to) != 1 || last.to[0] != m.To {
			t.Errorf("%q: envelope %s %v", evil, last.from, last.to)
		}
		header, text, _ := parse(t, last.raw)
		if a, b := fields(header), fields(usual); fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%q: headers %v, want %v", evil, a, b)
		}
		for key, want := range map[string]gomessage.Address{
			"To": {Name: line(evil, maxName), Address: m.To}, "From": {Name: line(evil, maxName), Address: m.From},
		} {
			list, err := header.AddressList(key)
			if err != nil || len(list) != 1 || list[0].Address != want.Address {
				t.Errorf("%q: %s is %v, %v", evil, key, list, err)
			} else if list[0].Name != want.Name && !strings.HasPrefix(evil, "=?") {
				t.Errorf("%q: %s is called %q, want %q", evil, key, list[0].Name, want.Name)
			}
		}
		if !strings.Contains(text, "QUIT") {
			t.Errorf("%q: the text ended early: %q", evil, text)
		}
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	s := &server{}
	sender := serve(t, s, "smtp")
	for _, evil := range []string{
		"", "joerg", "@x.example", "joerg@", "joerg@x.example\r\nRCPT TO:<a@evil.example>", "joerg@x.example\n", "joerg@x.example\x00",
		"joerg@x.example,a@evil.example", "<joerg@x.example>", "Jörg <joerg@x.example>", "jörg@x.example", "joerg@x.example>",
		"joerg@x.example> SIZE=1", "a b@x.example", "joerg@@x.example", strings.Repeat("a", 65) + "@x.example",
	} {
		m := example()
		m.To = evil
		checkVerdict(t, sender.Send(t.Context(), m), "bounced", "recipient")
		m = example()
		m.From = evil
		checkVerdict(t, sender.Send(t.Context(), m), "deferred", "sender")
	}
	for _, id := range []string{"", "a b", "a\r\nX: y", "a>", "a@b", "../a", ".a", "ö", strings.Repeat("a", 201)} {
		m := example()
		m.ID = id
		checkVerdict(t, sender.Send(t.Context(), m), "deferred", "Message-ID")
	}
	if len(s.got()) != 0 {
		t.Errorf("the server got %v", s.got())
	}
}

func TestURL(t *testing.T) {
	for url, want := range map[string]string{
		"smtp://mail.example":                          "mail.example 587 false",
		"smtps://mail.example/":                        "mail.example 465 true",
		"smtp://u%40x:p%2Fw@[::1]:2525?tls=required":   "::1 2525 false",
		"http://mail.example":                          "",
		"mail.example:25":                              "",
		"smtp://":                                      "",
		"smtp://mail.example:99999":                    "",
		"smtp://mail.example/path":                     "",
		"smtp://mail.example?tls=maybe":                "",
		"smtp://mail.example?tls=none&tls=required":    "",
		"smtp://mail.example?skip_verify=1":            "",
		"smtps://mail.example?tls=none":                "",
		"smtp://user:s3cret\x7f@mail.example":          "",
		"smtp://user:s3cret%zz@mail.example:25?tls=%2": "",
	} {
		s, err := parseSMTP(url)
		switch {
		case want == "" && err == nil:
			t.Errorf("%s was accepted", url)
		case want == "" && strings.Contains(err.Error(), "s3cret"):
			t.Errorf("%s: the error repeats the password: %v", url, err)
		case want != "" && err != nil:
			t.Errorf("%s: %v", url, err)
		case want != "" && fmt.Sprint(s.host, " ", s.port, " ", s.implicit) != want:
			t.Errorf("%s: %+v", url, s)
		}
	}
	if s, err := SMTP("smtp://u%40x:p%2Fw@mail.example"); err != nil || s.(*smtpSender).user != "u@x" || s.(*smtpSender).password != "p/w" {
		t.Errorf("%+v, %v", s, err)
	}
}
