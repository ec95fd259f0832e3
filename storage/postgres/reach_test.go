package postgres_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/internal/pgserver"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/postgres"
)

// pooled returns the address of a pooler in front of a database.
func pooled(t *testing.T, s *pgserver.Server, direct string, settings map[string]string) string {
	t.Helper()
	address, err := pgtest.Pooler(t, s, settings).URL(direct)
	require.NoError(t, err)
	return address
}

func TestAPoolerIsDetectedAndStatementsAreNotPrepared(t *testing.T) {
	t.Parallel()
	s := pgtest.Own(t)
	direct := pgtest.Database(t, s)
	transaction := pooled(t, s, direct, nil)
	for name, c := range map[string]struct {
		address, listen string
		listens         bool
	}{
		"none":                                   {direct, "", true},
		"none, with an address to listen at":     {direct, direct, true},
		"session mode":                           {pooled(t, s, direct, map[string]string{"pool_mode": "session"}), "", true},
		"transaction mode":                       {transaction, "", false},
		"transaction mode, and the database":     {transaction, direct, true},
		"transaction mode, settings are ignored": {pooled(t, s, direct, map[string]string{"ignore_startup_parameters": "synchronous_commit"}), direct, true},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, c.address, &postgres.Options{ListenAddress: c.listen, Migrate: true})
			_, deaf := db.Bus().(realtime.NoBus)
			require.Equal(t, c.listens, !deaf)
			var commit string
			require.NoError(t, db.SQL().QueryRowContext(t.Context(), `SHOW synchronous_commit`).Scan(&commit))
			require.Equal(t, "on", commit)

			tail, err := db.Tail(t.Context())
			require.NoError(t, err)
			defer tail.Close() //nolint:errcheck // the test is over
			mine, _, err := db.OpenChat(t.Context(), "alice", "bob")
			require.NoError(t, err)
			// on several connections, which would each prepare the same statements
			results := make(chan error)
			const senders, each = 8, 20
			for range senders {
				go func() {
					var err error
					for n := 0; n < each && err == nil; n++ {
						_, err = db.AppendMessage(context.WithoutCancel(t.Context()), mine.Copy(), chat.Draft{Content: "a"})
					}
					results <- err
				}()
			}
			for range senders {
				require.NoError(t, <-results)
			}
			found := 0
			batch, err := tail.Next(t.Context())
			require.NoError(t, err)
			for _, r := range batch.Records {
				if r.Operation == realtime.ChatMessageCreated {
					found++
				}
			}
			require.Equal(t, senders*each, found)
		})
	}
}

func TestAnUnsuitablePoolerIsRefused(t *testing.T) {
	t.Parallel()
	s := pgtest.Own(t)
	direct := pgtest.Database(t, s)
	_, err := postgres.Open(t.Context(), pooled(t, s, direct, map[string]string{"pool_mode": "statement"}), nil)
	require.ErrorContains(t, err, "pool_mode = transaction or session")
	transaction := pooled(t, s, direct, nil)
	_, err = postgres.Open(t.Context(), transaction, &postgres.Options{ListenAddress: transaction})
	require.ErrorContains(t, err, "database's own address")
	_, err = postgres.Open(t.Context(), transaction+"&synchronous_commit=remote_write", nil)
	require.ErrorContains(t, err, "unsupported startup parameter", "a setting of the address must not be left out")

	admin := open(t, s.URL, nil)
	_, err = admin.SQL().ExecContext(t.Context(), `ALTER ROLE buddychat SET synchronous_commit = off`)
	require.NoError(t, err)
	_, err = postgres.Open(t.Context(), pooled(t, s, direct, nil), &postgres.Options{Migrate: true})
	require.ErrorContains(t, err, "synchronous_commit is off", "a setting that the pooler dropped must be checked")
}
