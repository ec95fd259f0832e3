package transportws

import (
	"io"
	"sync/atomic"
)

// arriving bounds what the messages of all sockets hold that have not arrived whole.
type arriving struct {
	most int64 // bytes
	held atomic.Int64
}

// freeArriving bytes for each message are not counted. So what a client usually sends is taken, however much the
// messages of others hold.
const freeArriving = 16 << 10

// An arrivingReader reads one message into a buffer that grows. Its error is errTooMuchArrives where all together
// hold too much.
type arrivingReader struct {
	*arriving
	from      io.Reader
	size, own int64 // what was read, and what of the buffer is counted
}

// Read implements [io.Reader]. The library returns when p is full, so all of p is counted before.
func (r *arrivingReader) Read(p []byte) (int, error) {
	more := max(0, r.size+int64(len(p))-freeArriving-r.own)
	r.own += more
	if more > 0 && r.held.Add(more) > r.most {
		return 0, errTooMuchArrives
	}
	n, err := r.from.Read(p)
	r.size += int64(n)
	return n, err
}

// done is to be called when the message has arrived, or will not.
func (r *arrivingReader) done() { r.held.Add(-r.own) }
