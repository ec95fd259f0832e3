package bunstore_test

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/user/token"
)

func TestMigratingTwiceChangesNothing(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := open(t, "")
			require.NoError(t, db.Migrate(t.Context()))
			require.NoError(t, db.Migrate(t.Context()))
			require.Equal(t, 1, count(t, db.sql, `SELECT count(*) FROM buddychat_events`), "the first record is written once")
		})
	}
}

func TestNodesCanMigrateAtTheSameTime(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			const nodes = 4
			results := make(chan error, nodes)
			first := open(t, "")
			for range nodes {
				node := first.again(t, "")
				go func() { results <- node.Migrate(t.Context()) }()
			}
			for range nodes {
				require.NoError(t, <-results)
			}
			require.Equal(t, 1, count(t, first.sql, `SELECT count(*) FROM buddychat_events`))
		})
	}
}

func TestStoresWithDifferentPrefixesShareADatabase(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			one := open(t, "one_")
			other := one.again(t, "other_")
			require.NoError(t, one.Migrate(t.Context()))
			require.NoError(t, other.Migrate(t.Context()))
			require.Equal(t, 1, count(t, one.sql, `SELECT count(*) FROM one_events`))
			require.Equal(t, 1, count(t, one.sql, `SELECT count(*) FROM other_events`))
			var a, b int64
			require.NoError(t, one.sql.QueryRow(`SELECT nonce FROM one_events`).Scan(&a))
			require.NoError(t, one.sql.QueryRow(`SELECT nonce FROM other_events`).Scan(&b))
			require.NotEqual(t, a, b, "each log has its own nonce")
		})
	}
}

func TestMigrateCreatesOnlyTablesWithThePrefix(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := open(t, "mine_")
			require.NoError(t, db.Migrate(t.Context()))
			tables := `SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'mine\_%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`
			if db.dialect == bunstore.PostgreSQL {
				tables = `SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'mine\_%'`
			}
			require.Zero(t, count(t, db.sql, tables))
		})
	}
}

func TestAFailedMigrationStoresNothingAndIsTriedAgain(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := open(t, "")
			require.NoError(t, db.Migrate(t.Context()))
			files := fstest.MapFS{
				"9001_good.sql": {Data: []byte("CREATE TABLE {good} (id {{.ID}}, b {{.Bytes}}); -- a comment; it is dropped\n")},
				"9002_bad.sql":  {Data: []byte("CREATE TABLE {half} (id {{.ID}});\nINSERT INTO {nowhere} VALUES (1);\n")},
			}
			err := db.MigrateFiles(t.Context(), files)
			require.ErrorContains(t, err, "9002")
			require.ErrorContains(t, err, "buddychat_nowhere")
			require.Zero(t, count(t, db.sql, `SELECT count(*) FROM buddychat_good`), "earlier migrations stay")

			files["9002_bad.sql"] = &fstest.MapFile{Data: []byte("CREATE TABLE {half} (id {{.ID}});\nINSERT INTO {half} (id)\n\tVALUES (1);")}
			require.NoError(t, db.MigrateFiles(t.Context(), files))
			require.Equal(t, 1, count(t, db.sql, `SELECT count(*) FROM buddychat_half`))
		})
	}
}

func TestMigrateRefusesAHostTransaction(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := open(t, "")
			tx, err := db.sql.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback() //nolint:errcheck // nothing was written
			require.ErrorContains(t, db.In(tx).Migrate(t.Context()), "transaction")
		})
	}
}

