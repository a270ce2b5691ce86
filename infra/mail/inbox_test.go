package mail

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var _ Sender = (*Inbox)(nil)

func open(t *testing.T, dir string, keep int) *Inbox {
	t.Helper()
	in, err := openInbox(dir, keep)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func send(t *testing.T, in *Inbox, id, subject string) {
	t.Helper()
	m := example()
	m.ID, m.Subject = id, subject
	if err := in.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func ids(in *Inbox) string {
	var list []string
	for _, s := range in.List() {
		list = append(list, s.ID+"="+s.Subject)
	}
	return strings.Join(list, " ")
}

func TestInboxKeepsTheNewest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	in := open(t, dir, 3)
	for _, id := range []string{"a", "b", "c", "b", "d"} {
		send(t, in, id, "the "+id)
	}
	send(t, in, "c", "again")
	const want = "d=the d c=again b=the b"
	if got := ids(in); got != want {
		t.Errorf("holds %s, want %s", got, want)
	}
	before := in.List()

	for name, mode := range map[string]os.FileMode{"": 0o700, "*.json": 0o600} {
		paths, err := filepath.Glob(filepath.Join(dir, name))
		if err != nil || (name != "" && len(paths) != 3) {
			t.Fatal(paths, err)
		}
		for _, p := range paths {
			if i, err := os.Stat(p); err != nil || i.Mode().Perm() != mode {
				t.Errorf("%s: %v, %v", p, i.Mode(), err)
			}
		}
	}

	// Opened again, with what a dead program and a curious person left behind.
	for _, name := range []string{".new-123", "notes.txt", fmt.Sprintf("%019d-%032x.json", 1, 1)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("{half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	again := open(t, dir, 3)
	if diff := cmp.Diff(before, again.List()); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, ".new-123")); !os.IsNotExist(err) {
		t.Errorf("a half written mail is still there: %v", err)
	}
	send(t, again, "b", "still once")
	if got := ids(again); got != "d=the d c=again b=still once" {
		t.Errorf("holds %s", got)
	}
	if got := ids(open(t, dir, 2)); got != "d=the d c=again" {
		t.Errorf("holds %s", got)
	}
}

func TestInboxInParallel(t *testing.T) {
	in := open(t, t.TempDir(), 20)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			m := example()
			m.ID = fmt.Sprint("mail-", i/2)
			if err := in.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, s := range in.List() {
		seen[s.ID] = true
	}
	if len(seen) != 20 || len(in.List()) != 20 {
		t.Errorf("holds %s", ids(in))
	}
}

func TestInboxRefusesWhatAServerWould(t *testing.T) {
	in := open(t, t.TempDir(), 10)
	m := example()
	m.To = "a@b.example\r\nBcc: c@d.example"
	checkVerdict(t, in.Send(t.Context(), m), "bounced", "recipient")
	m = example()
	m.ID = "../../x"
	checkVerdict(t, in.Send(t.Context(), m), "deferred", "Message-ID")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	checkVerdict(t, in.Send(ctx, example()), "deferred", "given up")
	if err := in.Send(t.Context(), Message{ID: "sms", To: "+31612345678", Text: "123456"}); err != nil {
		t.Error(err)
	}
	if l := in.List(); len(l) != 1 || l[0].To != "+31612345678" {
		t.Errorf("holds %+v", l)
	}
}

func get(t *testing.T, h http.Handler, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, "http://localhost:8080"+path, nil))
	return w
}

