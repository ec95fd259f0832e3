package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// kept returns the texts of the statements in the cache of a connection.
func kept(t *testing.T, c *sql.Conn) (texts []string) {
	t.Helper()
	require.NoError(t, c.Raw(func(c any) error {
		for text := range c.(conn).statements.idle {
			texts = append(texts, text)
		}
		return nil
	}))
	return texts
}

func connected(t *testing.T) *sql.Conn {
	t.Helper()
	c, err := open(t, ":memory:", nil).SQL().Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	_, err = c.ExecContext(t.Context(), `CREATE TABLE numbers (n INTEGER PRIMARY KEY); INSERT INTO numbers VALUES (1), (2), (3)`)
	require.NoError(t, err)
	return c
}

func TestACachedStatementIsUsedByOneCallerAtATime(t *testing.T) {
	t.Parallel()
	c := connected(t)
	const text = `SELECT n FROM numbers WHERE n >= $1 ORDER BY n`
	read := func(rows *sql.Rows, want int) {
		t.Helper()
		var n int
		require.True(t, rows.Next())
		require.NoError(t, rows.Scan(&n))
		require.Equal(t, want, n)
	}
	for range 2 {
		outer, err := c.QueryContext(t.Context(), text, 1)
		require.NoError(t, err)
		read(outer, 1)
		inner, err := c.QueryContext(t.Context(), text, 3)
		require.NoError(t, err)
		read(inner, 3)
		read(outer, 2)
		require.NoError(t, inner.Close())
		read(outer, 3)
		require.False(t, outer.Next())
		require.NoError(t, outer.Err())
		require.NoError(t, outer.Close())
		require.Equal(t, []string{text}, kept(t, c))
	}
}

func TestACachedStatementFollowsSchemaChanges(t *testing.T) {
	t.Parallel()
	c := connected(t)
	for i, columns := range [][]string{{"n"}, {"n", "more"}} {
		rows, err := c.QueryContext(t.Context(), `SELECT * FROM numbers WHERE n = $1`, 1)
		require.NoError(t, err)
		got, err := rows.Columns()
		require.NoError(t, err)
		require.Equal(t, columns, got)
		require.NoError(t, rows.Close())
		if i == 0 {
			_, err = c.ExecContext(t.Context(), `ALTER TABLE numbers ADD COLUMN more TEXT`)
			require.NoError(t, err)
		}
	}
}

func TestAFailedStatementIsNotCached(t *testing.T) {
	t.Parallel()
	c := connected(t)
	const text = `INSERT INTO numbers VALUES ($1)`
	for range 2 {
		_, err := c.ExecContext(t.Context(), text, 1)
		require.ErrorContains(t, err, "UNIQUE constraint failed")
		require.Empty(t, kept(t, c))
		rows, err := c.QueryContext(t.Context(), text+` RETURNING n`, 1)
		if err == nil {
			require.False(t, rows.Next())
			err = rows.Err()
			_ = rows.Close()
		}
		require.ErrorContains(t, err, "UNIQUE constraint failed")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	_, err := c.ExecContext(ended, text, 4)
	require.ErrorIs(t, err, context.Canceled)
	_, err = c.ExecContext(t.Context(), text, 4)
	require.NoError(t, err)
	require.Equal(t, []string{text}, kept(t, c))
}

func TestTheStatementCacheHasAMaximumSize(t *testing.T) {
	t.Parallel()
	c := connected(t)
	for i := range maxStatements + 10 {
		_, err := c.ExecContext(t.Context(), fmt.Sprintf(`DELETE FROM numbers WHERE n = $1 + %d`, 10+i), 0)
		require.NoError(t, err)
		_, err = c.ExecContext(t.Context(), fmt.Sprintf(`DELETE FROM numbers WHERE n = %d`, 10+i))
		require.NoError(t, err)
	}
	require.Len(t, kept(t, c), maxStatements)
}
