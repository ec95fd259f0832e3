package bunstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The tests for SQLite are in internal/sqlitetest.
func TestCheckWritableFailsOnAReadOnlyPostgreSQL(t *testing.T) {
	t.Parallel()
	db := openPostgres(t, "")
	require.Error(t, db.CheckWritable(t.Context()), "without its tables")
	require.NoError(t, db.Migrate(t.Context()))
	for range 3 {
		require.NoError(t, db.CheckWritable(t.Context()))
	}
	readOnly := openPostgresWith(t, db.url+"&default_transaction_read_only=on", "")
	require.ErrorContains(t, readOnly.CheckWritable(t.Context()), "read-only")
	require.Zero(t, count(t, db.sql, `SELECT count(*) FROM buddychat_events WHERE operation <> 'LOG_BEGUN'`))
}
