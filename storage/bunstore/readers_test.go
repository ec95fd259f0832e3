package bunstore_test

import (
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
)

// groupOf creates a group with 60 messages and returns references to them. SQL adds so many members
// to its creator. The first of them, readers in number, have read all messages.
func groupOf(t *testing.T, db database, members, readers int) []group.MessageRef {
	t.Helper()
	g, own, err := db.CreateGroup(t.Context(), "creator", group.Draft{Title: "the group"})
	require.NoError(t, err)
	var refs []group.MessageRef
	for range 60 {
		m, err := db.AppendMessage(t.Context(), own.Copy(), chat.Draft{Content: "x"})
		require.NoError(t, err)
		refs = append(refs, group.MessageRef{Copy: own.Copy(), Message: m.ID})
	}
	for i := 0; i < members; i += 1000 {
		_, err = db.sql.ExecContext(t.Context(), `WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)
			INSERT INTO buddychat_copies (conversation_id, kind, owner, joined_at, read_seq)
			SELECT `+strconv.FormatInt(g.ID, 10)+`, 2, 'member' || `+strconv.Itoa(i)+` || '.' || n, 1, CASE WHEN n + `+strconv.Itoa(i)+` <= `+strconv.Itoa(readers)+` THEN 1000 ELSE 0 END FROM numbers`)
		require.NoError(t, err)
	}
	// the database itself does this after some time
	_, err = db.sql.ExecContext(t.Context(), `ANALYZE buddychat_copies`)
	require.NoError(t, err)
	return refs
}

func TestReadersOfMessagesCostNoMoreInALargeGroup(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it compares times, which the race detector distorts, in a group of 20,000")
	}
	const small, large = 1000, 20_000
	// Other work on the machine can only add to a time, so the lowest of several is compared.
	const rounds = 10
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			for name, readers := range map[string]int{"none": 0, "a few": 30, "all": large} {
				inSmall, inLarge := groupOf(t, db, small, readers), groupOf(t, db, large, readers)
				few, many := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
				for range rounds {
					few = min(few, costOfReaders(t, db, inSmall, readers, readers < large))
					many = min(many, costOfReaders(t, db, inLarge, readers, readers < large))
					if many < 5*few+2*time.Millisecond {
						break
					}
				}
				t.Log(name, few, many)
				assert.Less(t, many, 5*few+2*time.Millisecond,
					"%s: a scan of the members would cost %d times as much", name, large/small)
			}
		})
	}
}

// costOfReaders returns the least time that it takes to read a page of readers, or to count them if
// counted is set.
func costOfReaders(t *testing.T, db database, refs []group.MessageRef, readers int, counted bool) time.Duration {
	t.Helper()
	least := time.Duration(math.MaxInt64)
	for range 5 {
		start := time.Now()
		found, err := db.Readers(t.Context(), refs, storage.Range{Limit: 21})
		require.NoError(t, err)
		least = min(least, time.Since(start))
		for _, f := range found {
			require.Len(t, f, min(readers, 21))
		}
		if counted {
			start = time.Now()
			counts, err := db.CountReaders(t.Context(), refs)
			require.NoError(t, err)
			least = min(least, time.Since(start))
			require.Equal(t, readers, counts[0])
		}
	}
	return least
}
