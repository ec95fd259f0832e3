package realtime

import (
	"cmp"
	"slices"
)

// window has the newest records in dispatch order: all with an id above its floor.
type window struct {
	records []Record
	floor   int64
	size    int
}

// covers reports whether the window has every dispatched record after the position.
func (w *window) covers(p Position) bool { return p.ID >= w.floor }

func (w *window) add(records []Record) { w.records = append(w.records, records...) }

// trim drops the oldest records beyond the window's size. It keeps records above safe: a replay
// from the database stops at safe, so only the window has them.
func (w *window) trim(safe Position) {
	n := 0
	for len(w.records)-n > w.size && w.records[n].ID <= safe.ID {
		w.floor = max(w.floor, w.records[n].ID)
		n++
	}
	clear(w.records[:n])
	w.records = w.records[n:]
}

// after returns the records after the position that pick accepts, in the order of their ids.
func (w *window) after(p Position, pick func(Record) bool) []Record {
	var found []Record
	for i := range w.records {
		if w.records[i].ID > p.ID && pick(w.records[i]) {
			found = append(found, w.records[i])
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	return found
}
