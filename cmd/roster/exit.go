package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// The exit codes, as roster --help lists them.
const (
	exitDone    = 0
	exitRefused = 1
	exitUsage   = 2
	exitAway    = 3
	exitSome    = 4
)

// exitCodes is what roster --help says of them.
const exitCodes = `

Exit codes:

    0  done
    1  refused, or not allowed
    2  the command was not understood
    3  the server cannot be reached or is unavailable
    4  some items of many were refused`

// exitOf is the exit code of an error.
func exitOf(err error) int {
	var coded interface{ ExitCode() int }
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &coded):
		return coded.ExitCode()
	}
	return exitRefused
}

// exit ends the program with a code of which everything has been said.
type exit int

func (exit) Error() string   { return "" }
func (e exit) ExitCode() int { return int(e) }

// usageError is a command that could not be understood.
type usageError struct{ text string }

func usage(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

func (e *usageError) Error() string { return e.text }
func (e *usageError) ExitCode() int { return exitUsage }

// awayError is a server that could not be reached, or gave no answer that is one.
type awayError struct{ text string }

func (e *awayError) Error() string { return e.text }
func (e *awayError) ExitCode() int { return exitAway }

// someRefused is a bulk of which not everything was done.
type someRefused struct{ refused, of int }

func (e *someRefused) Error() string { return fmt.Sprintf("%d of %d were refused", e.refused, e.of) }
func (e *someRefused) ExitCode() int { return exitSome }

// The codes of refusals that are answered with a confirmation.
const (
	codeConfirmation = "confirmation_required"
	codeThreshold    = "threshold_exceeded"
)

// problem is what the server answers when it does not do something (RFC 9457).
type problem struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
	Accounts []string `json:"accounts"`
	Confirm  string   `json:"confirm"`

	hint string
}

// problemOf reads a problem document, or makes one of an answer that has none, such as a proxy's.
func problemOf(a answer) *problem {
	p := new(problem)
	if err := json.Unmarshal(a.body, p); err != nil || p.Code == "" {
		p = &problem{Code: strings.ReplaceAll(strings.ToLower(http.StatusText(a.status)), " ", "_"), Detail: fmt.Sprintf("the server answered %d and no reason", a.status)}
	}
	p.Status = a.status
	return p
}

// Error is the code, the detail, and on a line each what is wrong where and in which accounts.
func (p *problem) Error() string {
	var b strings.Builder
	b.WriteString(p.Code)
	if text := p.Detail; text != "" {
		b.WriteString(": " + text)
	} else if p.Title != "" {
		b.WriteString(": " + p.Title)
	}
	for _, e := range p.Errors {
		if e.Message != p.Detail || len(p.Errors) > 1 {
			b.WriteString("\n" + e.Location + ": " + e.Message)
		} else {
			b.WriteString(" (" + e.Location + ")")
		}
	}
	for _, account := range p.Accounts {
		b.WriteString("\naccount " + account)
	}
	if p.hint != "" {
		b.WriteString("\n" + p.hint)
	}
	return b.String()
}

// ExitCode tells a server that cannot from one that does not want to.
func (p *problem) ExitCode() int {
	if p.Status >= http.StatusInternalServerError {
		return exitAway
	}
	return exitRefused
}

// told is an error as it is told: a refusal with each thing that is wrong on a line of its own, everything else in one.
func told(err error) string {
	var refusal *problem
	if !errors.As(err, &refusal) {
		return "roster: " + printable(oneLine(err))
	}
	var lines []string
	for line := range strings.SplitSeq(strings.ReplaceAll(err.Error(), "\r", "\n"), "\n") {
		if line = strings.TrimSpace(printable(line)); line != "" {
			lines = append(lines, line)
		}
	}
	return "roster: " + strings.Join(lines, "\n  ")
}
