package bunstore_test

import (
	"database/sql"
	"path/filepath"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/storage/sqlite"
)

// database is a store on a database of its own, without tables at first.
type database struct {
	*bunstore.Store
	sql     *sql.DB
	dialect bunstore.Dialect
	url     string // or the path of the file
}

// opener opens a store on a new database.
type opener func(t *testing.T, prefix string) database

// eachDatabase returns an opener for each kind of database.
func eachDatabase() map[string]opener {
	return map[string]opener{"SQLite": openSQLite, "PostgreSQL": openPostgres}
}

// migrated opens a store and creates its tables.
func migrated(t *testing.T, open opener) database {
	t.Helper()
	db := open(t, "")
	require.NoError(t, db.Migrate(t.Context()))
	return db
}

// again opens the database of db once more, as another node does.
func (db database) again(t *testing.T, prefix string) database {
	t.Helper()
	if db.dialect == bunstore.SQLite {
		return openSQLiteAt(t, db.url, prefix)
	}
	return openPostgresWith(t, db.url, prefix)
}

func openSQLite(t *testing.T, prefix string) database {
	t.Helper()
	return openSQLiteAt(t, filepath.Join(t.TempDir(), "test.db"), prefix)
}

func openSQLiteAt(t *testing.T, path, prefix string) database {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, &sqlite.Options{Prefix: prefix})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return database{Store: db.Store, sql: db.SQL(), dialect: bunstore.SQLite, url: path}
}

func openPostgres(t *testing.T, prefix string) database {
	t.Helper()
	return openPostgresWith(t, pgtest.URL(t), prefix)
}

func openPostgresWith(t *testing.T, url, prefix string) database {
	t.Helper()
	pool, err := sql.Open("pgx", url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	s, err := bunstore.Open(pool, bunstore.PostgreSQL, &bunstore.Options{Prefix: prefix})
	require.NoError(t, err)
	return database{Store: s, sql: pool, dialect: bunstore.PostgreSQL, url: url}
}
