package bunstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// settings has, for the package of each known driver, the parameters of a database address that
// configure every connection as the store needs. docs/sqlite.md explains them.
var settings = map[string]string{
	"modernc.org/sqlite":                   "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)&_pragma=synchronous(FULL)&_pragma=secure_delete(on)&_txlock=immediate",
	"github.com/mattn/go-sqlite3":          "_busy_timeout=10000&_journal_mode=WAL&_foreign_keys=on&_synchronous=FULL&_secure_delete=on&_txlock=immediate",
	"github.com/ncruces/go-sqlite3/driver": "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)&_pragma=synchronous(FULL)&_pragma=secure_delete(on)&_txlock=immediate",
}

// checkSQLite rejects a database whose connections lack settings that the store relies on. It
// checks two connections at the same time: if the host configured only one of them, by a statement
// on the pool, the other one shows it.
func (s *Store) checkSQLite() error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	lacking := map[string]bool{}
	for range 2 {
		c, err := s.db.DB.Conn(ctx)
		if err != nil {
			return fmt.Errorf("bunstore: %w", err)
		}
		defer c.Close() //nolint:errcheck // Close only returns the connection to the pool
		if err := s.checkConnection(ctx, &tx{Store: s, conn: c}, lacking); err != nil {
			return err
		}
		if stats := s.db.DB.Stats(); stats.MaxOpenConnections > 0 && stats.InUse >= stats.MaxOpenConnections {
			break
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	var set []string
	for _, pragma := range []string{"journal_mode = WAL", "busy_timeout = 10000", "foreign_keys = on"} {
		if lacking[pragma] {
			set = append(set, "PRAGMA "+pragma)
		}
	}
	where := "set it in the database address, which applies to every connection"
	if line, known := settings[driverPackage(s.db.Driver())]; known {
		where = "end the database address with ?" + line
	}
	return fmt.Errorf("bunstore: not every connection to the SQLite database has %s: %s (see docs/sqlite.md)", strings.Join(set, ", "), where)
}

func driverPackage(d any) string {
	t := reflect.TypeOf(d)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return ""
	}
	return t.PkgPath()
}

func (s *Store) checkConnection(ctx context.Context, t *tx, lacking map[string]bool) error {
	var journal, file string
	var timeout, keys, secure int64
	var err error
	for pragma, into := range map[string]any{"journal_mode": &journal, "busy_timeout": &timeout, "foreign_keys": &keys, "secure_delete": &secure} {
		_, one := t.row(ctx, `PRAGMA `+pragma, nil, into)
		err = errors.Join(err, one)
	}
	_, one := t.row(ctx, `SELECT file FROM pragma_database_list WHERE name = 'main'`, nil, &file)
	if err = errors.Join(err, one); err != nil {
		return err
	}
	const on = 1
	if journal != "wal" && file != "" { // an in-memory database has no write-ahead log
		lacking["journal_mode = WAL"] = true
	}
	if timeout == 0 {
		lacking["busy_timeout = 10000"] = true
	}
	if keys != on {
		lacking["foreign_keys = on"] = true
	}
	s.setsSecureDelete = s.setsSecureDelete || secure != on
	return nil
}

// writeFirst takes the write lock of SQLite. Every operation must begin with a write: a transaction
// that has already read cannot wait for the lock, and SQLite rejects its first write if another
// transaction holds the lock or has written since.
func (t *tx) writeFirst(ctx context.Context) error {
	if t.dialect != SQLite {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE {erasures} SET done = done WHERE owner = ''`)
	return err
}

// setSecureDelete makes this connection overwrite deleted content, if the host did not configure
// that.
func (t *tx) setSecureDelete(ctx context.Context) error {
	if !t.setsSecureDelete {
		return nil
	}
	_, err := t.conn.ExecContext(ctx, `PRAGMA secure_delete = on`)
	return err
}

// placeholder matches the placeholder of an argument. It also matches string literals and quoted
// names, which may contain text that looks like a placeholder.
var placeholder = regexp.MustCompile(`'[^']*'|"[^"]*"|\$\d+`)

// numbered replaces the placeholders $1, $2, … of a statement by ?1, ?2, …. In SQLite, $2 is a
// name, and names are numbered by their first appearance. So a driver that binds by position would
// swap the arguments.
func numbered(statement string) string {
	return placeholder.ReplaceAllStringFunc(statement, func(match string) string {
		if number, found := strings.CutPrefix(match, "$"); found {
			return "?" + number
		}
		return match
	})
}

// isBusy reports whether SQLite returned an error because another connection holds a lock. It
// checks SQLite's own messages, which every driver passes on, because each driver has its own error
// type. The messages are those of SQLITE_BUSY, SQLITE_LOCKED and SQLITE_PROTOCOL:
// https://www.sqlite.org/rescode.html.
func isBusy(err error) bool {
	return hasAny(err, "database is locked", "database table is locked", "database schema is locked", "locking protocol")
}

func hasAny(err error, texts ...string) bool {
	if err == nil {
		return false
	}
	message := err.Error()
	for _, text := range texts {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}

// uninterrupted is a host transaction on SQLite. SQLite rolls back the whole transaction when a
// writing statement is interrupted, and an interrupted read can make the next write fail. So the
// context is checked before each statement, and never interrupts one.
type uninterrupted struct{ tx *sql.Tx }

func (u uninterrupted) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return u.tx.QueryContext(context.WithoutCancel(ctx), query, args...)
}

func (u uninterrupted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return u.tx.ExecContext(context.WithoutCancel(ctx), query, args...)
}

// checkBegun returns ErrTransactionGone if SQLite has already rolled back the host's transaction,
// for example because a statement of the host was canceled. A savepoint would then begin a
// transaction, and releasing it would commit. SQLite has no function to check this, but it refuses
// to begin a transaction within another.
func (t *tx) checkBegun(ctx context.Context) error {
	if t.dialect != SQLite {
		return nil
	}
	_, err := t.exec(ctx, `BEGIN`)
	if hasAny(err, "within a transaction") {
		return nil
	}
	if err == nil {
		if _, err = t.exec(context.WithoutCancel(ctx), `ROLLBACK`); err == nil {
			err = ErrTransactionGone
		}
	}
	return err
}