func TestMigrateRefusesPostgreSQLSettingsThatLoseEvents(t *testing.T) {
	t.Parallel()
	db := openPostgres(t, "")
	ctx := context.Background()
	require.NoError(t, db.Migrate(ctx))

	_, err := db.sql.ExecContext(ctx, `ALTER TABLE buddychat_events ALTER COLUMN id SET CACHE 32`)
	require.NoError(t, err)
	require.ErrorContains(t, db.Migrate(ctx), "cache 1 and increment 1")
	require.ErrorContains(t, db.Check(ctx), "cache 1 and increment 1")
	// as the error says
	_, err = db.sql.ExecContext(ctx, `ALTER TABLE buddychat_events ALTER COLUMN id SET CACHE 1 SET INCREMENT BY 1`)
	require.NoError(t, err)
	require.NoError(t, db.Migrate(ctx))

	lossy := openPostgresWith(t, db.url+"&synchronous_commit=off", "")
	require.ErrorContains(t, lossy.Migrate(ctx), "synchronous_commit is off")
	require.ErrorContains(t, lossy.Check(ctx), "synchronous_commit is off")
}

func count(t *testing.T, db *sql.DB, query string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(), query, args...).Scan(&n))
	return n
}

// Version 0.1.0 had the first three migrations.
func TestSessionsOfTheFirstVersionStayValid(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := open(t, "")
			files := fstest.MapFS{}
			for _, name := range []string{"0001_conversations.sql", "0002_users.sql", "0003_sessions.sql"} {
				text, err := os.ReadFile(filepath.Join("migrations", name))
				require.NoError(t, err)
				files[name] = &fstest.MapFile{Data: text}
			}
			require.NoError(t, db.MigrateFiles(t.Context(), files))
			first, parent, second, id := newHash(t), newHash(t), newHash(t), uuid.NewString()
			for _, row := range []struct {
				statement string
				args      []any
			}{
				{`INSERT INTO buddychat_users (number, username, username_fold, email, email_key, first_name, first_name_fold, last_name, last_name_fold, password_hash, joined_at)
					VALUES (7, 'ada', 'ada', 'ada@example.com', $1, 'Ada', 'ada', 'Lovelace', 'lovelace', 'hash of ada', 1)`, []any{newHash(t)}},
				{`INSERT INTO buddychat_sessions (id, user_number, began_at) VALUES ($1, 7, 1800000000000000)`, []any{id}},
				{`INSERT INTO buddychat_refresh_tokens (hash, session_id, parent, expires_at, spent_at) VALUES ($1, $2, $3, 1800000600000000, 1800000000000000)`, []any{first, id, parent}},
				{`INSERT INTO buddychat_refresh_tokens (hash, session_id, parent, expires_at, superseded) VALUES ($1, $2, $3, 1800000600000000, TRUE)`, []any{second, id, first}},
			} {
				_, err := db.sql.ExecContext(t.Context(), row.statement, row.args...)
				require.NoError(t, err)
			}
			require.NoError(t, db.Migrate(t.Context()))

			ada, err := db.Credentials(t.Context(), "7")
			require.NoError(t, err)
			require.EqualValues(t, 1, ada.User.PasswordVersion)
			f := &family{db: db, tokens: [][]byte{first, second}, Session: token.Session{ID: id, User: "7", Began: time.UnixMicro(1_800_000_000_000_000).UTC()}}
			_, err = f.rotateAt(t, 1, time.Minute)
			require.NoError(t, err, "a superseded token works too")
			require.NoError(t, db.SetPassword(t.Context(), "7", "hash of ada", "new"))
			require.False(t, f.active(t))

			again := login(t, db, "7")
			_, err = db.PurgeSessions(t.Context(), time.Now(), 100)
			require.NoError(t, err)
			require.True(t, again.active(t))
		})
	}
}

func TestMigrateWaitsForALongMigration(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it waits for longer than other operations do")
	}
	db := openSQLite(t, "")
	other := db.again(t, "")
	migrating, err := other.sql.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer migrating.Rollback() //nolint:errcheck // after the commit
	_, err = migrating.ExecContext(t.Context(), `CREATE TABLE slow (id INTEGER)`)
	require.NoError(t, err)
	const longerThanRetryTimeout = 11 * time.Second
	committed := make(chan error, 1)
	time.AfterFunc(longerThanRetryTimeout, func() { committed <- migrating.Commit() })
	require.NoError(t, db.Migrate(t.Context()))
	require.NoError(t, <-committed)
}
