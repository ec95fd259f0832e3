package main

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConnectionsPerAddressAreLimited(t *testing.T) {
	t.Parallel()
	inner, err := listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	l := boundConnections(inner, 3)
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	defer func() {
		require.NoError(t, server.Close())
		require.ErrorIs(t, <-served, http.ErrServerClosed)
		require.Empty(t, l.open, "all were given back")
	}()
	tryDial := func() (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(t.Context(), "tcp", inner.Addr().String())
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = c.Close() })
		return c, c.SetDeadline(time.Now().Add(10 * time.Second))
	}
	dial := func() net.Conn {
		c, err := tryDial()
		require.NoError(t, err)
		return c
	}
	answered := func(c net.Conn) error {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			return err
		}
		_, err := io.ReadFull(c, make([]byte, len("HTTP/1.1 200 OK")))
		return err
	}
	another := func() error { // a connection over the limit may be reset while it is dialed
		c, err := tryDial()
		if err != nil {
			return err
		}
		return answered(c)
	}
	first, idle := dial(), dial() // idle sends nothing
	require.NoError(t, answered(first))
	require.NoError(t, answered(dial()))
	require.Error(t, another(), "the fourth is closed")
	require.NoError(t, answered(idle), "those before it go on")
	require.NoError(t, first.Close())
	require.Eventually(t, func() bool { return another() == nil }, 10*time.Second, time.Millisecond, "a place is free again")
}

func TestSubscriberIsAnIPv4AddressOrAnIPv6Slash64(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7:1":                 "192.0.2.7",
		"[::ffff:192.0.2.7]:1":        "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1":    "2001:db8:1:2::",
		"[2001:db8:1:2:ffff::%en0]:1": "2001:db8:1:2::",
	} {
		a, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		require.Equal(t, want, subscriber(a).String())
	}
	require.False(t, subscriber(&net.UnixAddr{Name: "@"}).IsValid())
}
