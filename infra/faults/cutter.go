package faults

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
)

// Cutter is a TCP proxy that resets connections when so many bytes have gone one way. Toxiproxy has the same in its
// limit_data and reset_peer, but only by time or with a clean end, and brings nine modules along.
type Cutter struct {
	// Addr is where it listens.
	Addr string
	// Cuts counts the connections that were reset.
	Cuts atomic.Int64

	listener net.Listener
	budget   func() (up, down int64)

	mu     sync.Mutex
	target string
	open   map[net.Conn]bool
	ended  bool
}

// uncut is the budget of a way that is not cut.
const uncut = int64(-1)

// newCutter makes a proxy on a free port. budget says of each new connection after how many bytes from the client, and
// to it, it is reset.
func newCutter(budget func() (up, down int64)) (*Cutter, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Cutter{Addr: l.Addr().String(), listener: l, budget: budget, open: map[net.Conn]bool{}}
	go c.accept()
	return c, nil
}

// Lead says where new connections go: to a URL's host.
func (c *Cutter) Lead(to string) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.target = u.Host
	return nil
}

// Close ends it and every connection.
func (c *Cutter) Close() error {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
	c.CutAll()
	return c.listener.Close()
}

// CutAll resets every connection that is open.
func (c *Cutter) CutAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		reset(conn)
	}
}

func (c *Cutter) accept() {
	for {
		client, err := c.listener.Accept()
		if err != nil {
			return // closed
		}
		go c.serve(client)
	}
}

// keep notes an open connection, unless all is over.
func (c *Cutter) keep(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		_ = conn.Close()
		return false
	}
	c.open[conn] = true
	return true
}

func (c *Cutter) drop(conn net.Conn) {
	_ = conn.Close() // reset, or read to its end
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
}

func (c *Cutter) serve(client net.Conn) {
	if !c.keep(client) {
		return
	}
	defer c.drop(client)
	c.mu.Lock()
	target := c.target
	c.mu.Unlock()
	server, err := new(net.Dialer).DialContext(context.Background(), "tcp", target)
	if err != nil || !c.keep(server) {
		return
	}
	defer c.drop(server)
	up, down := c.budget()
	var ways sync.WaitGroup
	var cut sync.Once
	way := func(to, from net.Conn, budget int64) {
		if pass(to, from, budget) {
			cut.Do(func() {
				c.Cuts.Add(1)
				reset(client)
				reset(server)
			})
			return
		}
		if t, ok := to.(*net.TCPConn); ok {
			_ = t.CloseWrite() // the other way may still be at work
		}
	}
	ways.Go(func() { way(server, client, up) })
	ways.Go(func() { way(client, server, down) })
	ways.Wait()
}

// pass copies until the end, or until so many bytes are through: then it is time to cut.
func pass(to io.Writer, from io.Reader, budget int64) (cut bool) {
	if budget == uncut {
		_, _ = io.Copy(to, from) // an end is an end
		return false
	}
	n, err := io.CopyN(to, from, budget)
	return n == budget && (err == nil || errors.Is(err, io.EOF))
}

// reset ends a connection without a goodbye, and with the loss of what is on its way.
func reset(conn net.Conn) {
	if t, ok := conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = conn.Close()
}
