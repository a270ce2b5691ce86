package domain

import (
	"encoding/binary"
	"encoding/json"

	"roster/events"
)

// coder writes the parts of a state as bytes, or reads them: the same calls do both, so that what is written and what
// is read cannot differ. Whatever bytes it is given, reading ends: bad says that they were none of its own.
type coder struct {
	b       []byte // what has been written, or what is left to read
	reading bool
	bad     bool
	words   map[string]string         // reading: equal texts are kept once ...
	lists   map[string][]events.Grant // ... and equal grants
}

func writing() *coder { return &coder{} }

func reading() *coder {
	return &coder{reading: true, words: map[string]string{}, lists: map[string][]events.Grant{}}
}

// from begins to read other bytes.
func (c *coder) from(b []byte) { c.b = b }

// take reads the next n bytes, which stay the reader's.
func (c *coder) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.bad, c.b = true, nil
		return nil
	}
	taken := c.b[:n]
	c.b = c.b[n:]
	return taken
}

// fixed is as many bytes as there are.
func (c *coder) fixed(p []byte) {
	if c.reading {
		copy(p, c.take(uint64(len(p))))
		return
	}
	c.b = append(c.b, p...)
}

func (c *coder) uvarint(n uint64) uint64 {
	if !c.reading {
		c.b = binary.AppendUvarint(c.b, n)
		return n
	}
	n, width := binary.Uvarint(c.b)
	if width <= 0 {
		c.bad, c.b = true, nil
		return 0
	}
	c.b = c.b[width:]
	return n
}

// number is a whole number, short when it is near zero.
func number[T ~int | ~int64 | ~uint32 | ~uint64](c *coder, p *T) {
	n := int64(*p)
	n = int64(c.uvarint(uint64(n<<1 ^ n>>63)))
	if c.reading {
		*p = T(int64(uint64(n)>>1) ^ -(n & 1))
	}
}

func (c *coder) flag(p *bool) {
	n := uint64(0)
	if *p {
		n = 1
	}
	if n = c.uvarint(n); c.reading {
		*p = n == 1
	}
}

// span is bytes with their length before them. What is read stays the reader's.
func (c *coder) span(b []byte) []byte {
	n := c.uvarint(uint64(len(b)))
	if c.reading {
		return c.take(n)
	}
	c.b = append(c.b, b...)
	return b
}

func text[T ~string](c *coder, p *T) {
	b := c.span([]byte(*p))
	if !c.reading {
		return
	}
	word, ok := c.words[string(b)]
	if !ok {
		word = string(b)
		c.words[word] = word
	}
	*p = T(word)
}

// list is values one after another. None are read as nil, whatever they were.
func list[T any](c *coder, p *[]T, code func(*T, *coder)) {
	n := c.uvarint(uint64(len(*p)))
	if c.reading {
		*p = nil
		if n > uint64(len(c.b)) { // each is a byte at least
			c.bad, c.b = true, nil
		}
		if c.bad || n == 0 {
			return
		}
		*p = make([]T, n)
	}
	for i := range *p {
		code(&(*p)[i], c)
	}
}

func (c *coder) grants(p *[]events.Grant) {
	if !c.reading {
		inner := writing()
		list(inner, p, codeGrant)
		c.span(inner.b)
		return
	}
	b := c.span(nil)
	known, ok := c.lists[string(b)]
	if !ok {
		rest := c.b
		c.b = b
		list(c, &known, codeGrant)
		c.bad = c.bad || len(c.b) > 0
		c.b = rest
		c.lists[string(b)] = known
	}
	*p = known
}

func codeGrant(g *events.Grant, c *coder) {
	list(c, &g.Roles, codeText)
	list(c, &g.Permissions, codeText)
	c.flag(&g.Inherit)
	number(c, &g.From)
	number(c, &g.Until)
}

func codeText(s *string, c *coder) { text(c, s) }

func (c *coder) sealed(s *Sealed) {
	c.fixed(s.Box.K[:])
	if b := c.span(s.Box.B); c.reading {
		s.Box.B = append(events.Bytes(nil), b...)
	}
	c.fixed(s.Commit[:])
	number(c, &s.Index)
}

func (c *coder) actor(a *events.Actor) {
	text(c, &a.Type)
	text(c, &a.ID)
	c.fixed(a.Session[:])
}

// asJSON is a value that changes seldom and has many optional parts.
func (c *coder) asJSON(p any) {
	if !c.reading {
		b, err := json.Marshal(p)
		c.bad = c.bad || err != nil
		c.span(b)
		return
	}
	if json.Unmarshal(c.span(nil), p) != nil {
		c.bad = true
	}
}
