package transportws

import (
	"io"
	"sync/atomic"
)

// arriving bounds the memory of the unfinished messages of all sockets.
type arriving struct {
	limit int64 // bytes
	held  atomic.Int64
}

// The first freeArriving bytes of each message do not count. So the usual small messages are
// accepted even if other clients have used up the limit.
const freeArriving = 16 << 10

// An arrivingReader reads one message into a growing buffer. It returns errTooMuchArrives if the
// messages of all sockets exceed the limit.
type arrivingReader struct {
	*arriving
	from          io.Reader
	size, counted int64 // bytes read so far, and bytes of the buffer that count
}

// Read implements [io.Reader]. It counts all of p in advance, because the library returns only once
// p is full.
func (r *arrivingReader) Read(p []byte) (int, error) {
	more := max(0, r.size+int64(len(p))-freeArriving-r.counted)
	r.counted += more
	if more > 0 && r.held.Add(more) > r.limit {
		return 0, errTooMuchArrives
	}
	n, err := r.from.Read(p)
	r.size += int64(n)
	return n, err
}

// done must be called when the message has arrived, or will not.
func (r *arrivingReader) done() { r.held.Add(-r.counted) }
