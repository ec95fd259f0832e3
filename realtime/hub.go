package realtime

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/buddychat/buddychat/user"
)

var (
	// ErrSlowConsumer ends a subscription whose queue is full. Nothing is lost: subscribe again
	// after the cursor of the last event received.
	ErrSlowConsumer = errors.New("slow consumer")
	// ErrClosed says that the hub has ended. Subscribe again, on another node, after the cursor of
	// the last event received.
	ErrClosed = errors.New("hub closed")
	// ErrNotRunning says that no events are delivered because Run was never called. Call App.Run of
	// the application, or [Hub.Run] of a hub without an application.
	ErrNotRunning = errors.New("realtime: the hub is not running: call App.Run, which delivers events for as long as it runs")
)

// startGrace is how long a call waits for a Run that is about to start: after `go app.Run(ctx)`, a
// subscription may come first.
const startGrace = 500 * time.Millisecond

// Options configures a [Hub]. The zero value is valid and suits most applications.
type Options struct {
	// Poll is the longest time between two polls of the log: hints may get lost. 0 is one second.
	Poll time.Duration
	// Queue is how many events a subscription queues for a lagging consumer before it ends with
	// [ErrSlowConsumer]. 0 is 256. If the hub itself was late, as after an outage, more events at
	// once do not count against the consumer: it gets the queued ones, and the rest by a replay.
	Queue int
	// Window is how many of the newest records stay in memory, so that a client that reconnects
	// soon needs no replay from the database. 0 is 4096. More are kept while a transaction that
	// began before them is open.
	Window int
	// Bus carries hints from other nodes on the same database, so that their events are delivered
	// sooner than with the next poll. Nil is [NoBus].
	Bus Bus
	// Logger gets outages of the log, once each. Nil logs nothing.
	Logger *slog.Logger
}

// Hub tracks the users who are online on this node, follows the log, and gives each user the events
// that they may see, in commit order within each conversation. Every method is safe for concurrent
// use.
//
// While the database is down, nothing ends: subscriptions stay, calls wait, and delivery continues
// where it stopped.
//
// [Hub.Position] and [Hub.Subscribe] need a running [Hub.Run]. If it was not called they wait half
// a second for it, since it may be starting in another goroutine, and then return [ErrNotRunning].
type Hub struct {
	log  Log
	opts Options

	hinted  chan struct{} // there may be new records
	asked   chan struct{} // there are requests
	replays chan struct{} // a slot for each replay that may query the database at the same time
	running chan struct{} // closed when Run begins
	done    chan struct{} // closed when the hub has ended

	chunkSize, pageSize int // records handled at a time, live and in a replay

	mu       sync.Mutex
	cancel   context.CancelFunc // ends Run; nil before it
	ended    bool
	requests requests
	watches  map[user.ID]map[*watch]struct{}
	warned   time.Time // when an outage of the replays was last logged
}

// NewHub returns a hub over a store's log. It is idle until [Hub.Run] is called.
func NewHub(log Log, opts *Options) *Hub {
	h := &Hub{
		log:      log,
		hinted:   make(chan struct{}, 1),
		asked:    make(chan struct{}, 1),
		replays:  make(chan struct{}, maxReplays),
		running:  make(chan struct{}),
		done:     make(chan struct{}),
		requests: requests{arrivals: map[*arrival]struct{}{}},
		watches:  map[user.ID]map[*watch]struct{}{},

		chunkSize: 512,
		pageSize:  256,
	}
	if opts != nil {
		h.opts = *opts
	}
	if h.opts.Poll <= 0 {
		h.opts.Poll = time.Second
	}
	if h.opts.Queue <= 0 {
		h.opts.Queue = 256
	}
	if h.opts.Window <= 0 {
		h.opts.Window = 4096
	}
	if h.opts.Bus == nil {
		h.opts.Bus = NoBus{}
	}
	if h.opts.Logger == nil {
		h.opts.Logger = slog.New(slog.DiscardHandler)
	}
	return h
}

