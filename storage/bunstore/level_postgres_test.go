package bunstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/user"
)

// setDefault sets a setting for new connections to a database.
func setDefault(t testing.TB, address, setting, value string) {
	t.Helper()
	pool, err := sql.Open("pgx", address)
	require.NoError(t, err)
	_, err = pool.ExecContext(t.Context(), fmt.Sprintf(`DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET %s = %%L', current_database(), '%s'); END $$`, setting, value))
	require.NoError(t, err)
	require.NoError(t, pool.Close())
}

// openPlain opens a database like a host that has its own pool and sets no Driver options.
func openPlain(t testing.TB, address string, now func() time.Time) onDatabase {
	t.Helper()
	pool, err := sql.Open("pgx", address)
	require.NoError(t, err)
	pool.SetMaxOpenConns(32)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	s, err := bunstore.Open(pool, bunstore.PostgreSQL, &bunstore.Options{Now: now})
	require.NoError(t, err)
	require.NoError(t, s.Migrate(context.WithoutCancel(t.Context())))
	return onDatabase{s, pool}
}

// Two host transactions, one of them prepared, set up a read that cannot be serialized with both.
// At SERIALIZABLE, the read would have to fail.
func TestReadsDoNotFailBecauseOfTheDefaultIsolationLevel(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	setDefault(t, address, "default_transaction_isolation", "serializable")
	s := openPlain(t, address, nil)
	mine, _, err := s.OpenChat(t.Context(), "alice", "bob")
	require.NoError(t, err)
	run := func(tx *sql.Tx, statement string) {
		t.Helper()
		_, err := tx.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	prepared, err := s.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer prepared.Rollback() //nolint:errcheck // once prepared, the transaction no longer belongs to the session
	run(prepared, `SELECT last_seq FROM buddychat_conversations`)
	run(prepared, `UPDATE buddychat_copies SET archived = archived`)
	committed, err := s.db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer committed.Rollback() //nolint:errcheck // after the commit
	run(committed, `UPDATE buddychat_conversations SET kind = kind`)
	require.NoError(t, committed.Commit())
	run(prepared, `PREPARE TRANSACTION 'a concurrent read'`)
	t.Cleanup(func() {
		_, err := s.db.ExecContext(context.Background(), `ROLLBACK PREPARED 'a concurrent read'`)
		require.NoError(t, err)
	})

	_, err = s.db.ExecContext(t.Context(), `SELECT * FROM buddychat_copies c, buddychat_conversations v`)
	requireCode(t, serializationFailure, err) // the test depends on it
	chats, err := s.ListChats(t.Context(), "alice", chat.Filter{}, storage.Range{Limit: 10})
	require.NoError(t, err)
	require.Len(t, chats, 1)
	require.Equal(t, mine.ID, chats[0].ID)
}

// If the level is set while the store is open, the store does not know it. Then it must act on the
// error code.
func TestSendsDoNotFailBecauseOfTheDefaultIsolationLevel(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"repeatable read", "serializable"} {
		for _, when := range []string{"before the store is opened", "while it is open"} {
			t.Run(level+", set "+when, func(t *testing.T) {
				t.Parallel()
				address := pgtest.URL(t)
				if when == "before the store is opened" {
					setDefault(t, address, "default_transaction_isolation", level)
				}
				s := openPlain(t, address, nil)
				_, own, err := s.CreateGroup(t.Context(), "alice", group.Draft{Title: "A group"})
				require.NoError(t, err)
				copies := []chat.Copy{own.Copy()}
				for i := range 7 {
					m, err := s.AddMember(t.Context(), own.Copy(), user.ID(fmt.Sprint("member", i)), 10)
					require.NoError(t, err)
					copies = append(copies, chat.Copy{Kind: chat.Group, ID: m.ID, Owner: m.User})
				}
				// The sends of one node share transactions, those of different nodes do not.
				var nodes []onDatabase
				for range copies {
					node := openPlain(t, address, nil)
					node.db.SetMaxIdleConns(0) // every send opens a new connection
					nodes = append(nodes, node)
				}
				if when == "while it is open" {
					setDefault(t, address, "default_transaction_isolation", level)
				}
				const each = 20
				results := make(chan error)
				for i, c := range copies {
					node := nodes[i]
					go func() {
						var err error
						for n := 0; n < each && err == nil; n++ {
							_, err = node.AppendMessage(t.Context(), c, chat.Draft{Content: "a", ClientID: fmt.Sprint(n)})
						}
						results <- err
					}()
				}
				for range copies {
					require.NoError(t, <-results)
				}
				require.Equal(t, each*len(copies), count(t, s.db, `SELECT count(*) FROM buddychat_messages`))
			})
		}
	}
}

func TestADatabaseThatCannotStoreEveryCharacterIsRefused(t *testing.T) {
	t.Parallel()
	for _, encoding := range []string{"LATIN1", "SQL_ASCII"} {
		address := pgtest.URLWith(t, "ENCODING '"+encoding+"' TEMPLATE template0")
		pool, err := sql.Open("pgx", address)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, pool.Close()) })
		_, err = bunstore.Open(pool, bunstore.PostgreSQL, nil)
		require.ErrorContains(t, err, encoding)
		require.ErrorContains(t, err, "ENCODING 'UTF8'")
	}
}
