package transportws

import (
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"
)

// An outbox writes frames to a connection, in the order in which they are sent. Frames that are
// sent during a write go out together in the next one. It has a goroutine only while there is
// something to write.
type outbox struct {
	conn    conn
	limit   int // bytes
	timeout time.Duration
	failed  func(error) // called once, when a write has failed
	running *sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond // on mu: there is room again, or a field below has changed
	queued  *batch    // nil when it is empty
	writing bool
	closed  bool // no more frames are accepted
	broken  bool // the connection cannot be written to any more
}

func newOutbox(c conn, opts *Options, running *sync.WaitGroup, failed func(error)) *outbox {
	o := &outbox{conn: c, limit: opts.QueueBytes, timeout: opts.WriteTimeout, failed: failed, running: running}
	o.changed.L = &o.mu
	return o
}

// send queues a frame of op, or of no operation if op is nil, and blocks while there is no room. It
// returns false if the frame will not be written: the outbox was closed or the operation dropped.
// For a large result, send returns once it was written or dropped, and its memory is free. So an
// operation knows how long it uses that memory, even if its client has completed it in the
// meantime.
func (o *outbox) send(op *operation, typ string, id, payload json.RawMessage) bool {
	size := len(id) + len(payload) + frameOverhead
	if !o.enqueue(op, typ, id, payload, size) {
		return false
	}
	if op != nil && op.freed != nil {
		<-op.freed
		op.freed = nil
	}
	return true
}

func (o *outbox) enqueue(op *operation, typ string, id, payload json.RawMessage, size int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.closed && !op.isDropped() && o.queued != nil && len(o.queued.data)+size > o.limit {
		o.changed.Wait()
	}
	if o.closed || op.isDropped() {
		return false
	}
	o.push(op, typ, id, payload)
	if op != nil && size > largeBytes {
		op.freed = o.queued.whenFreed()
	}
	return true
}

// sendNow queues a frame even if there is no room. It does not block.
func (o *outbox) sendNow(typ string, id, payload json.RawMessage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.push(nil, typ, id, payload)
	}
}

// The caller of push must hold the lock.
func (o *outbox) push(op *operation, typ string, id, payload json.RawMessage) {
	if o.queued == nil {
		o.queued = newBatch()
	}
	o.queued.data = appendFrame(o.queued.data, typ, id, payload)
	o.queued.ends = append(o.queued.ends, frameEnd{op, len(o.queued.data)})
	if !o.writing {
		o.writing = true
		o.running.Go(o.write)
	}
}

// write writes until the queue is empty.
func (o *outbox) write() {
	for {
		b := o.take()
		if b == nil {
			return
		}
		var err error
		if len(b.frames) > 0 {
			err = o.conn.Write(b.frames, o.timeout)
		}
		b.free()
		if err != nil {
			o.abandon()
			o.failed(err)
		}
	}
}

// take takes what is queued, without the frames of dropped operations. If the queue is empty it
// returns nil, and clears writing.
func (o *outbox) take() *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.queued
	o.queued = nil
	o.writing = b != nil
	o.changed.Broadcast()
	if b != nil {
		b.cut()
	}
	return b
}

// drop makes sure that no more frames of op are handed to the connection.
func (o *outbox) drop(op *operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op.dropped = true
	o.changed.Broadcast()
}

// discard closes the outbox and drops the queue.
func (o *outbox) discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.empty()
}

// abandon does the same for a connection that cannot be written to any more.
func (o *outbox) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.empty()
	o.broken = true
}

// The caller of empty must hold the lock.
func (o *outbox) empty() {
	o.queued.free()
	o.queued = nil
	o.closed = true
	o.changed.Broadcast()
}

// close closes the outbox. It waits until everything is written, and reports whether it was.
func (o *outbox) close() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.changed.Broadcast()
	for o.writing {
		o.changed.Wait()
	}
	return !o.broken
}

// A batch has the frames of one write.
type batch struct {
	data   []byte
	ends   []frameEnd
	frames [][]byte // parts of data, made by cut
	freed  chan struct{}
}

// whenFreed returns a channel that is closed when the memory of the batch is free.
func (b *batch) whenFreed() chan struct{} {
	if b.freed == nil {
		b.freed = make(chan struct{})
	}
	return b.freed
}

type frameEnd struct {
	op  *operation
	end int // in data
}

// largeBytes is the size from which a result's memory is accounted for.
const largeBytes = 64 << 10

// maxPooledBytes keeps large results out of the pool, which would hold their memory.
const maxPooledBytes = 256 << 10

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch { return batches.Get().(*batch) }

func (b *batch) free() {
	if b == nil {
		return
	}
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
	if cap(b.data) > maxPooledBytes {
		return
	}
	clear(b.ends) // release the operations
	clear(b.frames)
	b.data, b.ends, b.frames = b.data[:0], b.ends[:0], b.frames[:0]
	batches.Put(b)
}

func (b *batch) cut() {
	start := 0
	for _, f := range b.ends {
		if !f.op.isDropped() {
			b.frames = append(b.frames, b.data[start:f.end])
		}
		start = f.end
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
