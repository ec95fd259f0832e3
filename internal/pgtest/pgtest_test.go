package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/internal/pgtest"
)

func TestEachTestGetsItsOwnDatabase(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "another"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := pgx.Connect(t.Context(), pgtest.URL(t))
			require.NoError(t, err)
			// In a shared database the second CREATE would fail.
			_, err = c.Exec(t.Context(), "CREATE TABLE mine (id INT)")
			require.NoError(t, err)
			// The connection stays open. The database must be dropped all the same.
		})
	}
}