func TestInboxJSON(t *testing.T) {
	in := open(t, t.TempDir(), 10)
	if w := get(t, in.JSON(), "GET", "/dev/inbox.json"); strings.TrimSpace(w.Body.String()) != "[]" {
		t.Errorf("empty: %s", w.Body)
	}
	send(t, in, "a.0", "first")
	send(t, in, "b.0", "second")
	w := get(t, in.JSON(), "GET", "/dev/inbox.json")
	var list []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" || len(list) != 2 {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	m := example()
	want := map[string]any{"id": "b.0", "to": m.To, "subject": "second", "text": m.Text, "html": m.HTML, "sent_at": list[0]["sent_at"]}
	if diff := cmp.Diff(want, list[0]); diff != "" {
		t.Error(diff)
	}
	if s, _ := list[0]["sent_at"].(string); !strings.HasSuffix(s, "Z") {
		t.Errorf("sent_at is %v, not UTC", list[0]["sent_at"])
	}
	if w := get(t, in.JSON(), "POST", "/dev/inbox.json"); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

func TestInboxPage(t *testing.T) {
	in := open(t, t.TempDir(), 10)
	mux := http.NewServeMux()
	mux.Handle("/dev/inbox", in.Page())
	mux.Handle("/dev/inbox/{id}", in.Page())
	if w := get(t, mux, "GET", "/dev/inbox"); w.Code != 200 || !strings.Contains(w.Body.String(), "Nothing has been sent yet.") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	m := example()
	m.ID = "x=+1.0"
	m.Subject = "<script>alert(1)</script>"
	m.Text = "</pre><script>alert(2)</script> at https://portal.example/invitations/T-_1?a=b&c=d. javascript:alert(3)"
	m.HTML = "<p style=\"color:red\">&amp; \"quoted\"</p><script>alert(4)</script></iframe>"
	if err := in.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}

	list := get(t, mux, "GET", "/dev/inbox")
	mail := get(t, mux, "GET", "/dev/inbox/x=+1.0")
	for name, w := range map[string]*httptest.ResponseRecorder{"list": list, "mail": mail} {
		body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
		if w.Code != 200 || strings.Contains(body, "<script") || strings.Count(body, "</iframe>") > 1 {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
		if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "script") {
			t.Errorf("%s: policy %q", name, policy)
		}
		if !strings.Contains(body, "<style>"+pageStyle+"</style>") {
			t.Errorf("%s: the style sheet is not the one that the policy allows", name)
		}
	}
	if want := `<a href="/dev/inbox/x=+1.0">`; !strings.Contains(strings.ReplaceAll(list.Body.String(), "&#43;", "+"), want) {
		t.Errorf("the list lacks %s: %s", want, list.Body)
	}
	for _, want := range []string{
		`sandbox=""`,
		`srcdoc="&lt;p style=&#34;color:red&#34;&gt;&amp;amp; &#34;quoted&#34;&lt;/p&gt;&lt;script&gt;`,
		`<a href="https://portal.example/invitations/T-_1?a=b&amp;c=d" rel="noopener noreferrer">`,
	} {
		if !strings.Contains(mail.Body.String(), want) {
			t.Errorf("the mail lacks %s: %s", want, mail.Body)
		}
	}
	if strings.Contains(mail.Body.String(), `href="javascript`) {
		t.Errorf("a script as link: %s", mail.Body)
	}
	if w := get(t, mux, "GET", "/dev/inbox/other"); w.Code != http.StatusNotFound {
		t.Errorf("an unknown mail: %d", w.Code)
	}
	if w := get(t, mux, "DELETE", "/dev/inbox/x=+1.0"); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %d", w.Code)
	}
}

// A name that points here for once, or a proxy, is no way around "on this machine only".
func TestInboxIsForThisMachine(t *testing.T) {
	in := open(t, t.TempDir(), 10)
	send(t, in, "1", "For your eyes")
	for host, status := range map[string]int{
		"localhost:8080": 200, "LOCALHOST": 200, "127.0.0.1:8080": 200, "127.1.2.3": 200, "[::1]:8080": 200, "[::1]": 200,
		"portal.example": 421, "portal.example:8080": 421, "localhost.portal.example": 421, "192.0.2.1:8080": 421, "[2001:db8::1]": 421,
	} {
		for name, h := range map[string]http.Handler{"/dev/inbox": in.Page(), "/dev/inbox/1": in.Page(), "/dev/inbox.json": in.JSON()} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, name, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if shown := strings.Contains(w.Body.String(), "For your eyes"); w.Code != status || shown != (status == 200) {
				t.Errorf("%s at %s: %d, shown %v", name, host, w.Code, shown)
			}
		}
	}
}
