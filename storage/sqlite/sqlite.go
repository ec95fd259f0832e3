// Package sqlite opens a SQLite database as a store.
//
//	db, err := sqlite.Open(ctx, "buddychat.db", nil)
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	err = db.Migrate(ctx)
//
// The database is one file. The driver is written in Go, so nothing needs to be installed.
// Committed data survives a power failure.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/buddychat/buddychat/storage/bunstore"
)

// Options configures a database. The zero value and nil are valid.
type Options struct {
	// Prefix is the prefix of all table names: see [bunstore.Options].
	Prefix string
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Migrate makes Open create the tables or bring them up to date.
	Migrate bool
}

// DB is a store with its database.
type DB struct {
	*bunstore.Store
	pool    *sql.DB // for reads, and for the application
	writer  *sql.DB // one connection, for the changes of the store
	scratch string  // the temporary directory of a ":memory:" database, or ""
}

// SQL returns the database, for queries and transactions of the application. Its transactions begin
// with BEGIN IMMEDIATE, unless they are read-only. They take turns: one writes at a time, and the
// next waits for it for at most ten seconds. A write outside of a transaction does not queue for a
// turn, and may wait for a long time under load.
func (db *DB) SQL() *sql.DB { return db.pool }

// Close closes the database. The store cannot be used afterwards.
func (db *DB) Close() error {
	var err error
	for _, pool := range []*sql.DB{db.writer, db.pool} {
		if pool != nil {
			err = errors.Join(err, pool.Close())
		}
	}
	if db.scratch != "" {
		err = errors.Join(err, os.RemoveAll(db.scratch))
	}
	return err
}

// Open opens the database in the file at path. If the file does not exist, Open creates it,
// readable only by the current user; its directory must exist. The path ":memory:" opens an empty
// database that Close removes. It is a temporary file, so that it behaves like any other database.
// Several processes on one machine may open the same file.
func Open(ctx context.Context, path string, o *Options) (*DB, error) {
	if o == nil {
		o = &Options{}
	}
	db := &DB{}
	if err := db.open(ctx, path, o); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) open(ctx context.Context, path string, o *Options) (err error) {
	synchronous := "FULL"
	if path == ":memory:" {
		if db.scratch, err = os.MkdirTemp("", "buddychat-"); err != nil {
			return fmt.Errorf("sqlite: %w", err)
		}
		path, synchronous = filepath.Join(db.scratch, "buddychat.db"), "OFF"
	}
	if err := makeFile(path); err != nil {
		return err
	}
	base, err := driver.NewConnector(address(path, synchronous))
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	turns := connector{Connector: base, turn: make(turn, 1)}
	db.writer = newPool(turns, 1)
	db.pool = newPool(turns, max(minReaders, 4*runtime.GOMAXPROCS(0)))
	if err := db.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("sqlite: cannot open %s: %w", path, err)
	}
	db.Store, err = bunstore.Open(db.pool, bunstore.SQLite, &bunstore.Options{
		Prefix: o.Prefix, Now: o.Now, Driver: bunstore.Driver{IsConflict: isConflict, IsTransient: isTransient, Writer: db.writer},
	})
	if err == nil && o.Migrate {
		err = db.Migrate(ctx)
	}
	return err
}

const (
	busyTimeout = 10 * time.Second
	minReaders  = 10
	maxIdleTime = 5 * time.Minute
)

func newPool(c connector, connections int) *sql.DB {
	pool := sql.OpenDB(c)
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(maxIdleTime)
	return pool
}

// makeFile creates the file if it does not exist. SQLite would make it readable for all users, and
// would not say why it failed.
func makeFile(path string) error {
	if path == "" {
		return errors.New("sqlite: the path of the database is empty: name a file, or \":memory:\"")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the application chooses the path
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("sqlite: the directory %s does not exist: create it, or name another file", filepath.Dir(path))
	case err != nil:
		return fmt.Errorf("sqlite: %w", err)
	}
	return f.Close()
}

func address(path, synchronous string) string {
	settings := url.Values{
		"_busy_timeout": {strconv.FormatInt(busyTimeout.Milliseconds(), 10)},
		"_journal_mode": {"WAL"},
		"_synchronous":  {synchronous},
		"_foreign_keys": {"on"},
		"_txlock":       {"immediate"},
		// Content that was unsent or erased is overwritten, instead of staying in free pages of the
		// file.
		"_pragma": {"secure_delete(on)"},
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(), RawQuery: settings.Encode()}).String()
}

func isConflict(err error) bool {
	switch code(err) {
	case codes.SQLITE_CONSTRAINT_UNIQUE, codes.SQLITE_CONSTRAINT_PRIMARYKEY:
		return true
	}
	return false
}

// isTransient leaves out SQLITE_BUSY, which package bunstore recognises for every driver.
func isTransient(err error) bool {
	switch code(err) {
	case codes.SQLITE_BUSY_SNAPSHOT, codes.SQLITE_BUSY_RECOVERY, codes.SQLITE_LOCKED_SHAREDCACHE:
		return true
	}
	return false
}

func code(err error) int {
	if e, ok := errors.AsType[*driver.Error](err); ok {
		return e.Code()
	}
	return 0
}
