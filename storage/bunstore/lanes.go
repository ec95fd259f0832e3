package bunstore

import (
	"context"
	"slices"
	"sync"

	"github.com/buddychat/buddychat/chat"
)

// lanes bring together those who send at the same time: whoever finds a lane empty serves themselves at once, and those who come meanwhile are
// the next batch. So a lone caller waits for nobody, and under load a commit is shared by many.
//
// A batch is served by a goroutine that lives only while somebody waits in the lane. It belongs to none of them: each may leave when their own
// context ends, and nobody's statement ends for another's sake.
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
	done  chan struct{} // closed when the batch has been served; what follows is then to be read

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
		<-w.done
		return nil
	}
	return ctx.Err()
}

// handOver lets those who wait in a lane be served, one batch after another, until nobody does.
func (l *lanes) handOver(lane int64, serve func(context.Context, []*sending)) {
	first := l.next(lane)
	if first == nil {
		return
	}
	go func() {
		for b := first; b != nil; b = l.next(lane) {
			serve(b.ctx, b.sendings)
			b.cancel()
			for _, w := range b.sendings {
				close(w.done)
			}
		}
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
