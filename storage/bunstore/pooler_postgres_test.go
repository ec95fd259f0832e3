//go:build unix

package bunstore_test

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/internal/pgserver"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/storage/storagetest"
)

// connection opens a direct connection to the server.
func connection(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(context.Background()) }) // a crash may have ended it
	return c
}

func TestATailNoticesACrashBehindAPooler(t *testing.T) {
	t.Parallel()
	for name, crash := range map[string]func(t *testing.T, s *pgserver.Server){
		"of the server": func(t *testing.T, s *pgserver.Server) {
			t.Helper()
			require.NoError(t, s.Crash())
			require.NoError(t, s.Restart())
		},
		"of one of its processes, after which the server recovers without a restart": func(t *testing.T, s *pgserver.Server) {
			t.Helper()
			var pid int
			victim, bystander := connection(t, s.URL), connection(t, s.URL)
			require.NoError(t, victim.QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&pid))
			require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
			// The server ends the other sessions once it has noticed. It accepts new ones after
			// its recovery.
			require.Eventually(t, func() bool { return bystander.Ping(t.Context()) != nil }, time.Minute, time.Millisecond)
			require.Eventually(t, func() bool {
				c, err := pgx.Connect(t.Context(), s.URL)
				return err == nil && c.Close(t.Context()) == nil
			}, time.Minute, 10*time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := pgtest.Own(t)
			direct := pgtest.Database(t, s)
			admin := connection(t, s.URL)
			// A commit without waiting for the WAL stays in memory and is lost in a crash.
			_, err := admin.Exec(t.Context(), `ALTER SYSTEM SET wal_writer_delay = '10s'`)
			require.NoError(t, err)
			_, err = admin.Exec(t.Context(), `SELECT pg_reload_conf()`)
			require.NoError(t, err)
			address, err := pgtest.Pooler(t, s, nil).URL(direct)
			require.NoError(t, err)
			now := time.Now()
			db, err := postgres.Open(t.Context(), address, &postgres.Options{Migrate: true, Now: func() time.Time { return now }})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			l := &logged{T: t, db: db}
			l.follow()
			c := l.chat("alice", "bob")
			before := l.send(c)
			messages, _ := l.next()
			require.Equal(t, []int64{before}, messages)

			_, err = connection(t, direct).Exec(t.Context(), `DO $$ BEGIN FOR i IN 1 .. 10000 LOOP
				BEGIN PERFORM pg_current_xact_id(); RAISE EXCEPTION 'x'; EXCEPTION WHEN raise_exception THEN END;
			END LOOP; RAISE EXCEPTION 'all of them are rolled back'; END $$`)
			require.ErrorContains(t, err, "all of them are rolled back")
			messages, _ = l.next() // sees transaction numbers that the crash undoes
			require.Empty(t, messages)
			crash(t, s)
			// The pooler drops its dead sessions one by one, as it notices each.
			require.Eventually(t, func() bool {
				_, err := db.SQL().ExecContext(t.Context(), `SELECT 1`)
				return err == nil
			}, time.Minute, 10*time.Millisecond)

			var found []int64
			var sent []int64
			for range 3 {
				sent = append(sent, l.send(c))
				messages, _ = l.next()
				found = append(found, messages...)
			}
			require.Equal(t, sent, found)
			l.safeAbove(0)
		})
	}
}

func TestPostgreSQLBehindAPoolerPassesTheStoreSuite(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("running the store suite once more takes long under the race detector")
	}
	s := pgtest.Shared(t)
	pooler := pgtest.Pooler(t, s, map[string]string{"max_client_conn": "1000", "server_idle_timeout": "1"})
	storagetest.Run(t, storagetest.Harness{
		New: func(t testing.TB, now func() time.Time) buddychat.Store {
			t.Helper()
			address, err := pooler.URL(pgtest.Database(t, s))
			require.NoError(t, err)
			db, err := postgres.Open(context.Background(), address, &postgres.Options{Now: now, Migrate: true, MaxConnections: 32})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			return onDatabase{db.Store, db.SQL()}
		},
		Tx:     inHostTransaction,
		Budget: time.Second,
	})
}
