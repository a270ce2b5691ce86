package main_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// mailServer is a real SMTP server that answers as the recipient's name says.
type mailServer struct {
	mu    sync.Mutex
	full  bool // who is deferred still is
	mails map[string]int
}

func (s *mailServer) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{s: s}, nil }

type mailSession struct {
	s  *mailServer
	to string
}

func (x *mailSession) Reset()                               {}
func (x *mailSession) Logout() error                        { return nil }
func (x *mailSession) Mail(string, *smtp.MailOptions) error { return nil }

func (x *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.to = to
	switch {
	case strings.HasPrefix(to, "gone"):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody of that name lives here"}
	case strings.HasPrefix(to, "full") && x.s.full:
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 2, 2}, Message: "the letter box is full"}
	}
	return nil
}

func (x *mailSession) Data(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	x.s.mu.Lock()
	defer x.s.mu.Unlock()
	x.s.mails[x.to]++
	return err
}

// TestDelivery: the list tells what the mail server has said (SPEC 2.11).
func TestDelivery(t *testing.T) {
	t.Parallel()
	backend := &mailServer{full: true, mails: map[string]int{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(backend)
	server.Domain = "mail.example"
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	defer serving.Wait()
	defer func() { _ = server.Close() }()

	r := serve(t, dataDir(t), "--smtp", "smtp://"+listener.Addr().String()+"?tls=none")
	account, ann := r.setUp()
	at := "/v1/accounts/" + account
	r.as("").get("/dev/inbox.json").Want(404)
	ann.post(at+"/invitations", m{"emails": "fine@northwind.example full@northwind.example gone@northwind.example", "roles": []string{"viewer"}}).Want(200)
	invitations := map[string]string{}
	states := func() map[string][2]string {
		found := map[string][2]string{}
		for _, one := range ann.get(at + "/users?status=pending").Want(200).JSON()["items"].([]any) {
			item := one.(map[string]any)
			reason, _ := item["delivery_reason"].(string)
			name, _, _ := strings.Cut(item["email"].(string), "@")
			found[name] = [2]string{item["delivery"].(string), reason}
			invitations[name] = item["id"].(string)
		}
		return found
	}
	r.until("an answer to every mail", func() bool {
		s := states()
		return s["fine"][0] == "sent" && s["full"][0] == "deferred" && s["gone"][0] == "bounced"
	})
	s := states()
	if !strings.Contains(s["full"][1], "letter box is full") || !strings.Contains(s["gone"][1], "nobody of that name") || s["fine"][1] != "" {
		t.Errorf("the reasons are %v", s)
	}
	for _, one := range ann.get(at + "/invitations").Want(200).JSON()["items"].([]any) {
		item := one.(map[string]any)
		name, _, _ := strings.Cut(item["email"].(string), "@")
		if item["delivery"] != s[name][0] {
			t.Errorf("%s is %v among the invitations and %s in the list", name, item["delivery"], s[name][0])
		}
	}
	// A new mail of the same invitation goes out at once.
	backend.mu.Lock()
	backend.full = false
	backend.mu.Unlock()
	ann.post(at+"/invitations/"+invitations["full"]+"/resend", nil).Want(200)
	r.until("the deferred one to arrive", func() bool { return states()["full"] == [2]string{"sent", ""} })
	r.stop()
	backend.mu.Lock()
	defer backend.mu.Unlock()
	if backend.mails["fine@northwind.example"] != 1 || backend.mails["full@northwind.example"] != 1 || backend.mails["gone@northwind.example"] != 0 {
		t.Errorf("the mail server took %v", backend.mails)
	}
}
