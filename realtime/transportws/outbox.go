package transportws

import (
	"encoding/json"
	"errors"
	"os"
	"sync"
	"time"
)

// An outbox writes frames to a connection, in the order in which they are sent. What is sent while a write
// is under way goes out together in the next one. There is a goroutine only while there is something to write.
type outbox struct {
	conn    conn
	limit   int // bytes
	timeout time.Duration
	failed  func(error) // called once, when a write has failed
	running *sync.WaitGroup

	mu      sync.Mutex
	changed sync.Cond // on mu: room was made, or something below has changed
	queued  *batch    // nil when there is nothing
	writing bool
	closed  bool // to what operations send
	broken  bool // nothing can be written any more
}

func newOutbox(c conn, opts *Options, running *sync.WaitGroup, failed func(error)) *outbox {
	o := &outbox{conn: c, limit: opts.QueueBytes, timeout: opts.WriteTimeout, failed: failed, running: running}
	o.changed.L = &o.mu
	return o
}

// send queues a frame of op, or of no operation in particular, and blocks while there is no room. It reports false
// when the frame is not to be written, for the outbox was closed or the operation dropped. A large
// result is out of memory when send returns: written, or given up. So an operation knows how long it holds
// the memory of one, also where its client has completed it meanwhile.
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

// sendNow queues a frame whether there is room or not, and does not block.
func (o *outbox) sendNow(typ string, id, payload json.RawMessage) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.push(nil, typ, id, payload)
	}
}

// push is called under the lock.
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

// write writes until nothing is left.
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

// take takes what is queued, without the frames of operations that were dropped meanwhile. When there is nothing
// it returns nil, and writing has ended.
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

// drop makes sure that nothing more of op is handed to the connection.
func (o *outbox) drop(op *operation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	op.dropped = true
	o.changed.Broadcast()
}

// discard closes the outbox to operations and forgets what is queued.
func (o *outbox) discard() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.empty()
}

// abandon is discard for a connection to which nothing can be written any more.
func (o *outbox) abandon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.empty()
	o.broken = true
}

// empty is called under the lock.
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

// A batch is what goes out in one write.
type batch struct {
	data   []byte
	ends   []frameEnd
	frames [][]byte // parts of data, made by cut
	freed  chan struct{}
}

// whenFreed returns a channel that is closed when the batch is out of memory.
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

// largeBytes is what a result has that is worth accounting for.
const largeBytes = 64 << 10

// maxPooledBytes keeps a large result from staying in memory for good.
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
	clear(b.ends) // lets go of the operations
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
