// Package natsbus carries the hints between nodes on NATS.
//
//	conn, err := nats.Connect("nats://nats.example.com")
//	…
//	app, err := buddychat.New(db, &buddychat.Options{
//		Tokens:   token.Options{Keys: keys},
//		Realtime: realtime.Options{Bus: natsbus.New(conn, nil)},
//	})
//
// Each stream has its own subject, and a node subscribes only to those that its own online
// users need: other hints do not wake it. NATS stores nothing, and the messages carry nothing
// but the fact that something changed. JetStream is not used. While NATS is down, delivery
// continues by the polls of the hub.
package natsbus

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/buddychat/buddychat/realtime"
)

// DefaultSubject is the default prefix of all subjects.
const DefaultSubject = "buddychat"

// Options configures a [Bus]. Its zero value, and nil, are valid.
type Options struct {
	// Subject is the prefix of all subjects; "" is [DefaultSubject]. Applications that share a NATS
	// server, but not their database, need different prefixes.
	Subject string
}

const (
	// How many hints may wait for the hub. More are dropped: the hub is about to poll anyway.
	maxHints = 8192
	// How many changed streams may wait to be published. If there are more, the bus tells every
	// node that any stream may have changed.
	maxChanged = 4096
	// How long the server may take to confirm a subscription.
	flushTimeout = 2 * time.Second
)

// Bus is a [realtime.Bus] on a connection to NATS.
type Bus struct {
	conn *nats.Conn
	base string
	node string // the content of this node's hints, so that it ignores its own

	wake chan struct{} // current is something to publish, or a subscription to change

	mu       sync.Mutex
	changed  map[realtime.Stream]struct{} // to be published; the zero stream stands for all
	follows  map[realtime.Stream]int      // how often each stream is followed
	toSettle map[realtime.Stream]struct{} // streams whose subscription may have to begin or end
}

var _ realtime.Bus = (*Bus)(nil)

// New returns a bus on a connection, which the caller keeps owning: the bus neither closes nor
// drains it. With nats.MaxReconnects(-1) it reconnects whenever NATS is back.
func New(conn *nats.Conn, o *Options) *Bus {
	b := &Bus{
		conn: conn, base: DefaultSubject, node: rand.Text(), wake: make(chan struct{}, 1),
		changed: map[realtime.Stream]struct{}{}, follows: map[realtime.Stream]int{}, toSettle: map[realtime.Stream]struct{}{},
	}
	if o != nil && o.Subject != "" {
		b.base = o.Subject
	}
	return b
}

// Tell implements [realtime.Bus].
func (b *Bus) Tell(changed ...realtime.Stream) {
	if len(changed) == 0 {
		changed = []realtime.Stream{{}}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range changed {
		b.changed[s] = struct{}{}
	}
	if len(b.changed) > maxChanged {
		b.changed = map[realtime.Stream]struct{}{{}: {}}
	}
	b.signal()
}

// Follow implements [realtime.Bus].
func (b *Bus) Follow(s realtime.Stream) { b.count(s, 1) }

// Unfollow implements [realtime.Bus].
func (b *Bus) Unfollow(s realtime.Stream) { b.count(s, -1) }

func (b *Bus) count(s realtime.Stream, by int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.follows[s] += by
	if n := b.follows[s]; n == 0 || n == 1 && by > 0 {
		b.toSettle[s] = struct{}{}
		b.signal()
	}
	if b.follows[s] == 0 {
		delete(b.follows, s)
	}
}

func (b *Bus) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Run implements [realtime.Bus].
func (b *Bus) Run(ctx context.Context, heard func()) error {
	r := &run{Bus: b, ctx: ctx, heard: heard, hints: make(chan *nats.Msg, maxHints), subscriptions: map[realtime.Stream]*nats.Subscription{}}
	defer r.end()
	b.mu.Lock()
	for s := range b.follows {
		b.toSettle[s] = struct{}{}
	}
	b.toSettle[realtime.Stream{}] = struct{}{}
	b.mu.Unlock()
	if err := r.flush(); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case hint := <-r.hints:
			if string(hint.Data) != b.node {
				heard()
			}
		case <-b.wake:
			if err := r.flush(); err != nil {
				return err
			}
		}
	}
}

// A run has the state of one call of [Bus.Run].
type run struct {
	*Bus
	ctx           context.Context //nolint:containedctx // the context of the Run call
	heard         func()
	hints         chan *nats.Msg
	subscriptions map[realtime.Stream]*nats.Subscription
}

// flush publishes the pending hints, and begins and ends subscriptions until they match the
// followed streams.
func (r *run) flush() error {
	r.mu.Lock()
	changed, toSettle := r.changed, r.toSettle
	r.changed, r.toSettle = map[realtime.Stream]struct{}{}, map[realtime.Stream]struct{}{}
	wanted := make(map[realtime.Stream]bool, len(toSettle))
	for s := range toSettle {
		wanted[s] = s == realtime.Stream{} || r.follows[s] > 0
	}
	r.mu.Unlock()

	for s := range changed {
		if err := r.conn.Publish(r.subject(s), []byte(r.node)); err != nil {
			return fmt.Errorf("natsbus: %w", err)
		}
	}
	began := false
	for s, want := range wanted {
		fresh, err := r.subscribe(s, want)
		if err != nil {
			return fmt.Errorf("natsbus: %w", err)
		}
		began = began || fresh
	}
	if !began {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.ctx, flushTimeout)
	defer cancel()
	if err := r.conn.FlushWithContext(ctx); err != nil && r.ctx.Err() == nil {
		return fmt.Errorf("natsbus: %w", err)
	}
	r.heard() // for hints sent before the server had the subscriptions
	return nil
}

// subscribe begins or ends the subscription to a stream, and reports whether it began one.
func (r *run) subscribe(s realtime.Stream, want bool) (began bool, err error) {
	current := r.subscriptions[s]
	switch {
	case want && current == nil:
		if r.subscriptions[s], err = r.conn.ChanSubscribe(r.subject(s), r.hints); err != nil {
			delete(r.subscriptions, s)
		}
		return err == nil, err
	case !want && current != nil:
		delete(r.subscriptions, s)
		return false, current.Unsubscribe()
	}
	return false, nil
}

// end ends all subscriptions. The bus remembers the followed streams, and the next run subscribes
// again.
func (r *run) end() {
	for _, s := range r.subscriptions {
		_ = s.Unsubscribe() // the connection may be closed
	}
}

// subject returns the subject of a stream; the zero stream stands for all.
func (b *Bus) subject(s realtime.Stream) string {
	switch {
	case s.Conversation != 0:
		return b.base + ".conversation." + strconv.FormatInt(s.Conversation, 10)
	case s.User != "":
		// A user id of the application may contain any character.
		return b.base + ".user." + base64.RawURLEncoding.EncodeToString([]byte(s.User))
	default:
		return b.base + ".all"
	}
}
