package pgserver_test

import (
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/internal/pgserver"
)

func TestServerKeepsDataAcrossACrashAndRemovesItOnClose(t *testing.T) {
	t.Parallel()
	s, err := pgserver.Start(false)
	if err != nil && os.Getenv("CI") != "true" && os.Getenv("BUDDYCHAT_REQUIRE_POSTGRES") != "1" {
		t.Skipf("this test needs PostgreSQL: %v", err)
	}
	require.NoError(t, err)
	c, err := pgx.Connect(t.Context(), s.URL)
	require.NoError(t, err)
	var data string
	require.NoError(t, c.QueryRow(t.Context(), "SHOW data_directory").Scan(&data))
	require.DirExists(t, data)

	_, err = c.Exec(t.Context(), "CREATE TABLE kept (id INT)")
	require.NoError(t, err)
	require.NoError(t, s.Crash())
	require.Error(t, c.Ping(t.Context()))
	require.NoError(t, s.Restart())
	c, err = pgx.Connect(t.Context(), s.URL)
	require.NoError(t, err)
	_, err = c.Exec(t.Context(), "INSERT INTO kept VALUES (1)")
	require.NoError(t, err, "what was committed survives a crash")

	require.NoError(t, s.Close())
	require.Error(t, c.Ping(t.Context()))
	require.NoDirExists(t, data)
}
