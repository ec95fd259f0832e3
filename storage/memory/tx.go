package memory

import (
	"errors"
	"fmt"
	"sync"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/driver"
)

// ErrTxDone is the error of every method of a [Tx] that has ended.
var ErrTxDone = errors.New("memory: the transaction has ended")

// Tx is a store bound to a transaction. Its changes become visible, and [Store.OnCommit] functions
// are called, when [Tx.Commit] is called, and never otherwise. Until the transaction ends, every
// other write waits, as on SQLite: the goroutine that holds a Tx must write only through it.
type Tx struct {
	*Store
	parent *Store
	began  int64 // the newest record when it began
	end    sync.Once
}

// Begin begins a transaction as soon as all earlier ones have ended. It must be ended by
// [Tx.Commit] or [Tx.Rollback].
func (s *Store) Begin() *Tx {
	s.writing.Lock()
	s.mu.RLock()
	defer s.mu.RUnlock()
	own := &Store{now: s.now, onCommit: newObservers(), state: s.state.clone()}
	return &Tx{Store: own, parent: s, began: own.state.lastRecord()}
}

// InTx implements [driver.Transactor]. It takes a [Tx] of this store.
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

// Commit makes all changes of the transaction visible. If the transaction has ended, it returns
// [ErrTxDone].
func (tx *Tx) Commit() error { return tx.finish(true) }

// Rollback discards all changes of the transaction. If the transaction has ended, it returns
// [ErrTxDone], so it can be deferred.
func (tx *Tx) Rollback() error { return tx.finish(false) }

// OnCommit implements [github.com/buddychat/buddychat/realtime.Log] as the store of tx does:
// commits of any transaction are reported.
func (tx *Tx) OnCommit(f func(changed []realtime.Stream)) (remove func()) {
	return tx.parent.OnCommit(f)
}

func (tx *Tx) finish(keep bool) error {
	err := ErrTxDone
	tx.end.Do(func() {
		err = nil
		tx.parent.onCommit.call(tx.release(keep))
	})
	return err
}

// release ends the transaction and returns the streams of its records.
func (tx *Tx) release(keep bool) (changed []realtime.Stream) {
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
	return last.changedStreams(tx.began)
}

// observers are the functions to call after commits. It is safe for concurrent use.
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

// call calls the functions if there are changed streams. It holds no locks, so that they may use
// the store.
func (o *observers) call(changed []realtime.Stream) {
	if len(changed) == 0 {
		return
	}
	o.mu.Lock()
	var now []func([]realtime.Stream)
	for _, f := range o.all {
		now = append(now, f)
	}
	o.mu.Unlock()
	for _, f := range now {
		f(changed)
	}
}
