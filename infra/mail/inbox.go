package mail

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Inbox is the mail server of a developer's machine: it keeps the last 1,000 mails in a folder, for their
// receiver to look at. It is a Sender that accepts whatever a mail server would; a text message to a telephone
// number in international form (+31…) is welcome too.
//
// A mail is one file, readable by its owner only, and replaces the one with the same ID: sent twice, there once.
// It is meant for one process; files that are not its own are left alone.
type Inbox struct {
	dir  string
	keep int

	mu    sync.Mutex
	mails []kept // oldest first
}

// Stored is a mail in the Inbox, as GET /dev/inbox.json answers it.
type Stored struct {
	ID      string    `json:"id"` // the Message's ID
	To      string    `json:"to"` // the address alone
	Subject string    `json:"subject"`
	Text    string    `json:"text"`
	HTML    string    `json:"html"`
	SentAt  time.Time `json:"sent_at"`
}

type kept struct {
	file string
	Stored
}

var (
	mailFile    = regexp.MustCompile(`^\d{19}-[0-9a-f]{32}\.json$`)
	phoneNumber = regexp.MustCompile(`^\+[1-9][0-9]{5,14}$`)
)

// OpenInbox opens the inbox in dir, which is made if it is missing, with the mails that it holds already.
func OpenInbox(dir string) (*Inbox, error) { return openInbox(dir, 1000) }

func openInbox(dir string, keep int) (*Inbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	in := &Inbox{dir: dir, keep: keep}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		if strings.HasPrefix(f.Name(), ".new-") { // was being written when the program died: never accepted
			_ = os.Remove(path)
			continue
		}
		if !mailFile.MatchString(f.Name()) {
			continue
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("inbox: %w", err)
		}
		k := kept{file: f.Name()}
		if json.Unmarshal(raw, &k.Stored) == nil && k.ID != "" {
			in.mails = append(in.mails, k)
		}
	}
	slices.SortStableFunc(in.mails, func(a, b kept) int { return cmp.Compare(a.file, b.file) })
	return in, in.forgetOld()
}

// Send keeps the mail. One with the same ID is replaced where it stands in the list, with the time of its first
// arrival.
func (in *Inbox) Send(ctx context.Context, m Message) error {
	if err := ctx.Err(); err != nil {
		return &Deferred{reason("given up: %v", context.Cause(ctx))}
	}
	to := m.To
	if phoneNumber.MatchString(to) {
		m.To = "telephone@example.invalid" // only to pass the check of addresses
		m.From = cmp.Or(m.From, m.To)
	}
	m, err := m.checked()
	if err != nil {
		return err
	}

	in.mu.Lock()
	defer in.mu.Unlock()
	now := time.Now().UTC()
	if n := len(in.mails); n > 0 && !now.After(in.mails[n-1].SentAt) {
		now = in.mails[n-1].SentAt.Add(time.Nanosecond) // the list is in the order of sending, whatever the clock does
	}
	k := kept{Stored: Stored{ID: m.ID, To: to, Subject: m.Subject, Text: m.Text, HTML: m.HTML, SentAt: now}}
	at := slices.IndexFunc(in.mails, func(old kept) bool { return old.ID == m.ID })
	if at >= 0 {
		k.SentAt, k.file = in.mails[at].SentAt, in.mails[at].file
	} else {
		sum := sha256.Sum256([]byte(m.ID))
		k.file = fmt.Sprintf("%019d-%s.json", now.UnixNano(), hex.EncodeToString(sum[:16]))
	}
	if err := in.write(k); err != nil {
		return &Deferred{reason("inbox: %v", err)}
	}
	if at >= 0 {
		in.mails[at] = k
		return nil
	}
	in.mails = append(in.mails, k)
	if err := in.forgetOld(); err != nil {
		return &Deferred{reason("inbox: %v", err)} // stored: an attempt more replaces it
	}
	return nil
}

// List is what the inbox holds, newest first.
func (in *Inbox) List() []Stored {
	in.mu.Lock()
	defer in.mu.Unlock()
	list := make([]Stored, 0, len(in.mails))
	for _, k := range slices.Backward(in.mails) {
		list = append(list, k.Stored)
	}
	return list
}

func (in *Inbox) write(k kept) (err error) {
	raw, err := json.MarshalIndent(k.Stored, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(in.dir, ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(in.dir, k.file))
}

func (in *Inbox) forgetOld() error {
	for len(in.mails) > in.keep {
		if err := os.Remove(filepath.Join(in.dir, in.mails[0].file)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("inbox: %w", err)
		}
		in.mails = in.mails[1:]
	}
	return nil
}
