// Package netfault simulates a faulty network in tests. It provides a proxy on the loopback
// address, to put between a client and a server.
package netfault

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Faults describes how a proxy disturbs its connections. The zero value passes on everything.
type Faults struct {
	Latency time.Duration // delay of each write, in each direction
	Jitter  time.Duration // random extra delay of up to this much; the order is kept
	Slice   int           // the largest number of bytes per write; 0 means no limit
	// Partitioned holds back all data in both directions, and opens no connections to the server.
	// Open connections stay open.
	Partitioned bool
}

// A Proxy forwards connections to a server. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	target   string

	mu      sync.Mutex
	faults  Faults
	changed chan struct{} // closed when the faults change
	open    map[net.Conn]struct{}
	closed  bool
	running sync.WaitGroup
}

// New starts a proxy to the target, a host:port.
func New(target string) (*Proxy, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: l, target: target, changed: make(chan struct{}), open: map[net.Conn]struct{}{}}
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns the address on which the proxy listens.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Set replaces the faults, for open connections too.
func (p *Proxy) Set(f Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
	close(p.changed)
	p.changed = make(chan struct{})
}

// Reset cuts every connection with an RST.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // closed below even if this fails
		}
		_ = c.Close()
	}
}

// Close stops the proxy, cuts every connection, and waits for the proxy's goroutines to end.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.listener.Close()
	p.Set(Faults{})
	p.Reset()
	p.running.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	if !p.enter(client) {
		return
	}
	defer p.leave(client)
	p.pass()
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).Dial("tcp", p.target)
	if err != nil || !p.enter(server) {
		return
	}
	defer p.leave(server)
	var both sync.WaitGroup
	both.Go(func() { p.copy(server, client) })
	both.Go(func() { p.copy(client, server) })
	both.Wait()
}

// enter registers an open connection. If the proxy is closed, it closes the connection and returns
// false.
func (p *Proxy) enter(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return false
	}
	p.open[c] = struct{}{}
	return true
}

func (p *Proxy) leave(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, c)
	_ = c.Close()
}

// pass waits while the network is partitioned, then returns the current faults.
func (p *Proxy) pass() Faults {
	for {
		p.mu.Lock()
		f, changed := p.faults, p.changed
		p.mu.Unlock()
		if !f.Partitioned {
			return f
		}
		<-changed
	}
}

// copy forwards one direction until it ends, and then closes the other side accordingly.
func (p *Proxy) copy(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		for rest := buffer[:n]; len(rest) > 0; {
			f := p.pass()
			if wait := f.Latency + jitter(f.Jitter); wait > 0 {
				time.Sleep(wait)
			}
			piece := len(rest)
			if f.Slice > 0 {
				piece = min(piece, f.Slice)
			}
			if _, err := to.Write(rest[:piece]); err != nil {
				_ = from.Close()
				return
			}
			rest = rest[piece:]
		}
		if err == nil {
			continue
		}
		p.pass() // a partition holds back the end of a connection too
		if tcp, ok := to.(*net.TCPConn); ok && errors.Is(err, io.EOF) {
			_ = tcp.CloseWrite()
		} else {
			_ = to.Close()
		}
		return
	}
}

func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}
