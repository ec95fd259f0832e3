package bunstore

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/buddychat/buddychat/chat"
)

// lanes bring together those who send at the same time: whoever finds a lane empty serves themselves at once, and those who come meanwhile are
// the next batch. So a lone caller waits for nobody, and under load a commit is shared by many.
//
// A batch is served by a goroutine of its own. It belongs to none of them: each may leave when their own
// context ends, and nobody's statement ends for another's sake. What panics there, as a hook of the host's may, panics in all who wait, where their host
// can recover it, and the lane goes on.
type lanes struct {
	mu      sync.Mutex
	waiting map[int64][]*sending // has an entry for each lane that is served
}

// sending is one message on its way.
type sending struct {
	copy  chat.Copy
	draft chat.Draft

	ctx   context.Context
	batch *batch        // nil while it waits, guarded by mu of the lanes
	done  chan struct{} // closed when the batch has been served; its panicked and what follows are then to be read

	message chat.Message
	err     error
	held    int64 // its conversation, where nothing was done because somebody else holds that
	alone   bool  // nothing was done, and it must be done alone
}

// batch is what is served together.
type batch struct {
	sendings []*sending
	ctx      context.Context // ends when nobody waits any more
	cancel   context.CancelFunc
	callers  int // how many wait, guarded by mu of the lanes
	served   bool
	panicked error // why it was not
}

// end answers all who wait. It is deferred.
func (b *batch) end() {
	if !b.served {
		b.panicked = fmt.Errorf("bunstore: a batch of messages panicked: %v\n%s", recover(), debug.Stack())
	}
	b.cancel()
	for _, w := range b.sendings {
		close(w.done)
	}
}

// answered returns when the batch has been served.
func (w *sending) answered() {
	<-w.done
	if err := w.batch.panicked; err != nil {
		panic(err)
	}
}

// maxBatch is the most messages that are served together. Beyond it a message costs hardly less, and the first of them waits longer for the last.
const maxBatch = 64

// pass takes w through a lane and returns when serve has served it. An error is that of ctx, and then w may have been served or not.
func (l *lanes) pass(ctx context.Context, lane int64, w *sending, serve func(context.Context, []*sending)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w.ctx, w.batch, w.done = ctx, nil, make(chan struct{})
	l.mu.Lock()
	if l.waiting == nil {
		l.waiting = map[int64][]*sending{}
	}
	queue, served := l.waiting[lane]
	if !served {
		l.waiting[lane] = nil
		l.mu.Unlock()
		defer l.handOver(lane, serve)
		serve(ctx, []*sending{w})
		return nil
	}
	l.waiting[lane] = append(queue, w)
	l.mu.Unlock()
	select {
	case <-w.done:
		w.answered()
		return nil
	case <-ctx.Done():
		return l.leave(ctx, lane, w)
	}
}

// leave takes w out of its lane. Whoever leaves a batch last waits for its end, which has no purpose any more.
func (l *lanes) leave(ctx context.Context, lane int64, w *sending) error {
	l.mu.Lock()
	last := false
	if w.batch == nil {
		l.waiting[lane] = slices.DeleteFunc(l.waiting[lane], func(other *sending) bool { return other == w })
	} else {
		w.batch.callers--
		last = w.batch.callers == 0
	}
	l.mu.Unlock()
	if last {
		w.batch.cancel()
		w.answered()
		return nil
	}
	return ctx.Err()
}

// handOver lets those who wait in a lane be served, one batch after another, until nobody does.
func (l *lanes) handOver(lane int64, serve func(context.Context, []*sending)) {
	b := l.next(lane)
	if b == nil {
		return
	}
	go func() {
		defer l.handOver(lane, serve)
		defer b.end()
		serve(b.ctx, b.sendings)
		b.served = true
	}()
}

// next takes the next batch out of a lane; nil, and the lane is closed, where nobody waits.
func (l *lanes) next(lane int64) *batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	queue := l.waiting[lane]
	n := min(len(queue), maxBatch)
	if n == 0 {
		delete(l.waiting, lane)
		return nil
	}
	b := &batch{sendings: slices.Clone(queue[:n]), callers: n}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(queue[0].ctx)) // with the values of the one who came first
	for _, w := range b.sendings {
		w.batch = b
	}
	l.waiting[lane] = slices.Delete(queue, 0, n)
	return b
}
