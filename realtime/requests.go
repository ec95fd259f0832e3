package realtime

import (
	"context"
	"time"
)

// requests are pending calls to the dispatcher. Each stays until it is answered or withdrawn, so
// that nothing piles up while the database is down.
type requests struct {
	// begun is the number of the last poll that began, answered of the last that succeeded, and
	// safe its result. polled is closed at the next success; it is nil while no caller waits.
	begun, answered uint64
	safe            Position
	polled          chan struct{}

	arrivals map[*arrival]struct{}
	leaving  []*Subscription
}

// nextPoll waits for a poll that begins after the call, and returns its Safe.
func (h *Hub) nextPoll(ctx context.Context) (Position, error) {
	idle, stop := h.notRunning()
	defer stop()
	h.mu.Lock()
	wanted := h.requests.begun + 1
	h.mu.Unlock()
	for {
		h.mu.Lock()
		r := &h.requests
		if r.answered >= wanted {
			defer h.mu.Unlock()
			return r.safe, nil
		}
		if r.polled == nil {
			r.polled = make(chan struct{})
		}
		polled := r.polled
		h.mu.Unlock()

		signal(h.asked)
		select {
		case <-polled:
		case <-ctx.Done():
			return Position{}, ctx.Err()
		case <-h.done:
			return Position{}, ErrClosed
		case <-idle:
			return Position{}, ErrNotRunning
		}
	}
}

// arrive waits until the dispatcher has answered.
func (h *Hub) arrive(ctx context.Context, a *arrival) (welcome, error) {
	idle, stop := h.notRunning()
	defer stop()
	h.mu.Lock()
	h.requests.arrivals[a] = struct{}{}
	h.mu.Unlock()
	signal(h.asked)
	var err error
	select {
	case w := <-a.answer:
		return w, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-h.done:
		err = ErrClosed
	case <-idle:
		err = ErrNotRunning
	}
	if h.claim(a) {
		return welcome{}, err
	}
	return <-a.answer, nil // too late to withdraw
}

// notRunning returns a channel that is closed when startGrace has passed and Run was not called.
// Once Run was called, the channel is nil, which costs nothing. stop must be called.
func (h *Hub) notRunning() (idle <-chan struct{}, stop func()) {
	select {
	case <-h.running:
		return nil, func() {}
	default:
	}
	late := make(chan struct{})
	timer := time.AfterFunc(startGrace, func() {
		select {
		case <-h.running:
		default:
			close(late)
		}
	})
	return late, func() { timer.Stop() }
}

// claim takes an arrival out of the requests. The caller that gets true decides its result: the
// dispatcher answers it, or the subscriber withdraws it.
func (h *Hub) claim(a *arrival) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, waiting := h.requests.arrivals[a]
	delete(h.requests.arrivals, a)
	return waiting
}

// leave tells the dispatcher that a registered subscription has ended.
func (h *Hub) leave(s *Subscription) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		h.requests.leaving = append(h.requests.leaving, s)
	}
}

// A turn has the requests that were made before a poll.
type turn struct {
	number   uint64
	arrivals []*arrival
	leaving  []*Subscription
}

// maxArrivals caps the subscriptions that are registered at a time: their memberships are loaded in
// one query while deliveries wait.
const maxArrivals = 500

// turn begins a poll. Its arrivals can still be withdrawn.
func (h *Hub) turn() turn {
	clearSignal(h.hinted)
	clearSignal(h.asked)
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &h.requests
	r.begun++
	t := turn{number: r.begun, leaving: r.leaving}
	r.leaving = nil
	for a := range r.arrivals {
		if len(t.arrivals) == maxArrivals {
			signal(h.asked)
			break
		}
		t.arrivals = append(t.arrivals, a)
	}
	return t
}

// pollDone answers the callers who wait for a poll.
func (h *Hub) pollDone(number uint64, safe Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &h.requests
	r.answered, r.safe = number, safe
	if r.polled != nil {
		close(r.polled)
		r.polled = nil
	}
}

// signal sets a flag, which any goroutine may set and one waits for.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func clearSignal(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}
