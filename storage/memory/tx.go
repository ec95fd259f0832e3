package memory

import (
	"errors"
	"fmt"
	"sync"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/driver"
)

// ErrTxDone is what a [Tx] answers to whatever is asked of it after its end.
var ErrTxDone = errors.New("memory: the transaction has ended")

// Tx is a store whose acts become visible to others, and are told to [Store.OnCommit], together, when and
// only when [Tx.Commit] is called. Until it ends every other act that writes waits, as on SQLite: so
// whoever holds a Tx writes through it alone.
type Tx struct {
	*Store
	parent *Store
	began  int64 // the newest record at its beginning
	end    sync.Once
}

// Begin begins a transaction, when the ones before it have ended. It must be ended by [Tx.Commit] or
// [Tx.Rollback].
func (s *Store) Begin() *Tx {
	s.writing.Lock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	own := &Store{now: s.now, onCommit: newObservers(), state: s.state.clone()}
	return &Tx{Store: own, parent: s, began: own.state.lastRecord()}
}

// InTx implements [driver.Transactor]: it takes a [Tx] of this store.
func (s *Store) InTx(tx any) (driver.Acts, error) {
	own, ok := tx.(*Tx)
	switch {
	case !ok || own == nil:
		return nil, fmt.Errorf("memory: a %T is no transaction of this store: begin one with Store.Begin", tx)
	case own.parent != s:
		return nil, errors.New("memory: the transaction is of another store: begin one with Store.Begin of this one")
	}
	return own, nil
}

// Commit makes everything that was done in the transaction visible. Of a transaction that has ended it is
// [ErrTxDone].
func (tx *Tx) Commit() error { return tx.finish(true) }

// Rollback leaves nothing of the transaction. Of one that has ended it is [ErrTxDone], so it can be deferred.
func (tx *Tx) Rollback() error { return tx.finish(false) }

// OnCommit implements [github.com/buddychat/buddychat/realtime.Log] as the store does that tx belongs to: what is told
// is the commit of a transaction.
func (tx *Tx) OnCommit(f func(news []realtime.Stream)) (remove func()) { return tx.parent.OnCommit(f) }

func (tx *Tx) finish(keep bool) error {
	err := ErrTxDone
	tx.end.Do(func() {
		err = nil
		tx.parent.onCommit.call(tx.release(keep))
	})
	return err
}

// release ends the transaction and returns what its records are on.
func (tx *Tx) release(keep bool) (news []realtime.Stream) {
	defer tx.parent.writing.Unlock()
	tx.mu.Lock()
	defer tx.mu.Unlock()
	last := tx.state
	tx.state = nil
	if !keep {
		return nil
	}
	tx.parent.mu.Lock()
	defer tx.parent.mu.Unlock()
	tx.parent.state = last
	return last.news(tx.began)
}

// observers are the functions to be called after commits. It is safe for concurrent use.
type observers struct {
	mu   sync.Mutex
	next int
	all  map[int]func([]realtime.Stream)
}

func newObservers() *observers { return &observers{all: map[int]func([]realtime.Stream){}} }

func (o *observers) add(f func([]realtime.Stream)) (remove func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id := o.next
	o.next++
	o.all[id] = f
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.all, id)
	}
}

// call calls them where there is news, outside of every lock, so that they may use the store.
func (o *observers) call(news []realtime.Stream) {
	if len(news) == 0 {
		return
	}
	o.mu.Lock()
	var now []func([]realtime.Stream)
	for _, f := range o.all {
		now = append(now, f)
	}
	o.mu.Unlock()
	for _, f := range now {
		f(news)
	}
}
