package bunstore

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"github.com/buddychat/buddychat/chat"
)

// groupCommit lets concurrent senders share a transaction. A caller that finds a queue idle serves
// itself at once. Callers that arrive meanwhile form the next batch. So a lone caller never waits,
// and under load many messages share one commit.
//
// A separate goroutine serves each batch. A caller can leave when its own context ends, and that
// cancels no statement of the others. A panic in the batch is re-raised in every waiting caller,
// where the host can recover it. The queue goes on.
type groupCommit struct {
	mu      sync.Mutex
	waiting map[int64][]*pendingSend // has an entry for each queue that is being served
}

// pendingSend is one message on its way.
type pendingSend struct {
	copy  chat.Copy
	draft chat.Draft

	ctx   context.Context
	batch *batch // nil while it waits; guarded by groupCommit.mu
	// Closed when the batch has been served. Only then may batch.panicked and the fields below be
	// read.
	done chan struct{}

	message chat.Message
	err     error
	// If not 0, the message was not sent, because another transaction holds the lock on this
	// conversation.
	lockedConversation int64
	alone              bool // the message was not sent and needs a transaction of its own
}

// batch is the messages that are served together.
type batch struct {
	sends    []*pendingSend
	ctx      context.Context // ends when no caller waits any more
	cancel   context.CancelFunc
	callers  int // how many callers wait; guarded by groupCommit.mu
	served   bool
	panicked error // set if served is false
}

// finish wakes all waiting callers. It must be deferred.
func (b *batch) finish() {
	if !b.served {
		b.panicked = fmt.Errorf("bunstore: a batch of messages panicked: %v\n%s", recover(), debug.Stack())
	}
	b.cancel()
	for _, p := range b.sends {
		close(p.done)
	}
}

// wait returns when the batch has been served. It re-raises the batch's panic.
func (p *pendingSend) wait() {
	<-p.done
	if err := p.batch.panicked; err != nil {
		panic(err)
	}
}

// maxBatch is how many messages a batch can have. Larger batches make a message hardly cheaper, and
// the first message waits longer for the last.
const maxBatch = 64

// do serves p in the given queue and returns when serve has returned. It returns an error only if
// ctx ends. In that case p may have been served or not.
func (g *groupCommit) do(ctx context.Context, queue int64, p *pendingSend, serve func(context.Context, []*pendingSend)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.ctx, p.batch, p.done = ctx, nil, make(chan struct{})
	g.mu.Lock()
	if g.waiting == nil {
		g.waiting = map[int64][]*pendingSend{}
	}
	waiting, served := g.waiting[queue]
	if !served {
		g.waiting[queue] = nil
		g.mu.Unlock()
		defer g.serveNext(queue, serve)
		serve(ctx, []*pendingSend{p})
		return nil
	}
	g.waiting[queue] = append(waiting, p)
	g.mu.Unlock()
	select {
	case <-p.done:
		p.wait()
		return nil
	case <-ctx.Done():
		return g.leave(ctx, queue, p)
	}
}

// leave removes p from its queue. If it was the last caller of a batch, it cancels the batch and
// waits for its end.
func (g *groupCommit) leave(ctx context.Context, queue int64, p *pendingSend) error {
	g.mu.Lock()
	last := false
	if p.batch == nil {
		g.waiting[queue] = slices.DeleteFunc(g.waiting[queue], func(other *pendingSend) bool { return other == p })
	} else {
		p.batch.callers--
		last = p.batch.callers == 0
	}
	g.mu.Unlock()
	if last {
		p.batch.cancel()
		p.wait()
		return nil
	}
	return ctx.Err()
}

// serveNext serves the waiting callers of a queue, one batch after another, until none is left.
func (g *groupCommit) serveNext(queue int64, serve func(context.Context, []*pendingSend)) {
	b := g.nextBatch(queue)
	if b == nil {
		return
	}
	go func() {
		defer g.serveNext(queue, serve)
		defer b.finish()
		serve(b.ctx, b.sends)
		b.served = true
	}()
}

// nextBatch removes the next batch from a queue. If no caller waits, it closes the queue and
// returns nil.
func (g *groupCommit) nextBatch(queue int64) *batch {
	g.mu.Lock()
	defer g.mu.Unlock()
	waiting := g.waiting[queue]
	n := min(len(waiting), maxBatch)
	if n == 0 {
		delete(g.waiting, queue)
		return nil
	}
	b := &batch{sends: slices.Clone(waiting[:n]), callers: n}
	// The batch has the context values of its first caller.
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(waiting[0].ctx))
	for _, p := range b.sends {
		p.batch = b
	}
	g.waiting[queue] = slices.Delete(waiting, 0, n)
	return b
}
