package main

import (
	"net"
	"net/netip"
	"sync"
)

// connectionsPerAddress leaves room for HTTP requests beside the WebSockets, of which the API
// allows 100 per address.
const connectionsPerAddress = 200

// A boundedListener limits the open connections per address, and closes new ones above the limit.
// It must see the addresses of the clients. With a proxy in front, all connections come from the
// proxy, so the proxy must enforce the limit.
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
		_ = tcp.SetLinger(0) // reset, so that the kernel keeps no state for it
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

// subscriber returns the IPv4 address, or for IPv6 the /64 network, which one subscriber controls.
func subscriber(a net.Addr) netip.Addr {
	from, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	address := from.Addr().Unmap().WithZone("")
	if !address.Is6() {
		return address
	}
	prefix, _ := address.Prefix(64) // cannot fail for an IPv6 address
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
