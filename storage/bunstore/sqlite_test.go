package bunstore_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage/bunstore"
)

func TestPlaceholdersAreNumberedOnSQLite(t *testing.T) {
	t.Parallel()
	for statement, sent := range map[string]string{
		`SELECT 1`: `SELECT 1`,
		`UPDATE t SET a = $2, b = $10 WHERE id = $1`: `UPDATE t SET a = ?2, b = ?10 WHERE id = ?1`,
		`SELECT '$1', "$2", 'it''s $3', $4`:          `SELECT '$1', "$2", 'it''s $3', ?4`,
	} {
		require.Equal(t, sent, bunstore.Numbered(statement))
	}
}
