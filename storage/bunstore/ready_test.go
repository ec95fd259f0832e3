package bunstore_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/user/token"
)

var sqlComments = regexp.MustCompile(`(?m)--.*$`)

func options() *buddychat.Options {
	return &buddychat.Options{Tokens: token.Options{Keys: []token.Key{{ID: "test", Secret: bytes.Repeat([]byte{7}, 32)}}}}
}

// earlier makes the tables look as before the newest migration.
func (db database) earlier(t *testing.T) {
	t.Helper()
	require.NoError(t, db.Migrate(t.Context()))
	_, err := db.sql.ExecContext(t.Context(), `DELETE FROM buddychat_migrations WHERE name = (SELECT max(name) FROM buddychat_migrations)`)
	require.NoError(t, err)
}

func TestAnApplicationWithoutTablesFailsToStart(t *testing.T) {
	t.Parallel()
	for name, open := range eachDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			empty := open(t, "")
			for _, err := range []error{empty.Check(t.Context()), second(buddychat.New(empty, options()))} {
				require.ErrorContains(t, err, `no tables with the prefix "buddychat_"`)
				require.ErrorContains(t, err, "Migrate")
			}
			require.NoError(t, empty.Migrate(t.Context()))
			app, err := buddychat.New(empty, options())
			require.NoError(t, err)
			_, err = graphqlapi.NewHandler(app, nil)
			require.NoError(t, err)

			empty.earlier(t)
			_, err = graphqlapi.NewHandler(app, nil)
			for _, err := range []error{err, empty.Check(t.Context()), second(buddychat.New(empty, options()))} {
				require.ErrorContains(t, err, "from an earlier version and lack 00")
				require.ErrorContains(t, err, "Migrate")
			}
			other := empty.again(t, "other_")
			require.ErrorContains(t, second(buddychat.New(other, options())), `"other_"`)

			tx, err := empty.sql.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			require.NoError(t, empty.In(tx).Check(t.Context()), "a bound store checks nothing")
			require.NoError(t, tx.Rollback())

			require.NoError(t, empty.sql.Close())
			require.ErrorContains(t, second(buddychat.New(empty, options())), "closed")
		})
	}
}

func second[T any](_ T, err error) error { return err }

// run runs the files of Migrations like a migration tool: each in one transaction.
func run(t *testing.T, db *sql.DB, files fs.FS) {
	t.Helper()
	names, err := fs.Glob(files, "*.up.sql")
	require.NoError(t, err)
	require.True(t, slices.IsSorted(names))
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		require.NoError(t, err)
		require.NotContains(t, string(text), "{{")
		tx, err := db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), string(text))
		require.NoError(t, err, name)
		require.NoError(t, tx.Commit())
	}
}

// tables describes everything in a database: tables, columns, indexes, constraints and functions.
func (db database) tables(t *testing.T) (all []string) {
	t.Helper()
	query := `SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema`
	if db.dialect == bunstore.PostgreSQL {
		query = `SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || coalesce(column_default, '') || ' ' || is_nullable FROM information_schema.columns WHERE table_schema = 'public'
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
			UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace
			UNION ALL SELECT proname || ' ' || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace`
	}
	rows, err := db.sql.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close() //nolint:errcheck // all rows have been read
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		all = append(all, strings.Join(strings.Fields(sqlComments.ReplaceAllString(line, "")), " "))
	}
	require.NoError(t, rows.Err())
	slices.Sort(all)
	return all
}

func TestMigrationFilesAndMigrateCreateTheSameTables(t *testing.T) {
	t.Parallel()
	for name, open := range eachDatabase() {
		for _, prefix := range []string{"", "mine_"} {
			t.Run(name+" "+prefix, func(t *testing.T) {
				t.Parallel()
				db, migrated := open(t, prefix), open(t, prefix)
				files, err := bunstore.Migrations(db.dialect, prefix)
				require.NoError(t, err)
				require.NoError(t, fstest.TestFS(files, "0001_conversations.up.sql"))
				run(t, db.sql, files)
				require.NoError(t, db.Check(t.Context()))
				_, err = buddychat.New(db, options())
				require.NoError(t, err)

				require.NoError(t, migrated.Migrate(t.Context()))
				before := db.tables(t)
				require.Equal(t, migrated.tables(t), before)
				require.NoError(t, db.Migrate(t.Context()))
				require.Equal(t, before, db.tables(t))

				mine, _, err := db.OpenChat(t.Context(), "alice", "bob")
				require.NoError(t, err)
				_, err = db.AppendMessage(t.Context(), mine.Copy(), chat.Draft{Content: "a"})
				require.NoError(t, err)
				events := "buddychat_events"
				if prefix != "" {
					events = prefix + "events"
				}
				require.Equal(t, 1, count(t, db.sql, `SELECT count(*) FROM `+events+` WHERE operation = 'LOG_BEGUN' AND nonce >= 0 AND at > 1500000000000000`))
			})
		}
	}
}

