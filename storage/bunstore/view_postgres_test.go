package bunstore_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/bunstore"
)

// statements counts the statements sent to the database, including BEGIN and ROLLBACK.
type statements struct{ sent atomic.Int64 }

func (s *statements) TraceQueryStart(
	ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData,
) context.Context {
	s.sent.Add(1)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestAViewTakesFewRoundTrips(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(pgtest.URL(t))
	require.NoError(t, err)
	var counted statements
	config.Tracer = &counted
	pool := stdlib.OpenDB(*config)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	s, err := bunstore.Open(pool, bunstore.PostgreSQL, nil)
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	_, alice, err := s.CreateGroup(t.Context(), "alice", group.Draft{Title: "A group"})
	require.NoError(t, err)
	_, err = s.AddMember(t.Context(), alice.Copy(), "bob", 10)
	require.NoError(t, err)
	readers, err := s.Memberships(t.Context(), 0, "alice", "bob")
	require.NoError(t, err)
	tail, err := s.Tail(t.Context())
	require.NoError(t, err)
	defer tail.Close() //nolint:errcheck // the test is over

	trips := func() (n int64, v realtime.View) {
		batch, err := tail.Next(t.Context())
		require.NoError(t, err)
		require.NotEmpty(t, batch.Records)
		before := counted.sent.Load()
		v, err = s.View(t.Context(), batch.Records, readers)
		require.NoError(t, err)
		return counted.sent.Load() - before, v
	}
	m, err := s.AppendMessage(t.Context(), alice.Copy(), chat.Draft{Content: "a"})
	require.NoError(t, err)
	n, v := trips()
	require.EqualValues(t, 1, n)
	require.Contains(t, v.Messages, m.ID)

	for _, r := range readers {
		if r.Copy.Owner == "bob" {
			_, err = s.ReadThrough(t.Context(), r.Copy, m.ID)
			require.NoError(t, err)
		}
	}
	n, v = trips()
	require.EqualValues(t, 4, n, "a transaction of two statements")
	require.Len(t, v.Covered, 1)
}
