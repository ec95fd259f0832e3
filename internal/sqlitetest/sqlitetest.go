// Package sqlitetest holds package bunstore to its promises on a SQLite database that a host opened with a driver of its choice.
package sqlitetest

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/storage/storagetest"
)

// Driver is a SQLite driver that the test binary has registered.
type Driver struct {
	// Name is the one under which package database/sql knows the driver.
	Name string
	// Settings are parameters of the database's address: what bunstore.Open asks for and nothing else, so that a transaction of
	// the host takes no lock before it writes. For speed they also turn synchronous off.
	Settings string
	// Package is the import path under which docs/sqlite.md names the driver.
	Package string
	// Unsettled are parameters of an address that leave everything out that bunstore.Open asks for.
	Unsettled string
}

// Run runs all tests on the driver.
func Run(t *testing.T, d Driver) {
	t.Helper()
	for name, test := range map[string]func(*testing.T){
		"every promise of a store is kept":                           d.keepsEveryPromise,
		"an act that is cancelled spoils no transaction of the host": d.cancelledActsSpoilNoTransaction,
		"a read in a transaction of the host is not interrupted":     d.readsInATransactionAreNotInterrupted,
		"a transaction that SQLite has rolled back is refused":       d.destroyedTransactionIsRefused,
		"an act that meets a full database is undone alone":          d.fullDatabaseUndoesTheActAlone,
		"an act that meets a full disk says that nothing is stored":  d.fullDiskEndsATransactionAloud,
		"the settings of the documentation work":                     d.documentedSettingsWork,
		"settings that one connection has are not enough":            d.settingsOfOneConnectionAreNotEnough,
		"many acts at once all succeed":                              d.manyActsAtOnceAllSucceed,
		"content that was removed leaves the files":                  d.removedContentLeavesTheFiles,
		"a database that is full or read-only is not writable":       d.fullOrReadOnlyIsNotWritable,
	} {
		t.Run(name, test)
	}
}

// open opens the database in a file, which is made where there is none.
func (d Driver) open(t testing.TB, file string) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.Name, (&url.URL{Scheme: "file", Opaque: file, RawQuery: d.Settings}).String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

// hosted is a store on a host's database.
type hosted struct {
	*bunstore.Store
	db   *sql.DB
	file string
}

// new makes a store on an empty database.
func (d Driver) new(t testing.TB, o *bunstore.Options) hosted {
	t.Helper()
	return d.newAt(t, filepath.Join(t.TempDir(), "host.db"), o)
}

func (d Driver) newAt(t testing.TB, file string, o *bunstore.Options) hosted {
	t.Helper()
	h := hosted{file: file, db: d.open(t, file)}
	var err error
	h.Store, err = bunstore.Open(h.db, bunstore.SQLite, o)
	require.NoError(t, err)
	require.NoError(t, h.Migrate(context.WithoutCancel(t.Context())))
	return h
}

// suiteBudget is short: the suite's own random histories run for long enough with the driver of package sqlite.
const suiteBudget = time.Second

func (d Driver) keepsEveryPromise(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{
		New: func(t testing.TB, now func() time.Time) buddychat.Store {
			t.Helper()
			return d.new(t, &bunstore.Options{Now: now})
		},
		Tx: func(ctx context.Context, store buddychat.Store, act func(tx buddychat.Store) error) error {
			h := store.(hosted)
			tx, err := h.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			if err := act(hosted{h.In(tx), h.db, h.file}); err != nil {
				return errors.Join(err, tx.Rollback())
			}
			return tx.Commit()
		},
		Budget: suiteBudget,
	})
}