func TestMigrationsRefusesAnInvalidDialectOrPrefix(t *testing.T) {
	t.Parallel()
	_, err := bunstore.Migrations(0, "")
	require.ErrorContains(t, err, "dialect")
	_, err = bunstore.Migrations(bunstore.SQLite, "Robert'); --")
	require.ErrorContains(t, err, "prefix")
}

// asRole opens a PostgreSQL database as a role that can use the tables but not create any.
func asRole(t *testing.T, db database) database {
	t.Helper()
	role := "role_" + strings.ToLower(t.Name()[len(t.Name())-8:])
	for _, statement := range []string{
		`CREATE ROLE ` + role + ` LOGIN PASSWORD 'secret'`,
		`REVOKE CREATE ON SCHEMA public FROM PUBLIC`,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ` + role,
	} {
		_, err := db.sql.ExecContext(t.Context(), statement)
		require.NoError(t, err, statement)
	}
	t.Cleanup(func() {
		for _, statement := range []string{`DROP OWNED BY ` + role, `DROP ROLE ` + role} {
			_, err := db.sql.ExecContext(context.Background(), statement)
			require.NoError(t, err, statement)
		}
	})
	u, err := url.Parse(db.url)
	require.NoError(t, err)
	u.User = url.UserPassword(role, "secret")
	return openPostgresWith(t, u.String(), "")
}

// readOnly opens a database on which nothing can be written.
func readOnly(t *testing.T, db database) database {
	t.Helper()
	if db.dialect == bunstore.PostgreSQL {
		return openPostgresWith(t, db.url+"&default_transaction_read_only=on", "")
	}
	pool, err := sql.Open("sqlite", "file:"+db.url+"?mode=ro&_pragma=busy_timeout(10000)&_pragma=foreign_keys(on)")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pool.Close()) })
	s, err := bunstore.Open(pool, bunstore.SQLite, nil)
	require.NoError(t, err)
	return database{Store: s, sql: pool, dialect: bunstore.SQLite, url: db.url}
}

func TestMigrateOfUpToDateTablesNeedsNoCreatePrivilege(t *testing.T) {
	t.Parallel()
	db := migrated(t, openPostgres)
	limited := asRole(t, db)
	require.NoError(t, limited.Migrate(t.Context()))
	require.NoError(t, limited.Check(t.Context()))
	mine, _, err := limited.OpenChat(t.Context(), "alice", "bob")
	require.NoError(t, err)
	_, err = limited.AppendMessage(t.Context(), mine.Copy(), chat.Draft{Content: "a"})
	require.NoError(t, err)

	db.earlier(t)
	err = limited.Migrate(t.Context())
	require.ErrorContains(t, err, "permission denied")
	require.ErrorContains(t, err, "as a role that may create tables")
}

func TestMigrateOfUpToDateTablesWritesNothing(t *testing.T) {
	t.Parallel()
	for name, open := range eachDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			frozen := readOnly(t, db)
			require.NoError(t, frozen.Migrate(t.Context()))
			require.NoError(t, frozen.Check(t.Context()))
			_, err := frozen.sql.ExecContext(t.Context(), fmt.Sprintf(`DELETE FROM %smigrations`, bunstore.DefaultPrefix))
			require.Error(t, err, "it can be written")
			db.earlier(t)
			require.Error(t, frozen.Migrate(t.Context()))
		})
	}
}

func TestMigrateNeedsOnlyOneConnection(t *testing.T) {
	t.Parallel()
	db := openPostgres(t, "")
	db.sql.SetMaxOpenConns(1)
	require.NoError(t, db.Migrate(t.Context()))
}
