package bunstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/storage/storagetest"
)

// watched is a connector. Its connections report each transaction that reads before it writes.
type watched struct {
	driver.Connector
	report func(statement string)
}

func (w watched) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	return &watchedConn{Conn: c, report: w.report}, err
}

type watchedConn struct {
	driver.Conn
	report func(statement string)
	begun  bool // a transaction has begun and has neither read nor written
}

func (c *watchedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.begun = true
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return watchedTx{tx, c}, err
}

type watchedTx struct {
	driver.Tx
	conn *watchedConn
}

func (tx watchedTx) Commit() error {
	tx.conn.begun = false
	return tx.Tx.Commit()
}

func (tx watchedTx) Rollback() error {
	tx.conn.begun = false
	return tx.Tx.Rollback()
}

var (
	touchesNothing = regexp.MustCompile(`^\s*(PRAGMA secure_delete|CREATE TABLE IF NOT EXISTS)`)
	writes         = regexp.MustCompile(`^\s*(INSERT|UPDATE|DELETE)\s`)
)

func (c *watchedConn) observe(statement string) {
	if !c.begun || touchesNothing.MatchString(statement) {
		return
	}
	c.begun = false
	if !writes.MatchString(statement) {
		c.report(statement)
	}
}

func (c *watchedConn) QueryContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Rows, error) {
	c.observe(statement)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, statement, args)
}

func (c *watchedConn) ExecContext(ctx context.Context, statement string, args []driver.NamedValue) (driver.Result, error) {
	c.observe(statement)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, statement, args)
}

// The suite runs every operation. On SQLite, a transaction that has read cannot wait for its turn
// to write.
func TestEveryOperationBeginsWithAWriteOnSQLite(t *testing.T) {
	t.Parallel()
	storagetest.Run(t, storagetest.Harness{
		New: func(t testing.TB, now func() time.Time) buddychat.Store {
			t.Helper()
			base, err := sqlite.NewConnector("file:" + filepath.Join(t.TempDir(), "test.db") +
				"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)&_pragma=synchronous(OFF)")
			require.NoError(t, err)
			db := sql.OpenDB(watched{base, func(statement string) {
				t.Errorf("an operation begins with: %s", strings.Join(strings.Fields(statement), " "))
			}})
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			s, err := bunstore.Open(db, bunstore.SQLite, &bunstore.Options{Now: now})
			require.NoError(t, err)
			require.NoError(t, s.Migrate(context.Background()))
			return s
		},
		Budget: time.Second,
	})
}
