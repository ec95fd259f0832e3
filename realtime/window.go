package realtime

import (
	"cmp"
	"slices"
)

// window is the newest records, in the order in which they were dispatched: all with an id above its floor.
type window struct {
	records []Record
	floor   int64
	size    int
}

// covers reports whether every record behind the position that was dispatched is in the window.
func (w *window) covers(p Position) bool { return p.ID >= w.floor }

func (w *window) add(records []Record) { w.records = append(w.records, records...) }

// trim lets the oldest go that are more than its size. It keeps what is above safe, which nothing can be replayed from but the window.
func (w *window) trim(safe Position) {
	n := 0
	for len(w.records)-n > w.size && w.records[n].ID <= safe.ID {
		w.floor = max(w.floor, w.records[n].ID)
		n++
	}
	clear(w.records[:n])
	w.records = w.records[n:]
}

// behind returns the records behind the position that are picked, in the order of their ids.
func (w *window) behind(p Position, pick func(Record) bool) []Record {
	var found []Record
	for i := range w.records {
		if w.records[i].ID > p.ID && pick(w.records[i]) {
			found = append(found, w.records[i])
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return cmp.Compare(a.ID, b.ID) })
	return found
}
