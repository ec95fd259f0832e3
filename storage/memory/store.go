// Package memory is a store in plain Go. It is the reference for the other stores, and a fake for
// the tests of your application. It keeps every promise of a database except that its data ends
// with the process.
//
// It is written to be correct and readable, not fast: reading a list examines every possible entry.
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

// Options configures a [Store]. The zero value and nil are valid.
type Options struct {
	// Now is the clock, for tests that set the time; nil means [time.Now]. It must be safe for
	// concurrent use.
	Now func() time.Time
}

// Store keeps everything in memory for the life of the process. It is safe for concurrent use.
type Store struct {
	now      func() time.Time
	onCommit *observers

	// writing is held while the state changes, for one change or for a transaction. It is taken
	// before mu.
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

// moment returns the current time with the precision of a database.
func (s *Store) moment() time.Time { return s.now().UTC().Truncate(time.Microsecond) }

// An act is a change of the state in progress. Everything in it happens at one time. It checks
// before it writes: an act that fails has changed nothing, unless it says otherwise.
type act struct {
	*state
	now time.Time
}

// change runs one act.
func change[T any](ctx context.Context, s *Store, do func(*act) (T, error)) (T, error) {
	if err := ctx.Err(); err != nil {
		var none T
		return none, err
	}
	result, changed, err := changeLocked(s, do)
	s.onCommit.call(changed)
	return result, err
}

func changeLocked[T any](s *Store, do func(*act) (T, error)) (result T, changed []realtime.Stream, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == nil {
		return result, nil, ErrTxDone
	}
	last := s.state.lastRecord()
	result, err = do(&act{state: s.state, now: s.moment()})
	return result, s.state.changedStreams(last), err
}

// run runs one act that returns only an error.
func run(ctx context.Context, s *Store, do func(*act) error) error {
	_, err := change(ctx, s, func(a *act) (struct{}, error) { return struct{}{}, do(a) })
	return err
}

// readState calls read with the state of the last commit.
func readState[T any](ctx context.Context, s *Store, read func(*state) (T, error)) (T, error) {
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
