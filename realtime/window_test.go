package realtime

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func records(ids ...int64) []Record {
	found := []Record{}
	for _, id := range ids {
		found = append(found, Record{Position: Position{ID: id}})
	}
	return found
}

func everything(Record) bool { return true }

func TestAWindowKeepsTheNewestRecordsAndAllAboveSafe(t *testing.T) {
	t.Parallel()
	w := window{floor: 2, size: 3}
	w.add(records(3, 5, 6))
	w.trim(Position{ID: 3})
	require.True(t, w.covers(Position{ID: 2}))
	require.False(t, w.covers(Position{ID: 1}))

	w.add(records(7, 8))
	w.trim(Position{ID: 3}) // 4 is open
	require.Equal(t, int64(3), w.floor)
	require.Equal(t, records(5, 6, 7, 8), w.after(Position{ID: 3}, everything))

	w.add(records(4, 9))
	w.trim(Position{ID: 9})
	require.Equal(t, int64(7), w.floor)
	require.Equal(t, records(8, 9), w.after(Position{ID: 7}, everything))
	require.Equal(t, records(9), w.after(Position{ID: 7}, func(r Record) bool { return r.ID == 9 }))
	require.LessOrEqual(t, len(w.records), 3)
}

func TestAQueueIsFIFOAndBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := queue{limit: rapid.IntRange(1, 40).Draw(t, "limit")}
		var model []string
		for i := range rapid.IntRange(0, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "push") > 0 {
				room := len(model) < q.limit
				require.Equal(t, room, q.room(1))
				require.False(t, q.room(1+q.limit-len(model)))
				if room {
					q.push(&Event{ID: strconv.Itoa(i)})
					model = append(model, strconv.Itoa(i))
				}
				continue
			}
			e, ok := q.pop()
			require.Equal(t, len(model) > 0, ok)
			if ok {
				require.Equal(t, model[0], e.ID)
				model = model[1:]
			}
			if len(model) == 0 {
				require.LessOrEqual(t, len(q.events), queueKept, "an empty queue keeps only a small buffer")
			}
		}
	})
}
