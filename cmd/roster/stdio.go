package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/term"
)

// stdio is what a command talks to, other than the network.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// say prints a line.
func (s stdio) say(format string, args ...any) error {
	_, err := fmt.Fprintf(s.out, format+"\n", args...)
	return err
}

// note tells people beside the result, where nobody reads it as such.
func (s stdio) note(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, format+"\n", args...)
}

// json prints a document.
func (s stdio) json(document any) error {
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(document)
}

// secret asks for something on the terminal that is not shown.
func (s stdio) secret(prompt string) (string, error) {
	f, ok := s.in.(*os.File)
	if !ok {
		return "", errors.New("standard input is no terminal")
	}
	_, _ = fmt.Fprint(s.err, prompt)
	text, err := term.ReadPassword(int(f.Fd()))
	_, _ = fmt.Fprintln(s.err)
	return string(text), err
}

// maxFile bounds what is read whole.
const maxFile = 64 << 20

// read reads a file, or standard input where the path is -.
func (s stdio) read(path string) ([]byte, error) {
	from := s.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usage("%v", err)
		}
		defer func() { _ = f.Close() }()
		from = f
	}
	text, err := io.ReadAll(io.LimitReader(from, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = usage("%s is larger than %d MiB", path, maxFile>>20)
	}
	return text, err
}

// printable is text without what could move the cursor, change colours or turn the direction of a terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == '\u2028' || c == '\u2029' {
			return -1
		}
		return c
	}, text)
}

// progress tells on a terminal that something takes its time. Elsewhere it says nothing.
type progress struct {
	mu    sync.Mutex
	out   io.Writer // nil: nobody looks
	since time.Time
	last  time.Time
	text  string
	ended chan struct{}
}

// progress begins to tell.
func (s stdio) progress() *progress {
	p := &progress{since: time.Now()}
	if !isTerminal(s.err) {
		return p
	}
	p.out, p.ended = s.err, make(chan struct{})
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				p.show()
			case <-p.ended:
				return
			}
		}
	}()
	return p
}

// say changes what is told. It shows only what takes longer than people notice.
func (p *progress) say(format string, args ...any) {
	if p.out == nil {
		return
	}
	p.mu.Lock()
	p.text = fmt.Sprintf(format, args...)
	due := time.Since(p.since) > time.Second && time.Since(p.last) > 200*time.Millisecond
	p.mu.Unlock()
	if due {
		p.show()
	}
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text == "" {
		return
	}
	p.last = time.Now()
	_, _ = fmt.Fprintf(p.out, "\r\x1b[K%s (%d s)", p.text, int(time.Since(p.since).Seconds()))
}

// end takes the line away again.
func (p *progress) end() {
	if p.out == nil {
		return
	}
	close(p.ended)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = ""
	if !p.last.IsZero() {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
}
