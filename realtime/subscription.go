package realtime

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/buddychat/buddychat/user"
)

// Subscription is the events of one user, for one consumer: see [Hub.Subscribe].
type Subscription struct {
	hub    *Hub
	user   user.ID
	start  string
	ready  chan struct{}   // there is an event in the queue, or an end
	ctx    context.Context //nolint:containedctx // its own: it ends with the subscription
	cancel context.CancelFunc

	// The consumer's alone: what is to be replayed before the queue.
	resume resume

	mu       sync.Mutex
	in       bool     // the dispatcher knows it
	from     Position // events up to here are the replay's
	queue    queue
	pace     pace
	behind   bool      // the queue overflowed, and what did not fit is not made up for yet
	overflow *overflow // where it did, until the queue is empty
	ended    error
}

func newSubscription(h *Hub, u user.ID) *Subscription {
	s := &Subscription{hub: h, user: u, ready: make(chan struct{}, 1), queue: queue{limit: h.opts.Queue}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// errStopped is the end that the consumer wished for.
var errStopped = errors.New("subscription closed")

// Start returns the cursor from which on the subscription misses nothing: the one that it resumes from, else that of its beginning.
func (s *Subscription) Start() string { return s.start }

// Events returns the events, one after another, and waits for more. It ends without an error when ctx ends or the subscription is closed. Else
// its last pair has one: [ErrSlowConsumer], [ErrClosed], or
// [github.com/buddychat/buddychat/storage.ErrCursorExpired] where the retention overtook a resume; the events that were queued are
// dropped then, and whoever subscribes again behind the last one received gets them. It may be called again, to go
// on, and is for one goroutine at a time.
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

// Close ends the subscription and lets go of what it holds. It may be called again, and from any goroutine.
func (s *Subscription) Close() { s.finish(errStopped) }

// next returns the next event: first of the replay, then of the queue.
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

// replayWhileOpen is replayed until the subscription ends.
func (s *Subscription) replayWhileOpen(ctx context.Context) (Event, bool, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	e, ok, err := s.replayed(ctx)
	if s.resume.done() {
		s.resume = resume{in: true, checked: true} // not to hold what it needed
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

// push queues the events of a record, all or, where there is no room for them, none, and reports which. It never blocks.
func (s *Subscription) push(l *look, record int64, events []Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil || record <= s.from.ID {
		return true
	}
	s.pace.note(l, s.queue.count)
	switch {
	case !s.queue.room(len(events)):
		return false
	case s.behind:
		return true // the resume brings it
	}
	for i := range events {
		e := &events[i]
		if e.position.ID < s.from.ID { // on another node it was further already
			ahead := *e
			ahead.position, ahead.Cursor = s.from, s.from.String()
			e = &ahead
		}
		s.queue.push(e)
	}
	s.pace.queued(l)
	signal(s.ready)
	return true
}

// takenIn tells the subscription that it gets what is dispatched from now on, behind the position. It reports false where it has ended.
func (s *Subscription) takenIn(from Position) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return false
	}
	s.in, s.from, s.behind = true, from, false
	return true
}

// cause returns why the subscription ended, nil while it lasts.
func (s *Subscription) cause() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// finish ends the subscription and has the dispatcher forget it.
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
	return s.in
}
