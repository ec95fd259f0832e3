package sqlitetest

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func (d Driver) fullOrReadOnlyIsNotWritable(t *testing.T) {
	t.Parallel()
	s := d.newShop(t, filepath.Join(t.TempDir(), "host.db"))
	s.db.SetMaxOpenConns(1) // the settings apply to one connection
	set := func(pragma string) {
		t.Helper()
		_, err := s.db.ExecContext(t.Context(), pragma)
		require.NoError(t, err)
	}
	for range 3 {
		require.NoError(t, s.CheckWritable(t.Context()))
	}
	set(`PRAGMA query_only = on`)
	require.ErrorContains(t, s.CheckWritable(t.Context()), "readonly")
	set(`PRAGMA query_only = off`)
	require.NoError(t, s.CheckWritable(t.Context()))
	set(`VACUUM`)
	set(`PRAGMA max_page_count = 1`) // the current size
	require.ErrorContains(t, s.CheckWritable(t.Context()), "full")
	set(`PRAGMA max_page_count = 100000`)
	require.NoError(t, s.CheckWritable(t.Context()))
	s.stored(0, 0)
}
