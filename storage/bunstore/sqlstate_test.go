package bunstore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

// pqError is an error like those of lib/pq, and bunError is like those of bun's own driver.
type (
	pqError  struct{ code string }
	bunError struct{ code string }
)

func (e *pqError) Error() string    { return "pq: something" }
func (e *pqError) SQLState() string { return e.code }

func (bunError) Error() string { return "ERROR: something" }
func (e bunError) Field(field byte) string {
	if field == 'C' {
		return e.code
	}
	return ""
}

func TestPostgreSQLErrorsOfEveryDriverAreRecognizedByTheirCode(t *testing.T) {
	t.Parallel()
	s := &Store{}
	for _, kind := range []func(code string) error{
		func(code string) error { return &pgconn.PgError{Code: code} },
		func(code string) error { return &pqError{code} },
		func(code string) error { return bunError{code} },
	} {
		with := func(code string) error { return fmt.Errorf("bunstore: %w", kind(code)) }
		for _, code := range []string{"40001", "40P01"} {
			require.True(t, s.isTransient(with(code)), code)
			require.False(t, s.isConflict(with(code)), code)
		}
		require.True(t, s.isConflict(with("23505")))
		require.False(t, s.isTransient(with("23505")))
		require.True(t, isRefused(with("22001")))
		require.False(t, isRefused(with("57P01")))
	}
	require.False(t, s.isTransient(errors.New("40001")))
	require.False(t, s.isTransient(nil))
}
