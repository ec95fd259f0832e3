package natsbus_test

import (
	"cmp"
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/realtime/natsbus"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts a NATS server on a port, 0 for any.
func serve(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: cmp.Or(port, server.RANDOM_PORT), NoSigs: true, NoLog: true})
	require.NoError(t, err)
	go s.Start()
	t.Cleanup(func() { stop(s) })
	require.True(t, s.ReadyForConnections(10*time.Second))
	return s
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func connect(t *testing.T, url string) *nats.Conn {
	t.Helper()
	c, err := nats.Connect(url, nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// node is a bus that runs.
type node struct {
	t *testing.T
	*natsbus.Bus
	heard chan struct{}
	ended chan error
	stop  context.CancelFunc
}

func newNode(t *testing.T, conn *nats.Conn, o *natsbus.Options) *node {
	t.Helper()
	n := &node{t: t, Bus: natsbus.New(conn, o), heard: make(chan struct{}, 100_000)}
	n.run()
	return n
}

func (n *node) run() {
	n.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	n.stop, n.ended = stop, ended
	go func() {
		defer close(ended)
		ended <- n.Bus.Run(ctx, func() { n.heard <- struct{}{} })
	}()
	n.t.Cleanup(func() {
		stop()
		for range ended { // until it is closed
		}
	})
	n.hears("that it listens")
}

func (n *node) hears(what string) {
	n.t.Helper()
	select {
	case <-n.heard:
	case <-time.After(30 * time.Second):
		require.Fail(n.t, "it does not hear "+what)
	}
}

// follow follows a stream, and waits until the bus has subscribed to it.
func (n *node) follow(s realtime.Stream) {
	n.t.Helper()
	n.Follow(s)
	n.hears("the subscription")
}

var (
	here  = realtime.Stream{Conversation: 1}
	there = realtime.Stream{Conversation: 2}
	alice = realtime.Stream{User: "alice.>* with any character"}
)

func TestANodeGetsHintsOnlyForFollowedStreams(t *testing.T) {
	t.Parallel()
	url := serve(t, 0).ClientURL()
	one, two := newNode(t, connect(t, url), nil), newNode(t, connect(t, url), nil)
	two.follow(here)
	two.follow(alice)
	for _, s := range []realtime.Stream{here, alice} {
		one.Tell(there)
		one.Tell(s)
		two.hears("a followed stream")
	}
	one.Tell()
	two.hears("a hint for all streams")
	two.Tell(here)
	two.Tell()
	one.hears("a hint for all streams")
	require.Empty(t, two.heard, "no hints of its own, or of other streams")
	require.Empty(t, one.heard)
}

func TestAStreamIsFollowedUntilItsLastUnfollow(t *testing.T) {
	t.Parallel()
	url := serve(t, 0).ClientURL()
	one, two := newNode(t, connect(t, url), nil), newNode(t, connect(t, url), nil)
	two.follow(here)
	two.Follow(here)
	two.Unfollow(here)
	two.follow(there) // once this one is followed, so are the ones before
	one.Tell(here)
	two.hears("a stream followed once more")
	two.Unfollow(here)
	two.follow(alice)
	one.Tell(here)
	one.Tell(there)
	two.hears("the other stream")
	require.Empty(t, two.heard)
}

func TestApplicationsWithDifferentSubjectsDoNotGetEachOthersHints(t *testing.T) {
	t.Parallel()
	url := serve(t, 0).ClientURL()
	one, other := newNode(t, connect(t, url), &natsbus.Options{Subject: "shop"}), newNode(t, connect(t, url), nil)
	two := newNode(t, connect(t, url), &natsbus.Options{Subject: "shop"})
	other.follow(here)
	two.follow(here)
	one.Tell(here)
	two.hears("a hint of its own application")
	require.Empty(t, other.heard)
}

func TestTooManyChangedStreamsBecomeOneHintForAll(t *testing.T) {
	t.Parallel()
	url := serve(t, 0).ClientURL()
	one, two := newNode(t, connect(t, url), nil), newNode(t, connect(t, url), nil)
	for i := range 10_000 {
		one.Tell(realtime.Stream{User: "x"}, realtime.Stream{Conversation: int64(1000 + i)})
		if i%5000 == 4999 { // not all of them can be published one by one before that
			one.Tell()
			two.hears("a hint for all streams")
		}
	}
}

func TestTheBusReconnectsAfterAServerRestart(t *testing.T) {
	t.Parallel()
	s := serve(t, 0)
	conn := connect(t, s.ClientURL())
	one, two := newNode(t, connect(t, s.ClientURL()), nil), newNode(t, conn, nil)
	two.follow(here)
	stop(s)
	_, port, err := splitPort(s.ClientURL())
	require.NoError(t, err)
	serve(t, port)
	require.Eventually(t, func() bool {
		one.Tell(here)
		return len(two.heard) > 0
	}, 30*time.Second, 20*time.Millisecond)
}

func splitPort(url string) (host string, port int, err error) {
	for i := len(url) - 1; i >= 0; i-- {
		if url[i] == ':' {
			port, err = strconv.Atoi(url[i+1:])
			return url[:i], port, err
		}
	}
	return url, 0, strconv.ErrSyntax
}

func TestTheNextRunKeepsTheFollowedStreams(t *testing.T) {
	t.Parallel()
	url := serve(t, 0).ClientURL()
	one, two := newNode(t, connect(t, url), nil), newNode(t, connect(t, url), nil)
	two.follow(here)
	two.stop()
	require.NoError(t, <-two.ended)
	one.Tell(here)
	two.run()
	one.Tell(here)
	two.hears("a stream followed before")
}

func TestAClosedConnectionEndsTheRun(t *testing.T) {
	t.Parallel()
	conn := connect(t, serve(t, 0).ClientURL())
	conn.Close()
	require.Error(t, natsbus.New(conn, nil).Run(t.Context(), func() {}))
}
