package bunstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/bunstore"
)

// losing is a connector of a driver that returns driver.ErrBadConn if the connection breaks after a
// statement was sent, as lib/pq and bun's own driver do at the end of the stream. Package sql then
// runs the statement again on another connection.
type losing struct {
	driver.Connector
	lose *atomic.Bool // lose the next answer to a send
}

func (l losing) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := l.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return losingConn{c.(*stdlib.Conn), l.lose}, nil
}

func (l losing) Driver() driver.Driver { return losingDriver{l.Connector.Driver()} }

type losingDriver struct{ driver.Driver }

type losingConn struct {
	*stdlib.Conn
	lose *atomic.Bool
}

func (c losingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.QueryContext(ctx, query, args)
	if err != nil || !strings.Contains(query, "INSERT INTO buddychat_messages") || !c.lose.CompareAndSwap(true, false) {
		return rows, err
	}
	if err := rows.Close(); err != nil { // the statement has completed
		return nil, err
	}
	return nil, driver.ErrBadConn
}

func TestASendIsNotRepeatedAfterALostAnswer(t *testing.T) {
	t.Parallel()
	config, err := pgx.ParseConfig(pgtest.URL(t))
	require.NoError(t, err)
	var lose atomic.Bool
	pool := sql.OpenDB(losing{stdlib.GetConnector(*config), &lose})
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	s, err := bunstore.Open(pool, bunstore.PostgreSQL, nil)
	require.NoError(t, err)
	require.NoError(t, s.Migrate(t.Context()))
	mine, _, err := s.OpenChat(t.Context(), "alice", "bob")
	require.NoError(t, err)
	const times = 2
	for range times {
		lose.Store(true)
		_, err = s.AppendMessage(t.Context(), mine.Copy(), chat.Draft{Content: "once"})
		require.Error(t, err, "the message may have been sent or not")
		require.False(t, lose.Load())
	}
	sent, err := s.CountMessages(t.Context(), []chat.Copy{mine.Copy()})
	require.NoError(t, err)
	require.LessOrEqual(t, sent[0], times)
}
