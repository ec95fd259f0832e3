package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, url string, o *postgres.Options) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func TestOpenErrorsNameTheProblem(t *testing.T) {
	t.Parallel()
	for url, says := range map[string]string{
		"postgres://me:geheim@127.0.0.1:1/chat?sslmode=disable":       "127.0.0.1:1",
		"postgres://me:geheim@localhost:port/chat":                    "parse",
		"postgres://me:geheim@localhost/chat?synchronous_commit=off":  "synchronous_commit must not be off",
		"host=127.0.0.1 port=1 user=me password=geheim sslmode=allow": "127.0.0.1:1",
	} {
		_, err := postgres.Open(t.Context(), url, nil)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "geheim")
	}
	url := pgtest.URL(t)
	_, err := postgres.Open(t.Context(), strings.Replace(url, "buddychat_test_", "nowhere_", 1), nil)
	require.ErrorContains(t, err, "does not exist")
	_, err = postgres.Open(t.Context(), url, &postgres.Options{Prefix: "Robert'); --"})
	require.ErrorContains(t, err, "prefix")
}

func TestConnectionsHaveTheirSettings(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.URL(t), &postgres.Options{MaxConnections: 3, Migrate: true})
	require.Equal(t, 3, db.SQL().Stats().MaxOpenConnections)
	lone, err := db.Connect(t.Context())
	require.NoError(t, err)
	defer lone.Close(context.Background()) //nolint:errcheck // the test is over
	for name, want := range map[string]string{"synchronous_commit": "on", "timezone": "UTC", "application_name": "buddychat"} {
		var got string
		require.NoError(t, db.SQL().QueryRowContext(t.Context(), "SELECT current_setting($1)", name).Scan(&got))
		require.Equal(t, want, got)
		require.NoError(t, lone.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got))
		require.Equal(t, want, got)
	}
	require.NoError(t, db.Migrate(t.Context()), "a second migration must do nothing")
	_, err = lone.Exec(t.Context(), "LISTEN x")
	require.NoError(t, err)

	own := open(t, pgtest.URL(t)+"&synchronous_commit=local&application_name=mine", nil)
	var commit, name string
	require.NoError(t, own.SQL().QueryRowContext(t.Context(), "SELECT current_setting('synchronous_commit'), current_setting('application_name')").Scan(&commit, &name))
	require.Equal(t, []string{"local", "mine"}, []string{commit, name}, "settings of the address must be kept")
}

// Two transactions deadlock. PostgreSQL rolls back the one of the store, which then retries it.
func TestADeadlockedChangeIsRetried(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := pgtest.URL(t)
	db := open(t, url+"&deadlock_timeout=10ms", &postgres.Options{Migrate: true})
	// so the store's transaction detects the deadlock
	host := open(t, url+"&deadlock_timeout=1h", nil)
	_, err := db.SQL().ExecContext(ctx, `
		CREATE TABLE one (id INT); CREATE TABLE two (id INT); INSERT INTO one VALUES (1); INSERT INTO two VALUES (1);
		CREATE SEQUENCE attempts; -- which does not go back with a transaction
		CREATE FUNCTION lock_both() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			PERFORM nextval('attempts'); UPDATE one SET id = id; PERFORM pg_advisory_xact_lock(1); UPDATE two SET id = id; RETURN NEW; END $$;
		CREATE TRIGGER both_locked BEFORE INSERT ON buddychat_events FOR EACH ROW EXECUTE FUNCTION lock_both()`)
	require.NoError(t, err)
	gate, err := host.SQL().BeginTx(ctx, nil)
	require.NoError(t, err)
	defer gate.Rollback() //nolint:errcheck // does nothing after the commit
	_, err = gate.ExecContext(ctx, `SELECT pg_advisory_xact_lock(1)`)
	require.NoError(t, err)
	tx, err := host.SQL().BeginTx(ctx, nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // does nothing after the commit
	_, err = tx.ExecContext(ctx, `UPDATE two SET id = id`)
	require.NoError(t, err)
	waiting := func(want int) {
		require.Eventually(t, func() bool {
			var n int
			err := host.SQL().QueryRowContext(ctx, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
			return err == nil && n == want
		}, 30*time.Second, 5*time.Millisecond)
	}

	act, other := make(chan error, 1), make(chan error, 1)
	go func() { act <- db.EndSession(ctx, "a-host's", "one") }()
	waiting(1) // the store holds one lock and waits at the gate
	go func() {
		_, err := tx.ExecContext(ctx, `UPDATE one SET id = id`)
		other <- errors.Join(err, tx.Commit())
	}()
	waiting(2) // the application holds two locks and waits for one
	require.NoError(t, gate.Commit())
	require.NoError(t, <-other)
	require.NoError(t, <-act)
	var n, attempts int
	require.NoError(t, db.SQL().QueryRowContext(ctx, `SELECT count(*) FROM buddychat_events`).Scan(&n))
	require.Equal(t, 2, n)
	require.NoError(t, host.SQL().QueryRowContext(ctx, `SELECT last_value FROM attempts`).Scan(&attempts))
	require.GreaterOrEqual(t, attempts, 2)
}

func TestATransactionOfTheApplicationReturnsSerializationFailures(t *testing.T) {
	t.Parallel()
	db := open(t, pgtest.URL(t), &postgres.Options{Migrate: true})
	u, _, err := db.CreateUser(t.Context(), user.Account{Username: "alice", Email: "alice@example.com", Phone: user.Phone{Number: "12345678", CountryCode: "1"}})
	require.NoError(t, err)
	tx, err := db.SQL().BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(t, err)
	defer tx.Rollback()                              //nolint:errcheck // it fails
	_, err = tx.ExecContext(t.Context(), `SELECT 1`) // takes its snapshot of the database
	require.NoError(t, err)
	early, late := "early", "late"
	_, err = db.UpdateUser(t.Context(), u.ID, user.Update{Bio: &early})
	require.NoError(t, err)
	_, err = db.In(tx).UpdateUser(t.Context(), u.ID, user.Update{Bio: &late})
	var e *pgconn.PgError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "40001", e.Code)
}
