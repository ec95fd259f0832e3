package netfault_test

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat/internal/netfault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that sends back what it receives, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close() //nolint:errcheck // closed either way
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func dial(t *testing.T) (*netfault.Proxy, net.Conn) {
	t.Helper()
	p, err := netfault.New(echo(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	c, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return p, c
}

func say(t *testing.T, c net.Conn, text []byte) {
	t.Helper()
	_, err := c.Write(text)
	require.NoError(t, err)
	back := make([]byte, len(text))
	_, err = io.ReadFull(c, back)
	require.NoError(t, err)
	require.Equal(t, text, back)
}

func TestDataArrivesCompleteAndInOrder(t *testing.T) {
	t.Parallel()
	p, c := dial(t)
	text := bytes.Repeat([]byte("abcdefghi"), 50)
	for _, f := range []netfault.Faults{{}, {Slice: 1}, {Latency: time.Millisecond, Jitter: time.Millisecond, Slice: 100}} {
		p.Set(f)
		say(t, c, text)
	}
}

func TestPartitionDelaysDataWithoutLoss(t *testing.T) {
	t.Parallel()
	p, c := dial(t)
	p.Set(netfault.Faults{Partitioned: true})
	_, err := c.Write([]byte("late"))
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
	p.Set(netfault.Faults{})
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	back := make([]byte, 4)
	_, err = io.ReadFull(c, back)
	require.NoError(t, err)
	require.Equal(t, "late", string(back))
}

func TestResetCutsOpenConnectionsButAcceptsNewOnes(t *testing.T) {
	t.Parallel()
	p, c := dial(t)
	say(t, c, []byte("x"))
	p.Reset()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	again, err := net.Dial("tcp", p.Addr())
	require.NoError(t, err)
	defer again.Close() //nolint:errcheck // closed either way
	say(t, again, []byte("y"))
}
