package bunstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
)

// dialects has each database with the statement that makes the next record get the id after the
// newest.
var dialects = map[string]struct {
	open    opener
	rewound string
}{
	"SQLite":     {openSQLite, `UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM buddychat_events) WHERE name = 'buddychat_events'`},
	"PostgreSQL": {openPostgres, `SELECT setval(pg_get_serial_sequence('buddychat_events', 'id'), (SELECT max(id) FROM buddychat_events))`},
}

// A database can be restored in place, without closing any connection. The next record then has the
// id of a record that was read before.
func TestATailFailsAfterItsLogWasRestoredInPlace(t *testing.T) {
	t.Parallel()
	for name, on := range dialects {
		// grown is how many records the restored log gets before the tail polls it.
		for _, grown := range []int{0, 1, 2} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				store := migrated(t, on.open)
				mine, _, err := store.OpenChat(t.Context(), "alice", "bob")
				require.NoError(t, err)
				send := func() {
					t.Helper()
					_, err := store.AppendMessage(t.Context(), mine.Copy(), chat.Draft{Content: "a"})
					require.NoError(t, err)
				}
				tail, err := store.Tail(t.Context())
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, tail.Close()) })
				send()
				batch, err := tail.Next(t.Context())
				require.NoError(t, err)
				last := batch.Records[len(batch.Records)-1]

				for _, statement := range []string{`DELETE FROM buddychat_events WHERE id = (SELECT max(id) FROM buddychat_events)`, on.rewound} {
					_, err = store.sql.ExecContext(t.Context(), statement)
					require.NoError(t, err)
				}
				for range grown {
					send()
				}
				_, err = tail.Next(t.Context())
				require.ErrorIs(t, err, storage.ErrCursorExpired)
				require.ErrorIs(t, store.CheckPosition(t.Context(), last.Position), storage.ErrCursorExpired)

				again, err := store.Tail(t.Context())
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, again.Close()) })
				_, err = again.Next(t.Context())
				require.NoError(t, err)
				send()
				batch, err = again.Next(t.Context())
				require.NoError(t, err)
				require.Len(t, batch.Records, 1, "a new tail misses nothing")
			})
		}
	}
}

// A host's tests may empty all tables while a hub is running.
func TestANewTailOfAnEmptiedLogBeginsWithTheNextRecord(t *testing.T) {
	t.Parallel()
	for name, on := range dialects {
		db := migrated(t, on.open)
		tail, err := db.Tail(t.Context())
		require.NoError(t, err, name)
		_, err = db.sql.ExecContext(t.Context(), `DELETE FROM buddychat_events`)
		require.NoError(t, err, name)
		_, err = tail.Next(t.Context())
		require.ErrorIs(t, err, storage.ErrCursorExpired, name)
		require.NoError(t, tail.Close(), name)

		tail, err = db.Tail(t.Context())
		require.NoError(t, err, name)
		t.Cleanup(func() { require.NoError(t, tail.Close()) })
		_, _, err = db.OpenChat(t.Context(), "alice", "bob")
		require.NoError(t, err, name)
		batch, err := tail.Next(t.Context())
		require.NoError(t, err, name)
		require.Len(t, batch.Records, 1, name)
		batch, err = tail.Next(t.Context())
		require.NoError(t, err, name)
		require.Empty(t, batch.Records, name)
	}
}
