package graphqlapi

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/bunstore"
)

// recorder records each statement of its connections, and how many rows it returned or changed.
type recorder struct {
	driver.Connector
	mu    sync.Mutex
	steps []string
}

func (r *recorder) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, fmt.Sprintf(format, args...))
}

// during returns the statements that run during f.
func (r *recorder) during(f func()) []string {
	r.mu.Lock()
	r.steps = nil
	r.mu.Unlock()
	f()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.steps
}

// Connect implements [driver.Connector].
func (r *recorder) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return recordingConn{c, r}, nil
}

type recordingConn struct {
	driver.Conn
	*recorder
}

func (c recordingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return &recordingRows{Rows: rows, recorder: c.recorder, query: query}, nil
}

func (c recordingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	result, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
	if err != nil {
		return nil, err
	}
	n, err := result.RowsAffected()
	c.note("%d rows: %s", n, query)
	return result, err
}

func (c recordingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	c.note("begin")
	return recordingTx{tx, c.recorder}, err
}

type recordingTx struct {
	driver.Tx
	*recorder
}

func (tx recordingTx) Commit() error {
	tx.note("commit")
	return tx.Tx.Commit()
}

func (tx recordingTx) Rollback() error {
	tx.note("rollback")
	return tx.Tx.Rollback()
}

type recordingRows struct {
	driver.Rows
	*recorder
	query string
	n     int
}

func (r *recordingRows) Next(row []driver.Value) error {
	err := r.Rows.Next(row)
	if err == nil {
		r.n++
	}
	return err
}

func (r *recordingRows) Close() error {
	r.note("%d rows: %s", r.n, r.query)
	return r.Rows.Close()
}

// recorded are worlds on each kind of database, whose statements are recorded.
func recorded() map[string]func(t *testing.T) (*world, *recorder) {
	on := func(t *testing.T, base driver.Connector, dialect bunstore.Dialect) (*world, *recorder) {
		t.Helper()
		r := &recorder{Connector: base}
		db := sql.OpenDB(r)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		store, err := bunstore.Open(db, dialect, nil)
		require.NoError(t, err)
		require.NoError(t, store.Migrate(t.Context()))
		return newWorldOn(t, store, nil), r
	}
	return map[string]func(t *testing.T) (*world, *recorder){
		"SQLite": func(t *testing.T) (*world, *recorder) {
			t.Helper()
			base, err := sqlite.NewConnector("file:" + filepath.Join(t.TempDir(), "test.db") +
				"?_busy_timeout=10000&_journal_mode=WAL&_synchronous=OFF&_foreign_keys=on&_txlock=immediate")
			require.NoError(t, err)
			return on(t, base, bunstore.SQLite)
		},
		"PostgreSQL": func(t *testing.T) (*world, *recorder) {
			t.Helper()
			config, err := pgx.ParseConfig(pgtest.URL(t))
			require.NoError(t, err)
			return on(t, stdlib.GetConnector(*config), bunstore.PostgreSQL)
		},
	}
}

// foreignAndMissing are pairs of ids of one type: one of an object that the creator may not see,
// and one of an object that does not exist.
func (s *scene) foreignAndMissing() [][2]string {
	ids := s.foreign()
	var pairs [][2]string
	for _, names := range [][2]string{
		{"another's copy of the chat", "no chat"},
		{"a chat of others", "no chat"},
		{"a copy of a group as a chat", "no chat"},
		{"another's copy of a message", "no message of a chat that is not there"},
		{"a message of others in one's own chat", "no message of the chat"},
		{"a message of a group in a chat", "no message of the chat"},
		{"another's copy of the group", "no copy"},
		{"a copy of a group of others", "no copy"},
		{"a chat as a copy of a group", "no copy"},
		{"another's copy of a message of a group", "no message of a group that is not there"},
		{"a message of a chat in a group", "no message of the group"},
		{"another's notification", "no notification of a chat that is not there"},
		{"another's phone number", "no phone number"},
		{"a message of others", "no message"},
		{"a group of others", "no group"},
		{"a member of a group of others", "no member"},
	} {
		ids["no message of a chat that is not there"] = chatMessageID(999_999, 999_999)
		ids["no message of a group that is not there"] = groupMessageID(999_999, 999_999)
		nowhere := s.chats["creator"].Copy()
		nowhere.ID = 999_999
		ids["no notification of a chat that is not there"] = notificationID(nowhere, 999_999)
		pairs = append(pairs, [2]string{ids[names[0]], ids[names[1]]})
	}
	return pairs
}

// TestForeignIDsTakeTheSameStepsAsMissingOnes checks each argument that is an id, on each
// kind of database.
func TestForeignIDsTakeTheSameStepsAsMissingOnes(t *testing.T) {
	t.Parallel()
	for database, open := range recorded() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			w, r := open(t)
			s := newSceneOn(w)
			pairs := s.foreignAndMissing()
			names := s.names("creator")
			tried := 0
			for _, c := range byID {
				document := fillIn(c.document, names)
				for _, pair := range pairs {
					typ, _, err := splitID(pair[0])
					require.NoError(t, err)
					if typ != c.typ && c.typ != "Node" {
						continue
					}
					steps := func(id string) []string {
						return r.during(func() {
							answer := s.run(s.users["creator"], document, "id", id)
							require.Equal(t, []string{codeNotFound}, answer.codes(), "%s: %s", document, answer.text)
						})
					}
					steps(pair[1]) // a first run, for one-time steps such as preparing a statement
					require.Equal(t, steps(pair[1]), steps(pair[0]), "%s with %s", document, pair[0])
					tried++
				}
			}
			require.Greater(t, tried, 2*len(byID)/3)
		})
	}
}
