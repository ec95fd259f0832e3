// Package sqlitetest tests package bunstore on a SQLite database that the host opened with a driver
// of its choice.
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
	// Name is the driver's name in package database/sql.
	Name string
	// Settings are parameters of the database address: only what bunstore.Open requires, so that a
	// transaction of the host takes no lock before it writes. For speed, they also turn synchronous
	// off.
	Settings string
	// Package is the import path by which docs/sqlite.md names the driver.
	Package string
	// Unsettled are parameters of an address that leave out everything that bunstore.Open requires.
	Unsettled string
}

// Run runs all tests on the driver.
func Run(t *testing.T, d Driver) {
	t.Helper()
	for name, test := range map[string]func(*testing.T){
		"the store suite passes":                                  d.passesTheStoreSuite,
		"a canceled operation does not break a host transaction":  d.canceledOperationsBreakNoTransaction,
		"a read in a host transaction is not interrupted":         d.readsInATransactionAreNotInterrupted,
		"a transaction that SQLite has rolled back is refused":    d.destroyedTransactionIsRefused,
		"an operation that meets a full database is undone alone": d.fullDatabaseUndoesOneOperation,
		"an operation on a full disk returns ErrTransactionGone":  d.fullDiskReturnsErrTransactionGone,
		"the documented settings work":                            d.documentedSettingsWork,
		"settings of one connection are not enough":               d.settingsOfOneConnectionAreNotEnough,
		"many concurrent operations succeed":                      d.concurrentOperationsSucceed,
		"removed content leaves the files":                        d.removedContentLeavesTheFiles,
		"a full or read-only database is not writable":            d.fullOrReadOnlyIsNotWritable,
	} {
		t.Run(name, test)
	}
}

// open opens the database in a file, and creates the file if it does not exist.
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

// new returns a store on an empty database.
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

// suiteBudget is short because the random histories of the suite run for long enough with the
// driver of package sqlite.
const suiteBudget = time.Second

func (d Driver) passesTheStoreSuite(t *testing.T) {
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
