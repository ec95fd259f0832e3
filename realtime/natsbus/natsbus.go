// Package natsbus carries the hints between nodes on NATS.
//
//	conn, err := nats.Connect("nats://nats.example.com")
//	…
//	app, err := buddychat.New(db, &buddychat.Options{
//		Tokens:   token.Options{Keys: keys},
//		Realtime: realtime.Options{Bus: natsbus.New(conn, nil)},
//	})
//
// Each stream has a subject of its own, and a node subscribes to those that it has somebody for: it is not woken by what others talk about.
// Nothing is kept in NATS, and nothing but the fact that there is news goes through it; JetStream is not used. While NATS is away, delivery goes on
// by the polls of the hub.
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

// DefaultSubject is what the subjects begin with unless the host sets another beginning.
const DefaultSubject = "buddychat"

// Options has what can be set. Its zero value, and nil, are valid.
type Options struct {
	// Subject begins all subjects; "" is [DefaultSubject]. Applications that share a NATS server, and not their database, need one each.
	Subject string
}

const (
	// How many hints may wait for the hub. What is more is dropped, for the hub is about to look anyway.
	waiting = 8192
	// How many streams may wait to be told. Where there are more, every node is told that there is news.
	maxNews = 4096
	// How long the server may take to say that it has a subscription.
	flushTimeout = 2 * time.Second
)

// Bus is a [realtime.Bus] on a connection to NATS.
type Bus struct {
	conn *nats.Conn
	base string
	node string // what hints of this node carry, so that it does not hear itself

	changed chan struct{} // there is something to tell, or to follow

	mu       sync.Mutex
	news     map[realtime.Stream]struct{} // to be told; the zero stream stands for all
	follows  map[realtime.Stream]int      // how often each is followed
	unsettle map[realtime.Stream]struct{} // those that a subscription must begin or end for
}

var _ realtime.Bus = (*Bus)(nil)

// New returns a bus on a connection of the host's, which stays the host's: it is neither closed nor drained here. With nats.MaxReconnects(-1) it
// comes back whenever NATS does.
func New(conn *nats.Conn, o *Options) *Bus {
	b := &Bus{
		conn: conn, base: DefaultSubject, node: rand.Text(), changed: make(chan struct{}, 1),
		news: map[realtime.Stream]struct{}{}, follows: map[realtime.Stream]int{}, unsettle: map[realtime.Stream]struct{}{},
	}
	if o != nil && o.Subject != "" {
		b.base = o.Subject
	}
	return b
}

// Tell implements [realtime.Bus].
func (b *Bus) Tell(news ...realtime.Stream) {
	if len(news) == 0 {
		news = []realtime.Stream{{}}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range news {
		b.news[s] = struct{}{}
	}
	if len(b.news) > maxNews {
		b.news = map[realtime.Stream]struct{}{{}: {}}
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
		b.unsettle[s] = struct{}{}
		b.signal()
	}
	if b.follows[s] == 0 {
		delete(b.follows, s)
	}
}

func (b *Bus) signal() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}

// Run implements [realtime.Bus].
func (b *Bus) Run(ctx context.Context, heard func()) error {
	r := &run{Bus: b, ctx: ctx, heard: heard, hints: make(chan *nats.Msg, waiting), subscriptions: map[realtime.Stream]*nats.Subscription{}}
	defer r.end()
	b.mu.Lock()
	for s := range b.follows {
		b.unsettle[s] = struct{}{}
	}
	b.unsettle[realtime.Stream{}] = struct{}{}
	b.mu.Unlock()
	if err := r.settle(); err != nil {
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
		case <-b.changed:
			if err := r.settle(); err != nil {
				return err
			}
		}
	}
}

// A run is what [Bus.Run] holds.
type run struct {
	*Bus
	ctx           context.Context //nolint:containedctx // that of the call, which it does not outlive
	heard         func()
	hints         chan *nats.Msg
	subscriptions map[realtime.Stream]*nats.Subscription
}

// settle tells what is to be told, and begins and ends subscriptions until they are those that are wanted.
func (r *run) settle() error {
	r.mu.Lock()
	news, unsettled := r.news, r.unsettle
	r.news, r.unsettle = map[realtime.Stream]struct{}{}, map[realtime.Stream]struct{}{}
	wanted := make(map[realtime.Stream]bool, len(unsettled))
	for s := range unsettled {
		wanted[s] = s == realtime.Stream{} || r.follows[s] > 0
	}
	r.mu.Unlock()

	for s := range news {
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
	r.heard() // what was told before the server had the subscriptions
	return nil
}

// subscribe begins or ends the subscription to a stream, and reports whether it began one.
func (r *run) subscribe(s realtime.Stream, want bool) (began bool, err error) {
	there := r.subscriptions[s]
	switch {
	case want && there == nil:
		if r.subscriptions[s], err = r.conn.ChanSubscribe(r.subject(s), r.hints); err != nil {
			delete(r.subscriptions, s)
		}
		return err == nil, err
	case !want && there != nil:
		delete(r.subscriptions, s)
		return false, there.Unsubscribe()
	}
	return false, nil
}

// end gives the subscriptions up, and keeps what they were for: the next run begins them again.
func (r *run) end() {
	for _, s := range r.subscriptions {
		_ = s.Unsubscribe() // the connection may be closed
	}
}

// subject returns the subject of a stream, or of all.
func (b *Bus) subject(s realtime.Stream) string {
	switch {
	case s.Conversation != 0:
		return b.base + ".conversation." + strconv.FormatInt(s.Conversation, 10)
	case s.User != "":
		return b.base + ".user." + base64.RawURLEncoding.EncodeToString([]byte(s.User)) // a host's id may have anything in it
	default:
		return b.base + ".all"
	}
}
