package projections

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"roster/events"
)

// ExportAudit hands fn every entry asked for, oldest first, up to those there are when it gets there. It holds a
// thousand entries at a time, however many there are. After an interruption it goes on behind query.Cursor, the
// place of the last entry that was handed over; query.Limit does not count.
func ExportAudit(ctx context.Context, r Asker, query AuditQuery, fn func(AuditEntry) error) error {
	for {
		entries, err := readAudit(ctx, r, query, auditMaxLimit, true)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := fn(e); err != nil {
				return err
			}
		}
		if len(entries) < auditMaxLimit {
			return nil
		}
		query.Cursor = entries[len(entries)-1].Cursor()
	}
}

// AuditNDJSON writes entries as lines of JSON.
func AuditNDJSON(w io.Writer) func(AuditEntry) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return func(e AuditEntry) error { return enc.Encode(e) }
}

// AuditCSV writes the header row, and answers what writes an entry as a row, as WriteCSVRow does. Times are in the zone,
// with the offset written (SPEC 4.8); nil is UTC.
func AuditCSV(w io.Writer, zone *time.Location) (func(AuditEntry) error, error) {
	at := func(t events.Time) string {
		if zone == nil {
			return t.String()
		}
		return t.Std().In(zone).Format("2006-01-02T15:04:05.000000Z07:00")
	}
	err := WriteCSVRow(w, "position", "index", "time", "account", "action", "outcome", "code",
		"actor_type", "actor_id", "actor_name", "on_behalf_of_type", "on_behalf_of_id", "on_behalf_of_name",
		"target_type", "target_id", "target_name", "ip", "device", "before", "after", "reason", "command_id")
	return func(e AuditEntry) error {
		var account string
		var behalf, target AuditName
		if e.Account != nil {
			account = e.Account.String()
		}
		if e.OnBehalf != nil {
			behalf = *e.OnBehalf
		}
		if e.Target != nil {
			target = *e.Target
		}
		return WriteCSVRow(w, strconv.FormatUint(e.Position, 10), strconv.Itoa(e.Index), at(e.Time), account, e.Action,
			e.Outcome, e.Code, e.Actor.Type, e.Actor.ID, e.Actor.Name, behalf.Type, behalf.ID, behalf.Name,
			target.Type, target.ID, target.Name, e.IP, e.Device, string(e.Before), string(e.After), e.Reason, e.CommandID.String())
	}, err
}

// WriteCSVRow writes a row as RFC 4180 has it. A cell that a spreadsheet would take for a formula gets an apostrophe
// in front, and so does one that begins with an apostrophe: taking a first apostrophe away gives every cell back.
func WriteCSVRow(w io.Writer, cells ...string) error {
	var b strings.Builder
	for i, cell := range cells {
		if i > 0 {
			b.WriteByte(',')
		}
		if cell != "" && strings.ContainsRune("=+-@\t\r\x00'", rune(cell[0])) {
			cell = "'" + cell
		}
		if !strings.ContainsAny(cell, ",\"\r\n") && cell == strings.TrimSpace(cell) {
			b.WriteString(cell)
			continue
		}
		b.WriteByte('"')
		b.WriteString(strings.ReplaceAll(cell, `"`, `""`))
		b.WriteByte('"')
	}
	b.WriteString("\r\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	return nil
}
