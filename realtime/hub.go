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
	// ErrSlowConsumer ends a subscription whose queue is full. Nothing is lost: subscribe again behind the cursor of the last
	// event that was received.
	ErrSlowConsumer = errors.New("slow consumer")
	// ErrClosed says that the hub has ended. Subscribe again, on another node, behind the cursor of the last event that was received.
	ErrClosed = errors.New("hub closed")
	// ErrNotRunning says that nothing delivers events, because Run was never called. Call App.Run of
	// the application, or [Hub.Run] of a hub that stands alone.
	ErrNotRunning = errors.New("realtime: the hub is not running: call App.Run, which delivers events for as long as it runs")
)

// startGrace is how long a call waits for a Run that is about to begin. In `go app.Run(ctx)`, followed
// by a subscription, the subscription may come first.
const startGrace = 500 * time.Millisecond

// Options of a [Hub]. The zero value is what most use.
type Options struct {
	// Poll is how long the hub waits at most before it looks into the log, for hints may get lost. 0 is a second.
	Poll time.Duration
	// Queue is how many events a subscription holds for a consumer that is behind, before it ends with [ErrSlowConsumer]. 0 is 256. Where the
	// hub itself was late, as after an outage, and finds more at once, that is nobody's fault: the consumer gets what is in the queue, and the rest by a replay.
	Queue int
	// Window is how many of the newest records are kept in memory, so that whoever comes back soon needs no replay
	// from the database. 0 is 4096. More are kept while a transaction that began before them is open.
	Window int
	// Bus brings word from other nodes on the same database that there is something new, so that it is delivered sooner than with the next
	// poll. Nil is [Alone].
	Bus Bus
	// Logger is told of outages of the log, once each. Nil is silence.
	Logger *slog.Logger
}

// Hub knows who is online on this node, follows the log, and gives each of them the events that they may see, in the
// order of their commit within each conversation. Every method is safe for concurrent use.
//
// While the database is away nothing ends: subscriptions stay, calls wait, and delivery goes on where it was.
//
// [Hub.Position] and [Hub.Subscribe] answer only while [Hub.Run] runs. Where it was not called they wait
// half a second for it, since it may be starting in another goroutine, and then return [ErrNotRunning].
type Hub struct {
	log  Log
	opts Options

	hinted  chan struct{} // there may be news
	asked   chan struct{} // there are requests
	replays chan struct{} // a place for each replay that may ask the database at the same time
	running chan struct{} // closed when Run begins
	done    chan struct{} // closed when the hub has ended

	chunkSize, pageSize int // records handled at a time: live, and in a replay

	mu       sync.Mutex
	cancel   context.CancelFunc // ends Run; nil before it
	ended    bool
	requests requests
	watches  map[user.ID]map[*watch]struct{}
	warned   time.Time // when an outage of the replays was last logged
}

// NewHub returns a hub over a store's log. It does nothing before [Hub.Run].
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
		h.opts.Bus = Alone{}
	}
	if h.opts.Logger == nil {
		h.opts.Logger = slog.New(slog.DiscardHandler)
	}
	return h
}

// Run follows the log until ctx ends or [Hub.Shutdown] is called, and returns nil then. All subscriptions end with [ErrClosed].
// A Run that Shutdown was faster than returns nil at once. A hub runs once: a second call while it runs
// is an error, and one after its end [ErrClosed].
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if begun, err := h.begin(cancel); !begun {
		return err
	}
	defer h.end()
	defer h.log.OnCommit(h.committed)()
	var carrying sync.WaitGroup
	carrying.Go(func() { h.carry(ctx) })
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
		return false, errors.New("realtime: the hub is running already")
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

// Shutdown ends [Hub.Run] and waits for its return, or for the end of ctx, whose error it returns then. A hub that did not
// run yet can not be run afterwards: its Run returns nil at once. Shutdown may be called again, and by
// several goroutines.
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

// Hint says, here and to the other nodes, that there may be something new in the log. It never blocks, and many hints cost little more than
// one. What is committed through its own [Log] the hub learns by itself; this is for the rest, as what was done in a transaction of the host's.
func (h *Hub) Hint() { h.committed(nil) }

// Position returns the cursor of now: whoever reads the data afterwards, and then subscribes behind it, misses nothing. It costs a look
// into the log, which all who ask at the same time share. The errors are [ErrNotRunning], [ErrClosed] and
// that of ctx.
func (h *Hub) Position(ctx context.Context) (string, error) {
	p, err := h.nextPoll(ctx)
	if err != nil {
		return "", err
	}
	return p.String(), nil
}

// Subscribe returns the events of a user: with after "" all that are committed after the call, with a cursor all behind that. The ctx
// is that of the call; the subscription lasts until it is closed. What has expired, or is no cursor, is
// [github.com/buddychat/buddychat/storage.ErrCursorExpired]; the other errors are [ErrNotRunning], [ErrClosed]
// and that of ctx.
func (h *Hub) Subscribe(ctx context.Context, u user.ID, after string) (*Subscription, error) {
	s := newSubscription(h, u)
	if err := s.begin(ctx, after); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// WatchSession returns a channel that is closed when the log says that this session of the user ended, or that all of them did. Begin to
// watch before asking the store whether the session is still there, so that no end falls between. Ends are noticed from the hub's first
// look into the log on; wait for it with [Hub.Position]. stop ends the watch; it must be called, and may be called again. The
// end of the hub closes nothing.
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
	if _, there := h.watches[u][w]; !there {
		return
	}
	delete(h.watches[u], w)
	if len(h.watches[u]) == 0 {
		delete(h.watches, u)
		h.opts.Bus.Unfollow(Stream{User: u})
	}
}

// endWatches closes all watches, when it is not known any more what they watch.
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

// sessionEnded closes the watches that the record is about.
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
