package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string, o *Options) *DB {
	t.Helper()
	db, err := Open(t.Context(), path, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestOpenCreatesAPrivateFileAndKeepsIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a b?c#d%41&e.db")
	db, err := Open(t.Context(), path, &Options{Migrate: true, Prefix: "mine_"})
	require.NoError(t, err)
	require.NoError(t, db.EndSession(t.Context(), "a-host's", "one"))
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(path + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}
	require.NoError(t, db.Close())
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, entries, 1, "closing must move the write-ahead log into the file")

	db = open(t, path, nil)
	var n int
	require.NoError(t, db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM mine_events`).Scan(&n))
	require.Equal(t, 2, n)
}

func TestOpenErrorsNameTheProblem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	require.NoError(t, os.WriteFile(garbage, bytes.Repeat([]byte("no database "), 100), 0o600))
	for path, says := range map[string]string{
		filepath.Join(dir, "nowhere", "x.db"): "the directory " + filepath.Join(dir, "nowhere") + " does not exist",
		dir:                                   "is a directory",
		garbage:                               "not a database",
		"":                                    "name a file",
	} {
		_, err := Open(t.Context(), path, nil)
		require.ErrorContains(t, err, says)
	}
	_, err := Open(t.Context(), ":memory:", &Options{Prefix: "Robert'); --"})
	require.ErrorContains(t, err, "prefix")
}

func TestEveryConnectionHasTheSafetyPragmas(t *testing.T) {
	t.Parallel()
	db := open(t, filepath.Join(t.TempDir(), "x.db"), nil)
	for _, pool := range []*sql.DB{db.pool, db.writer} {
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "secure_delete": "1"} {
			var got string
			require.NoError(t, pool.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
			require.Equal(t, want, got, pragma)
		}
	}
}

func TestUnsentAndErasedContentIsRemovedFromTheFile(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, &Options{Migrate: true})
	alices, bobs, err := db.OpenChat(ctx, "alice", "bob")
	require.NoError(t, err)
	send := func(c chat.Chat, content, clientID string) chat.Message {
		m, err := db.AppendMessage(ctx, c.Copy(), chat.Draft{Content: content, ClientID: clientID})
		require.NoError(t, err)
		return m
	}
	left := func(content string) bool {
		var found bool
		for _, suffix := range []string{"", "-wal"} {
			data, err := os.ReadFile(path + suffix)
			require.True(t, err == nil || suffix != "" && errors.Is(err, os.ErrNotExist), err)
			found = found || bytes.Contains(data, []byte(content))
		}
		return found
	}
	unsent := send(alices, "a canary that is unsent", "")
	send(bobs, "a canary that is erased", "canary 7")
	require.True(t, left("a canary that is unsent") && left("a canary that is erased") && left("canary 7"))
	require.NoError(t, db.UnsendMessage(ctx, alices.Copy(), unsent.ID))
	require.NoError(t, db.EraseUser(ctx, "bob"))
	for {
		n, err := db.Purge(ctx, time.Hour, 100)
		require.NoError(t, err)
		if n == 0 {
			break
		}
	}
	require.NoError(t, db.Close())
	require.False(t, left("canary"))
}

func TestMemoryDatabasesAreSeparateAndLeaveNoFiles(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	one, err := Open(t.Context(), ":memory:", &Options{Migrate: true})
	require.NoError(t, err)
	_, err = Open(t.Context(), ":memory:", &Options{Prefix: "%"})
	require.Error(t, err)
	other, err := Open(t.Context(), ":memory:", nil)
	require.NoError(t, err)
	require.NoError(t, other.Migrate(t.Context()), "a second memory database must be empty")
	require.NoError(t, one.Close())
	require.NoError(t, other.Close())
	left, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAnOpenTransactionDoesNotBlockReads(t *testing.T) {
	t.Parallel()
	db := open(t, ":memory:", &Options{Migrate: true})
	tx, err := db.SQL().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, db.In(tx).EndSession(t.Context(), "a-host's", "one"))
	const waiting = 50
	results := make(chan error, waiting)
	for range waiting {
		go func() { results <- db.EndSession(t.Context(), "a-host's", "another") }()
	}
	// outside of the transaction, while more changes wait than there are connections
	active, err := db.SessionActive(t.Context(), "a-host's", "one")
	require.NoError(t, err)
	require.False(t, active)
	require.NoError(t, tx.Commit())
	for range waiting {
		require.NoError(t, <-results)
	}
	var n int
	require.NoError(t, db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM buddychat_events`).Scan(&n))
	require.Equal(t, 1+1+waiting, n)
}

