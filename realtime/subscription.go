package realtime

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/buddychat/buddychat/user"
)

// Subscription delivers the events of one user to one consumer: see [Hub.Subscribe].
type Subscription struct {
	hub    *Hub
	user   user.ID
	start  string
	ready  chan struct{}   // the queue has an event, or the subscription has ended
	ctx    context.Context //nolint:containedctx // its own: it ends with the subscription
	cancel context.CancelFunc

	// Used only by the consumer's goroutine: what is replayed before the queue.
	resume resume

	mu         sync.Mutex
	registered bool     // the dispatcher has it
	from       Position // events up to here come from the replay
	queue      queue
	lag        lagPolicy
	catchingUp bool      // the queue overflowed, and the consumer has not yet caught up by a replay
	overflow   *overflow // where the queue overflowed; nil once the replay from there has begun
	ended      error
}

func newSubscription(h *Hub, u user.ID) *Subscription {
	s := &Subscription{hub: h, user: u, ready: make(chan struct{}, 1), queue: queue{limit: h.opts.Queue}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// errStopped ends a subscription that its consumer closed.
var errStopped = errors.New("subscription closed")

// Start returns the cursor from which the subscription misses nothing: the one that it resumed
// from, or the position at which it began.
func (s *Subscription) Start() string { return s.start }

// Events yields the events one after another, and waits for more. It stops without an error when
// ctx ends or the subscription is closed. Otherwise its last pair has an error: [ErrSlowConsumer],
// [ErrClosed], or [github.com/buddychat/buddychat/storage.ErrCursorExpired] if records were pruned
// before a resume had read them. Queued events are dropped then; subscribe again after the last
// event received to get them. Events may be called again to continue. It is not safe for concurrent
// use.
func (s *Subscription) Events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			e, err := s.next(ctx)
			switch {
			case err == nil:
				if !yield(e, nil) {
					return
				}
			case ctx.Err() != nil, errors.Is(err, errStopped):
				return
			default:
				s.finish(err)
				yield(Event{}, err)
				return
			}
		}
	}
}

// Close ends the subscription and frees what it holds. It may be called again, from any goroutine.
func (s *Subscription) Close() { s.finish(errStopped) }

// next returns the next event: first from the replay, then from the queue.
func (s *Subscription) next(ctx context.Context) (Event, error) {
	for ctx.Err() == nil {
		if err := s.cause(); err != nil {
			return Event{}, err
		}
		if !s.resume.done() {
			e, ok, err := s.replayWhileOpen(ctx)
			if ok || err != nil {
				return e, err
			}
			continue
		}
		if e, ok := s.pop(); ok {
			return e, nil
		}
		if s.resumeOverflow() {
			continue
		}
		select {
		case <-s.ready:
		case <-ctx.Done():
		}
	}
	return Event{}, ctx.Err()
}

// replayWhileOpen calls replayed, and aborts it when the subscription ends.
func (s *Subscription) replayWhileOpen(ctx context.Context) (Event, bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	e, ok, err := s.replayed(ctx)
	if s.resume.done() {
		s.resume = resume{registered: true, checked: true} // free what the replay held
	}
	if ended := s.cause(); err != nil && ended != nil {
		err = ended
	}
	return e, ok, err
}

func (s *Subscription) pop() (Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queue.pop()
}

// push queues all events of a record, and reports true, also if the consumer does not need them. If
// they do not fit it queues none and reports false. It never blocks.
func (s *Subscription) push(p *poll, record int64, events []Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil || record <= s.from.ID {
		return true
	}
	s.lag.beginBatch(p, s.queue.count)
	switch {
	case !s.queue.room(len(events)):
		return false
	case s.catchingUp:
		return true // the replay brings it
	}
	for i := range events {
		e := &events[i]
		if e.position.ID < s.from.ID { // it resumed from another node, which was ahead of this one
			ahead := *e
			ahead.position, ahead.Cursor = s.from, s.from.String()
			e = &ahead
		}
		s.queue.push(e)
	}
	s.lag.queued(p)
	signal(s.ready)
	return true
}

// register marks the subscription as registered: it gets what is dispatched from now on, after the
// position. It reports false if the subscription has ended.
func (s *Subscription) register(from Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return false
	}
	s.registered, s.from, s.catchingUp = true, from, false
	return true
}

// cause returns why the subscription ended, nil if it has not.
func (s *Subscription) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// finish ends the subscription and makes the dispatcher forget it.
func (s *Subscription) finish(cause error) {
	if s.end(cause) {
		s.hub.leave(s)
	}
}

// end ends the subscription, and reports whether the dispatcher must be told.
func (s *Subscription) end(cause error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endLocked(cause)
}

func (s *Subscription) endLocked(cause error) bool {
	if s.ended != nil {
		return false
	}
	s.ended = cause
	s.cancel()
	s.queue.drop()
	signal(s.ready)
	return s.registered
}
