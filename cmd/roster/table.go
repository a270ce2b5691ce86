package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// table is what people read: columns under each other.
type table struct{ lines [][]string }

func newTable(titles ...string) *table { return &table{lines: [][]string{titles}} }

func (t *table) row(cells ...string) {
	for i, cell := range cells {
		if cells[i] = printable(cell); cells[i] == "" {
			cells[i] = "-"
		}
	}
	t.lines = append(t.lines, cells)
}

func (t *table) print(io stdio) error {
	w := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	for _, line := range t.lines {
		_, _ = fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	return w.Flush()
}

// column is a column of a table: its title, and where in an item its value stands, such as inviter.name.
type column struct{ title, path string }

// columns are made of pairs of a title and a path.
func columns(pairs ...string) []column {
	var out []column
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, column{pairs[i], pairs[i+1]})
	}
	return out
}

// list prints a list as a table, or all that the server said as JSON.
func (c *client) list(l listing, cols []column) error {
	if c.asJSON {
		return c.io.json(l.document())
	}
	var titles []string
	for _, col := range cols {
		titles = append(titles, col.title)
	}
	t := newTable(titles...)
	for _, raw := range l.items {
		var item any
		if err := decode(raw, &item); err != nil {
			return err
		}
		var cells []string
		for _, col := range cols {
			cells = append(cells, text(find(item, col.path)))
		}
		t.row(cells...)
	}
	return t.print(c.io)
}

// show prints an object, a line for each field, or the document as JSON.
func (c *client) show(raw json.RawMessage, cols []column) error {
	if c.asJSON {
		return c.io.json(raw)
	}
	return c.io.fields(raw, cols)
}

// showing is show for what a command answered.
func (c *changer) showing(cols []column) func(json.RawMessage) error {
	return func(raw json.RawMessage) error { return c.io.fields(raw, cols) }
}

func (s stdio) fields(raw json.RawMessage, cols []column) error {
	var item any
	if err := decode(raw, &item); err != nil {
		return err
	}
	t := &table{}
	for _, col := range cols {
		t.row(col.title, text(find(item, col.path)))
	}
	return t.print(s)
}

func decode(raw json.RawMessage, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return &awayError{"the server answered something that is no JSON: is this Roster?"}
	}
	return nil
}

// find is the value at a path, nil where there is none.
func find(item any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		object, ok := item.(map[string]any)
		if !ok {
			return nil
		}
		item = object[name]
	}
	return item
}

// text is a value as a cell shows it: times to the second in UTC, lists by comma, objects as JSON.
func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return at.UTC().Format(time.RFC3339)
		}
		return v
	case bool:
		if v {
			return "yes"
		}
		return "no"
	case []any:
		var parts []string
		for _, one := range v {
			parts = append(parts, text(one))
		}
		return strings.Join(parts, ",")
	case map[string]any:
		if name, ok := v["name"].(string); ok && name != "" {
			return name
		}
		if id, ok := v["id"].(string); ok {
			return id
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(raw)
	}
	return fmt.Sprint(value)
}

// flat is an object as lines of a path and a value, in the order of the paths.
func flat(raw json.RawMessage) (map[string]string, error) {
	var value any
	if err := decode(raw, &value); err != nil {
		return nil, err
	}
	out := map[string]string{}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		object, ok := value.(map[string]any)
		if !ok {
			out[path] = text(value)
			return
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			walk(strings.TrimPrefix(path+"."+name, "."), object[name])
		}
	}
	walk("", value)
	return out, nil
}
