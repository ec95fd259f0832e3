package main

import (
	"net"
	"net/netip"
	"sync"
)

// connectionsPerAddress is more than the sockets that the API takes from one address, 100 of them, so that there is room for
// requests over HTTP beside them.
const connectionsPerAddress = 200

// A boundedListener closes connections of an address that has too many open already. It must see the clients' own addresses: behind
// a proxy all connections are the proxy's, and the proxy is to bound them.
type boundedListener struct {
	net.Listener
	most int

	mu   sync.Mutex
	open map[netip.Addr]int
}

func boundConnections(l net.Listener, most int) *boundedListener {
	return &boundedListener{Listener: l, most: most, open: map[netip.Addr]int{}}
}

// Accept implements [net.Listener].
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := c.(*net.TCPConn)
		if !ok {
			return c, nil
		}
		from := subscriber(tcp.RemoteAddr())
		if l.take(from) {
			return &boundedConn{TCPConn: tcp, release: sync.OnceFunc(func() { l.release(from) })}, nil
		}
		_ = tcp.SetLinger(0) // so that the system keeps nothing of it either
		_ = tcp.Close()
	}
}

func (l *boundedListener) take(from netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from] >= l.most {
		return false
	}
	l.open[from]++
	return true
}

func (l *boundedListener) release(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[from]--; l.open[from] == 0 {
		delete(l.open, from)
	}
}

// subscriber is the address, and for IPv6 the /64 that one subscriber has.
func subscriber(a net.Addr) netip.Addr {
	from, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	address := from.Addr().Unmap().WithZone("")
	if !address.Is6() {
		return address
	}
	prefix, _ := address.Prefix(64) // an IPv6 address has one
	return prefix.Addr()
}

type boundedConn struct {
	*net.TCPConn
	release func()
}

// Close implements [net.Conn].
func (c *boundedConn) Close() error {
	c.release()
	return c.TCPConn.Close()
}