// Run follows the log until ctx ends or [Hub.Shutdown] is called, and then returns nil. All
// subscriptions end with [ErrClosed]. If Shutdown was called first, Run returns nil at once. A hub
// runs once: a second call while it runs is an error, and one after its end returns [ErrClosed].
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if begun, err := h.begin(cancel); !begun {
		return err
	}
	defer h.end()
	defer h.log.OnCommit(h.committed)()
	var carrying sync.WaitGroup
	carrying.Go(func() { h.runBus(ctx) })
	defer carrying.Wait()
	defer cancel()
	d := newDispatcher(h)
	defer d.close()
	d.run(ctx)
	return nil
}

func (h *Hub) begin(cancel context.CancelFunc) (begun bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.ended && h.cancel != nil:
		return false, ErrClosed
	case h.ended:
		return false, nil
	case h.cancel != nil:
		return false, errors.New("realtime: the hub is already running: call Run once")
	}
	h.cancel = cancel
	close(h.running)
	return true, nil
}

func (h *Hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.ended {
		h.ended = true
		close(h.done)
	}
}

// Shutdown ends [Hub.Run] and waits until it has returned. If ctx ends first it returns the error
// of ctx. A hub that was shut down before it ran cannot run: its Run returns nil at once. Shutdown
// may be called several times and concurrently.
func (h *Hub) Shutdown(ctx context.Context) error {
	h.mu.Lock()
	switch {
	case h.cancel != nil:
		h.cancel()
	case !h.ended:
		h.ended = true
		close(h.done)
	}
	h.mu.Unlock()
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Hint tells this node and the others that the log may have new records. It never blocks, and many
// hints cost little more than one. The hub learns of commits through its own [Log] by itself. Hint
// is for all other commits, such as a transaction that the application ran.
func (h *Hub) Hint() { h.committed(nil) }

// Position returns the current cursor. A client that reads its data afterwards, and then subscribes
// after the cursor, misses nothing. It costs one poll of the log, which all concurrent callers
// share. The errors are [ErrNotRunning], [ErrClosed] and that of ctx.
func (h *Hub) Position(ctx context.Context) (string, error) {
	p, err := h.nextPoll(ctx)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// Subscribe returns the events of a user: if after is "", all that are committed after the call,
// else all after that cursor. ctx bounds the call only; the subscription lasts until it is closed.
// An expired or malformed cursor is [github.com/buddychat/buddychat/storage.ErrCursorExpired]. The
// other errors are [ErrNotRunning], [ErrClosed] and that of ctx.
func (h *Hub) Subscribe(ctx context.Context, u user.ID, after string) (*Subscription, error) {
	s := newSubscription(h, u)
	if err := s.begin(ctx, after); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// WatchSession returns a channel that is closed when the log says that this session of the user
// ended, or that all of the user's sessions did. Start to watch before asking the store whether the
// session exists, so that no end is missed. Ends are noticed from the hub's first poll on; wait for
// it with [Hub.Position]. Call stop to end the watch; it may be called again. The channel is not
// closed when the hub ends.
func (h *Hub) WatchSession(u user.ID, session string) (ended <-chan struct{}, stop func()) {
	w := &watch{session: session, ended: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watches[u] == nil {
		h.watches[u] = map[*watch]struct{}{}
		h.opts.Bus.Follow(Stream{User: u})
	}
	h.watches[u][w] = struct{}{}
	return w.ended, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.unwatch(u, w)
	}
}

type watch struct {
	session string
	ended   chan struct{}
}

func (h *Hub) unwatch(u user.ID, w *watch) {
	if _, open := h.watches[u][w]; !open {
		return
	}
	delete(h.watches[u], w)
	if len(h.watches[u]) == 0 {
		delete(h.watches, u)
		h.opts.Bus.Unfollow(Stream{User: u})
	}
}

// endWatches closes all watches. Once the log is lost, no watch can know whether its session ended.
func (h *Hub) endWatches() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for u, watches := range h.watches {
		for w := range watches {
			close(w.ended)
			h.unwatch(u, w)
		}
	}
}

// sessionEnded closes the watches of the session that the record ends.
func (h *Hub) sessionEnded(r Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watches[r.Recipient] {
		if r.Session == "" || r.Session == w.session {
			close(w.ended)
			h.unwatch(r.Recipient, w)
		}
	}
}
