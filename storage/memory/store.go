// Package memory is a store in plain Go. It is what the other stores are compared with, and the fake for
// a host's own tests: it keeps every promise that a database keeps but to survive the process.
//
// It is written to be right and to be read: reading a list looks at everything that could be in it.
package memory

import (
	"context"
	"sync"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

var (
	_ user.Store   = (*Store)(nil)
	_ token.Store  = (*Store)(nil)
	_ chat.Store   = (*Store)(nil)
	_ group.Store  = (*Store)(nil)
	_ notify.Store = (*Store)(nil)
	_ realtime.Log = (*Store)(nil)
)

// Options are the settings of a [Store]. The zero value is valid, and so is nil in its place.
type Options struct {
	// Now is the clock, for tests that have a time of their own; nil is [time.Now]. It must be safe for
	// concurrent use.
	Now func() time.Time
}

// Store keeps everything in memory, for as long as the process lives. It is safe for concurrent use.
type Store struct {
	now      func() time.Time
	onCommit *observers

	// writing is held by whoever changes the state: for the length of an act, or of a transaction. It is taken before mu.
	writing sync.Mutex
	mu      sync.RWMutex
	state   *state
}

// New returns an empty store.
func New(o *Options) *Store {
	now := time.Now
	if o != nil && o.Now != nil {
		now = o.Now
	}
	s := &Store{now: now, onCommit: newObservers(), state: newState()}
	first := act{state: s.state, now: s.moment()}
	first.record(realtime.Record{Operation: realtime.LogBegun})
	return s
}

// moment is the present one, as precise as a database would keep it.
func (s *Store) moment() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// An act is a change of the state under way. All that it does happens at one moment. It looks before it
// writes: an act that fails has changed nothing, unless it says otherwise.
type act struct {
	*state
	now time.Time
}

// change does one act.
func change[T any](ctx context.Context, s *Store, do func(*act) (T, error)) (T, error) {
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	result, news, err := changeLocked(s, do)
	s.onCommit.call(news)
	return result, err
}

func changeLocked[T any](s *Store, do func(*act) (T, error)) (result T, news []realtime.Stream, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return result, nil, ErrTxDone
	}
	last := s.state.lastRecord()
	result, err = do(&act{state: s.state, now: s.moment()})
	return result, s.state.news(last), err
}

// run does one act that has nothing to return.
func run(ctx context.Context, s *Store, do func(*act) error) error {
	_, err := change(ctx, s, func(a *act) (struct{}, error) { return struct{}{}, do(a) })
	return err
}

// look reads the state as the last commit left it.
func look[T any](ctx context.Context, s *Store, read func(*state) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.state == nil {
		return none, ErrTxDone
	}
	return read(s.state)
}
