package realtime

// queue is a bounded FIFO queue of events. It grows as needed, and frees a large buffer once it is
// empty.
type queue struct {
	limit  int
	events []Event // a ring buffer; its length is a power of two
	first  int
	count  int
}

const (
	queueAtFirst = 4  // events
	queueKept    = 16 // largest buffer that an empty queue keeps
)

// room reports whether so many more events fit.
func (q *queue) room(events int) bool { return q.count+events <= q.limit }

// push appends an event, even beyond the limit.
func (q *queue) push(e *Event) {
	if q.count == len(q.events) {
		q.grow()
	}
	q.events[(q.first+q.count)&(len(q.events)-1)] = *e
	q.count++
}

func (q *queue) grow() {
	larger := make([]Event, max(queueAtFirst, 2*len(q.events)))
	n := copy(larger, q.events[q.first:])
	copy(larger[n:], q.events[:q.first])
	q.events, q.first = larger, 0
}

func (q *queue) pop() (e Event, ok bool) {
	if q.count == 0 {
		return Event{}, false
	}
	e, q.events[q.first] = q.events[q.first], Event{}
	q.first = (q.first + 1) & (len(q.events) - 1)
	q.count--
	if q.count == 0 && len(q.events) > queueKept {
		q.drop()
	}
	return e, true
}

func (q *queue) drop() { q.events, q.first, q.count = nil, 0, 0 }