func TestWritersOfTwoConnectionsNeverGetBusyErrors(t *testing.T) {
	t.Parallel()
	db := open(t, ":memory:", &Options{Migrate: true})
	const writers, each = 8, 20
	results := make(chan error, 2*writers)
	for range writers {
		go func() {
			var err error
			for range each {
				if err == nil {
					err = db.EndSession(t.Context(), "a-host's", "one")
				}
			}
			results <- err
		}()
		go func() {
			var err error
			for range each {
				if err == nil {
					err = inTransaction(t.Context(), db)
				}
			}
			results <- err
		}()
	}
	for range 2 * writers {
		require.NoError(t, <-results)
	}
	var n int
	require.NoError(t, db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM buddychat_events`).Scan(&n))
	require.Equal(t, 1+2*writers*each, n)
}

func inTransaction(ctx context.Context, db *DB) error {
	tx, err := db.SQL().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // does nothing after the commit
	if err := db.In(tx).EndSession(ctx, "a-host's", "two"); err != nil {
		return err
	}
	return tx.Commit()
}

func TestErrorsAreClassified(t *testing.T) {
	t.Parallel()
	db := open(t, ":memory:", nil)
	_, err := db.SQL().ExecContext(t.Context(), `CREATE TABLE x (id INTEGER PRIMARY KEY, name TEXT UNIQUE); INSERT INTO x VALUES (1, 'a')`)
	require.NoError(t, err)
	for _, row := range []string{`(1, 'b')`, `(2, 'a')`} {
		_, err = db.SQL().ExecContext(t.Context(), `INSERT INTO x VALUES `+row)
		require.True(t, isConflict(err), err)
		require.False(t, isTransient(err), err)
	}
	_, err = db.SQL().ExecContext(t.Context(), `INSERT INTO nowhere VALUES (1)`)
	require.Error(t, err)
	require.False(t, isConflict(err) || isTransient(err), err)

	// A transaction that has read cannot write after another one wrote.
	late, err := db.SQL().BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	require.NoError(t, err)
	defer late.Rollback() //nolint:errcheck // its only statement fails
	var n int
	require.NoError(t, late.QueryRowContext(t.Context(), `SELECT count(*) FROM x`).Scan(&n))
	_, err = db.SQL().ExecContext(t.Context(), `INSERT INTO x VALUES (3, 'c')`)
	require.NoError(t, err)
	_, err = late.ExecContext(t.Context(), `INSERT INTO x VALUES (4, 'd')`)
	require.True(t, isTransient(err), err)
}

// TestProcessesShareAFile runs itself in other processes.
func TestProcessesShareAFile(t *testing.T) {
	const writes = 50
	if path := os.Getenv("BUDDYCHAT_TEST_SHARED"); path != "" {
		db := open(t, path, &Options{Migrate: true})
		for range writes {
			require.NoError(t, db.EndSession(t.Context(), "a-host's", strconv.Itoa(os.Getpid())))
		}
		return
	}
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.db")
	const processes = 3
	type result struct {
		output []byte
		err    error
	}
	results := make(chan result, processes)
	for range processes {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestProcessesShareAFile$")
		cmd.Env = append(os.Environ(), "BUDDYCHAT_TEST_SHARED="+path)
		go func() {
			output, err := cmd.CombinedOutput()
			results <- result{output, err}
		}()
	}
	for range processes {
		r := <-results
		require.NoError(t, r.err, "%s", r.output)
	}
	db := open(t, path, nil)
	var n int
	require.NoError(t, db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM buddychat_events`).Scan(&n))
	require.Equal(t, 1+processes*writes, n)
}
