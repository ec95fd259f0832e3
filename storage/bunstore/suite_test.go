package bunstore_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/storage/storagetest"
)

var _ buddychat.Store = (*bunstore.Store)(nil)

// onDatabase is a store with its database, on which the tests begin host transactions.
type onDatabase struct {
	*bunstore.Store
	db *sql.DB
}

func TestSQLitePassesTheStoreSuite(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{
		New: func(t testing.TB, now func() time.Time) buddychat.Store {
			t.Helper()
			db, err := sqlite.Open(context.Background(), ":memory:", &sqlite.Options{Now: now, Migrate: true})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			return onDatabase{db.Store, db.SQL()}
		},
		Tx: inHostTransaction,
	})
}

func TestPostgreSQLPassesTheStoreSuite(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{
		New: func(t testing.TB, now func() time.Time) buddychat.Store {
			t.Helper()
			db, err := postgres.Open(context.Background(), pgtest.URL(t), &postgres.Options{Now: now, Migrate: true, MaxConnections: 32})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			return onDatabase{db.Store, db.SQL()}
		},
		Tx: inHostTransaction,
	})
}

func inHostTransaction(ctx context.Context, store buddychat.Store, act func(tx buddychat.Store) error) error {
	s := store.(onDatabase)
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := act(onDatabase{s.In(tx), s.db}); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
