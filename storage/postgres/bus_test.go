package postgres_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/postgres"
)

// node is a running bus whose connection the test can reach.
type node struct {
	t *testing.T
	*postgres.Bus
	pid   atomic.Uint32
	heard chan struct{}
	ended chan error
	stop  context.CancelFunc
}

func newNode(t *testing.T, url, prefix string) *node {
	t.Helper()
	n := &node{t: t, heard: make(chan struct{}, 1000), ended: make(chan error, 1)}
	n.Bus = postgres.NewBus(func(ctx context.Context) (*pgx.Conn, error) {
		c, err := pgx.Connect(ctx, url)
		if err == nil {
			n.pid.Store(c.PgConn().PID())
		}
		return c, err
	}, prefix)
	n.run()
	return n
}

// run starts the bus and waits until it listens.
func (n *node) run() {
	n.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	ended := make(chan error, 1)
	n.ended = ended
	go func() { ended <- n.Run(ctx, func() { n.heard <- struct{}{} }) }()
	n.t.Cleanup(stop)
	n.hears()
}

func (n *node) hears() {
	n.t.Helper()
	select {
	case <-n.heard:
	case err := <-n.ended:
		require.NoError(n.t, err, "it ended")
	case <-time.After(30 * time.Second):
		require.Fail(n.t, "no notification arrived")
	}
}

func (n *node) finish() {
	n.t.Helper()
	n.stop()
	require.NoError(n.t, <-n.ended)
}

func TestNodesOfOneDatabaseHearEachOtherButNotThemselves(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one, two, strange := newNode(t, url, ""), newNode(t, url, ""), newNode(t, url, "other_")
	for range 3 {
		one.Tell(realtime.Stream{Conversation: 1})
		two.hears()
		two.Tell()
		one.hears()
	}
	for _, n := range []*node{one, two, strange} {
		n.finish()
	}
	require.Empty(t, strange.heard, "a bus with another prefix belongs to another application")
	require.Empty(t, one.heard)
	require.Empty(t, two.heard)
}

func TestABurstOfCommitsSendsFewNotifications(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	one, two := newNode(t, url, ""), newNode(t, url, "")
	began := time.Now()
	for time.Since(began) < 300*time.Millisecond {
		one.Tell()
	}
	took := time.Since(began)
	two.hears()
	one.finish()
	two.finish()
	require.LessOrEqual(t, len(two.heard), int(took/(10*time.Millisecond))+1)
}

func TestABusReturnsAnErrorWhenItsConnectionBreaksAndCanRunAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	admin, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer admin.Close(context.Background()) //nolint:errcheck // the test is over
	one, two := newNode(t, url, ""), newNode(t, url, "")
	for range 3 {
		_, err := admin.Exec(t.Context(), "SELECT pg_terminate_backend($1)", two.pid.Load())
		require.NoError(t, err)
		require.Error(t, <-two.ended)
		two.run()
		one.Tell()
		two.hears()
	}
	one.finish()
	two.finish()
}

func TestABusReturnsAnErrorWhenItCannotConnect(t *testing.T) {
	t.Parallel()
	b := postgres.NewBus(func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.Connect(ctx, "postgres://nobody@127.0.0.1:1/nowhere?connect_timeout=5")
	}, "")
	b.Tell() // while it does not run
	require.Error(t, b.Run(t.Context(), func() {}))
}

func TestTheBusConnectsToListenAddress(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	db := open(t, url, &postgres.Options{ListenAddress: url + "&application_name=direct"})
	c, err := db.Connect(t.Context())
	require.NoError(t, err)
	defer c.Close(context.Background()) //nolint:errcheck // the test is over
	var name string
	require.NoError(t, c.QueryRow(t.Context(), "SELECT current_setting('application_name')").Scan(&name))
	require.Equal(t, "direct", name)
	require.NotNil(t, db.Bus())
	_, err = postgres.Open(t.Context(), url, &postgres.Options{ListenAddress: "postgres://me:geheim@localhost:port/chat"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "geheim")
}
