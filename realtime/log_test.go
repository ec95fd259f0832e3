package realtime

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
)

func TestACursorParsesToTheSamePosition(t *testing.T) {
	t.Parallel()
	for _, p := range []Position{{}, {1, 2}, {math.MaxInt64, math.MinInt64}, {-1, -1}} {
		cursor := p.String()
		require.Len(t, cursor, 22)
		got, err := ParseCursor(cursor)
		require.NoError(t, err)
		require.Equal(t, p, got)
	}
}

func TestAMalformedCursorHasExpired(t *testing.T) {
	t.Parallel()
	good := Position{1, 2}.String()
	for _, cursor := range []string{
		"", "1", good + "A", good[:21], good[:21] + "B", good[:21] + "=", strings.Repeat("*", 22), good[:20] + "\n" + good[21:], "äääääääääää",
	} {
		_, err := ParseCursor(cursor)
		require.ErrorIs(t, err, storage.ErrCursorExpired, cursor)
	}
}

func FuzzParseCursor(f *testing.F) {
	for _, seed := range []string{"", "x", Position{}.String(), Position{1, 2}.String(), Position{math.MaxInt64, -1}.String()} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		p, err := ParseCursor(cursor)
		if err != nil {
			require.ErrorIs(t, err, storage.ErrCursorExpired)
			return
		}
		require.Equal(t, cursor, p.String(), "a position has one cursor")
	})
}
