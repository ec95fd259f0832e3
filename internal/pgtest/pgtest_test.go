package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/internal/pgtest"
)

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"one", "another"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := pgx.Connect(t.Context(), pgtest.URL(t))
			require.NoError(t, err)
			_, err = c.Exec(t.Context(), "CREATE TABLE mine (id INT)") // would be there already in a shared one
			require.NoError(t, err)
			// The connection stays open: the database goes nevertheless.
		})
	}
}
