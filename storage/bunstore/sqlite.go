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

// settings are the parameters of an address, by the package of a driver, that set every connection as the store needs it, and as
// docs/sqlite.md explains.
var settings = map[string]string{
	"modernc.org/sqlite":                   "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)&_pragma=synchronous(FULL)&_pragma=secure_delete(on)&_txlock=immediate",
	"github.com/mattn/go-sqlite3":          "_busy_timeout=10000&_journal_mode=WAL&_foreign_keys=on&_synchronous=FULL&_secure_delete=on&_txlock=immediate",
	"github.com/ncruces/go-sqlite3/driver": "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)&_pragma=synchronous(FULL)&_pragma=secure_delete(on)&_txlock=immediate",
}

// lookAtSQLite refuses a database whose connections lack settings that the store relies on. Two connections are asked at the same
// time: where only one of them was set, by a statement on the pool, the other one tells.
func (s *Store) lookAtSQLite() error {
	ctx, cancel := context.WithTimeout(context.Background(), openTimeout)
	defer cancel()
	lacking := map[string]bool{}
	for range 2 {
		c, err := s.db.DB.Conn(ctx)
		if err != nil {
			return fmt.Errorf("bunstore: %w", err)
		}
		defer c.Close() //nolint:errcheck // it gives the connection back to the pool
		if err := s.lookAtConnection(ctx, &tx{Store: s, conn: c}, lacking); err != nil {
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
	where := "set it in the address of the database, which holds for every connection"
	if line, known := settings[driverPackage(s.db.Driver())]; known {
		where = "end the address of the database with ?" + line
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

func (s *Store) lookAtConnection(ctx context.Context, t *tx, lacking map[string]bool) error {
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
	if journal != "wal" && file != "" { // a database in memory has no log
		lacking["journal_mode = WAL"] = true
	}
	if timeout == 0 {
		lacking["busy_timeout = 10000"] = true
	}
	if keys != on {
		lacking["foreign_keys = on"] = true
	}
	s.wipes = s.wipes || secure != on
	return nil
}

// writeFirst takes the lock of SQLite for writing. Every act begins with a write: a transaction that has read cannot wait for the
// lock, and SQLite refuses its first write where another transaction holds the lock or wrote since.
func (t *tx) writeFirst(ctx context.Context) error {
	if t.dialect != SQLite {
		return nil
	}
	_, err := t.exec(ctx, `UPDATE {erasures} SET done = done WHERE owner = ''`)
	return err
}

// wipe has this connection overwrite what it deletes, where the host did not set it so.
func (t *tx) wipe(ctx context.Context) error {
	if !t.wipes {
		return nil
	}
	_, err := t.conn.ExecContext(ctx, `PRAGMA secure_delete = on`)
	return err
}

// placeholder matches the placeholder of an argument. It also matches texts and quoted names, which may contain what looks
// like one.
var placeholder = regexp.MustCompile(`'[^']*'|"[^"]*"|\$\d+`)

// numbered replaces the placeholders $1, $2, … of a statement by ?1, ?2, …. In SQLite $2 is a name. Names are numbered by their
// first appearance, so a driver that binds by position would swap the arguments.
func numbered(statement string) string {
	return placeholder.ReplaceAllStringFunc(statement, func(match string) string {
		if number, found := strings.CutPrefix(match, "$"); found {
			return "?" + number
		}
		return match
	})
}

// isBusy reports whether SQLite says that another connection holds a lock. It goes by SQLite's own messages, which every driver
// passes on, since each driver has its own type of error.
// They are those of the codes SQLITE_BUSY, SQLITE_LOCKED and SQLITE_PROTOCOL, see https://www.sqlite.org/rescode.html.
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

// uninterrupted is a transaction of the host's. SQLite rolls the whole transaction back when a statement that writes is
// interrupted, and an interrupted read can take the next write with it. So the context is looked at before each statement, and
// no statement ends early for it.
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

// checkBegun returns ErrTransactionGone where SQLite has already rolled the host's transaction back, for instance because a
// statement of the host's own was cancelled: a savepoint would then begin a transaction, and its release commit it. SQLite has no
// function that tells, but it refuses to begin a transaction within another one.
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
