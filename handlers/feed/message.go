package feed

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"roster/events"
)

// Message is one event in the CloudEvents NATS binding, binary mode: the attributes are headers, the data is JSON.
type Message struct {
	// Subject is <account or _>.<person or _>.<fact>, without what all subjects of the feed begin with.
	Subject string
	Header  map[string]string
	Data    []byte
}

// The headers of a message. Those of CloudEvents begin with ce-, as its binding wants; the others say where in the
// log the fact stands, and who acted with which command.
const (
	HeaderID          = "ce-id" // <commit id>.<index>
	HeaderType        = "ce-type"
	HeaderSource      = "ce-source"
	HeaderSubject     = "ce-subject" // the person's id
	HeaderTime        = "ce-time"
	HeaderSchema      = "ce-dataschema"
	HeaderSpec        = "ce-specversion"
	HeaderContentType = "content-type"
	HeaderPosition    = "Roster-Position"
	HeaderIndex       = "Roster-Index"
	HeaderActorType   = "Roster-Actor-Type"
	HeaderActorID     = "Roster-Actor-Id"
	HeaderBehalfType  = "Roster-Behalf-Type"
	HeaderBehalfID    = "Roster-Behalf-Id"
	HeaderCommand     = "Roster-Command"
	HeaderCommandID   = "Roster-Command-Id"
	HeaderCause       = "Roster-Cause"
)

// EventID is a fact's id as an event: stable, whoever publishes it and however often.
func EventID(commit events.CommitID, index int) string {
	return commit.String() + "." + strconv.Itoa(index)
}

// message makes the event of one fact. Personal data is in it in clear only about the person whom the fact is
// about; where it is about nobody, there is none. Secrets are left out.
func (p *Publisher) message(ctx context.Context, c events.Commit, index int) (Message, error) {
	e := c.Facts[index]
	kind, person := events.KindOf(e), events.About(c.Boundary, e)
	data, err := p.data(ctx, c, index, person)
	if err != nil {
		return Message{}, err
	}
	m := Message{
		Subject: token(account(c.Boundary)) + "." + token(person) + "." + kind.Name,
		Data:    data,
		Header: map[string]string{
			HeaderID:          EventID(c.ID, index),
			HeaderType:        "roster." + kind.String(),
			HeaderSource:      SourceOf(c.Log, c.Boundary),
			HeaderTime:        c.At.String(),
			HeaderSchema:      p.PublicURL + "/schemas/" + kind.String() + ".json",
			HeaderSpec:        "1.0",
			HeaderContentType: "application/json",
			HeaderPosition:    strconv.FormatUint(c.Pos, 10),
			HeaderIndex:       strconv.Itoa(index),
			HeaderActorType:   string(c.Actor.Type),
			HeaderCommand:     escape(c.Cmd.Name),
			HeaderCommandID:   c.Cmd.ID.String(),
		},
	}
	optional := func(header, value string) {
		if value != "" {
			m.Header[header] = escape(value)
		}
	}
	if !person.IsZero() {
		m.Header[HeaderSubject] = person.String()
	}
	optional(HeaderActorID, c.Actor.ID)
	if c.Behalf != nil {
		optional(HeaderBehalfType, string(c.Behalf.Type))
		optional(HeaderBehalfID, c.Behalf.ID)
	}
	optional(HeaderCause, c.Cause)
	return m, nil
}

// data is the fact's JSON with the opened parts beside its fields, each under its name.
func (p *Publisher) data(ctx context.Context, c events.Commit, index int, person events.AnyID) ([]byte, error) {
	e := events.WithoutSecrets(c.Facts[index])
	data, err := json.Marshal(e)
	if err != nil || person.IsZero() {
		return data, err
	}
	out := bytes.NewBuffer(bytes.TrimSuffix(data, []byte("}")))
	place := events.Place{Log: c.Log, Boundary: c.Boundary, Commit: c.ID, Index: index, Kind: events.KindOf(e)}
	_, err = events.Open(e, func(part string, b events.Box) ([]byte, bool, error) {
		place.Part = part
		plain, ok, err := p.Opener.Open(ctx, place, b)
		if err != nil {
			return nil, false, err
		}
		if !ok {
			plain = []byte(`{"erased":true}`)
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		fmt.Fprintf(out, "%q:", part)
		return plain, ok, json.Compact(out, plain)
	})
	out.WriteByte('}')
	return out.Bytes(), err
}

// account is the account that a boundary is of, if it is one.
func account(b events.Boundary) events.AnyID {
	if b.Kind != events.AccountBoundary {
		return events.AnyID{}
	}
	return b.ID
}

func token(id events.AnyID) string {
	if id.IsZero() {
		return "_"
	}
	return id.String()
}

// SourceOf is the source of a boundary's events: /logs/<log>/accounts/<id>, /logs/<log>/portal.
func SourceOf(log events.LogID, b events.Boundary) string {
	source := "/logs/" + log.String() + "/"
	switch b.Kind {
	case events.AccountBoundary:
		return source + "accounts/" + b.ID.String()
	case events.UserBoundary:
		return source + "users/" + b.ID.String()
	case events.AddressBoundary:
		return source + "addresses/" + b.ID.String()
	case events.AttemptsBoundary:
		return source + "attempts/" + b.ID.String()
	case events.TreeBoundary, events.PortalBoundary, events.SystemBoundary:
	}
	return source + string(b.Kind)
}

// escape is percent-encoding as the CloudEvents bindings want it in headers: blanks, quotes, percent signs and
// whatever is not printable ASCII.
func escape(s string) string {
	plain := func(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '%' }
	for i := range len(s) {
		if plain(s[i]) {
			continue
		}
		var b strings.Builder
		for i := range len(s) {
			if plain(s[i]) {
				b.WriteByte(s[i])
			} else {
				fmt.Fprintf(&b, "%%%02X", s[i])
			}
		}
		return b.String()
	}
	return s
}
