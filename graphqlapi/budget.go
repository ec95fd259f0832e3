package graphqlapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// Defaults of Options.
const (
	defaultMaxAnswerBytes   = 8 << 20
	defaultMaxInFlightBytes = 256 << 20
)

const (
	// freeBytes is the memory that each answer may use without reserving any. Answers of ordinary
	// size therefore never wait for large ones.
	freeBytes = 256 << 10
	// stepBytes is the unit in which an answer reserves more memory.
	stepBytes = 256 << 10
	// executorCopies is how many copies of each answer byte the executor holds: it copies the
	// results of fields into objects and lists, level by level, and buffers grow by doubling.
	executorCopies = 4
	// writtenCopies is how many copies of a finished answer exist until it is written.
	writtenCopies = 2
	// pointBytes is the memory for each point of a document's cost, in addition to the texts.
	pointBytes = 48
	// errorBytes is the memory of each error that the executor keeps.
	errorBytes = 512
	// One client may hold 1/clientShare of the bytes in flight.
	clientShare = 4
)

// answers accounts for the memory of all answers in flight, from the beginning of execution until
// they are written. It is safe for concurrent use.
type answers struct {
	most     int64 // bytes of one answer
	total    int64 // bytes of memory of all answers together
	overload func(message string) error

	mu           sync.Mutex
	held         int64
	heldByClient map[string]int64 // bytes of memory by client
	freed        chan struct{}    // closed at the next release; nil if no one waits
}

func newAnswers(o *Options, l *limits) *answers {
	return &answers{
		most: int64(o.MaxAnswerBytes), total: int64(o.MaxInFlightBytes),
		overload:     func(message string) error { return l.over("1", message) },
		heldByClient: map[string]int64{},
	}
}

// take reserves n bytes for a client. If that exceeds a bound, it reserves nothing and returns
// false.
func (a *answers) take(client string, n int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held+n > a.total || a.heldByClient[client]+n > a.total/clientShare {
		return false
	}
	a.held += n
	a.heldByClient[client] += n
	return true
}

func (a *answers) release(client string, n int64) {
	if n == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held -= n
	if a.heldByClient[client] -= n; a.heldByClient[client] == 0 {
		delete(a.heldByClient, client)
	}
	if a.freed != nil {
		close(a.freed)
		a.freed = nil
	}
}

// wait returns after the next release, when no memory is held, or when ctx ends.
func (a *answers) wait(ctx context.Context) {
	a.mu.Lock()
	if a.held == 0 {
		a.mu.Unlock()
		return
	}
	if a.freed == nil {
		a.freed = make(chan struct{})
	}
	freed := a.freed
	a.mu.Unlock()
	select {
	case <-freed:
	case <-ctx.Done():
	}
}

// A budget bounds the memory of one answer. Execution charges it; when a charge exceeds a bound,
// the budget stops the execution and keeps the refusal. A nil *budget has no bound. It is safe for
// concurrent use.
type budget struct {
	all    *answers
	client string
	stop   context.CancelFunc

	answer  atomic.Int64 // bytes of text in the answer
	needed  atomic.Int64 // bytes of memory charged so far
	covered atomic.Int64 // bytes of memory that may be charged before reserving more

	mu       sync.Mutex
	taken    int64
	released bool
	refused  atomic.Pointer[budgetError]
}

// A budgetError says why an answer was refused. It wraps a [*refusal].
type budgetError struct {
	err error
	// overload means that all answers together were too large, not this one. A retry may succeed.
	overload bool
}

func (r *budgetError) Error() string { return r.err.Error() }
func (r *budgetError) Unwrap() error { return r.err }

func isOverload(err error) bool {
	r, ok := errors.AsType[*budgetError](err)
	return ok && r.overload
}

// begin returns the budget for the answer to a document of the given cost. The budget calls stop
// when it is exceeded.
func (a *answers) begin(client string, cost int, stop context.CancelFunc) *budget {
	b := &budget{all: a, client: client, stop: stop}
	b.covered.Store(freeBytes)
	b.hold(int64(cost) * pointBytes)
	return b
}

// of returns the client that the answer is for.
func (b *budget) of() string {
	if b == nil {
		return ""
	}
	return b.client
}

// write charges n bytes of text in the answer. It returns false if the answer was refused.
func (b *budget) write(n int) bool {
	if b == nil {
		return true
	}
	if b.refused.Load() != nil {
		return false
	}
	if b.answer.Add(int64(n)) > b.all.most {
		b.refuse(false, errAnswerTooLarge(b.all.most))
		return false
	}
	return b.hold(int64(n) * executorCopies)
}

// hold charges n bytes of memory. It returns false if the answer was refused.
func (b *budget) hold(n int64) bool {
	if b == nil {
		return true
	}
	needed := b.needed.Add(n)
	return needed <= b.covered.Load() || b.cover(needed)
}

func (b *budget) cover(needed int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	more := needed - b.covered.Load()
	if more <= 0 {
		return true
	}
	more = (more + stepBytes - 1) / stepBytes * stepBytes
	switch {
	case b.refused.Load() != nil || b.released:
		return false
	case b.taken+more > b.all.total/clientShare:
		b.refuse(false, errAnswerTooLarge(b.all.most))
		return false
	case !b.all.take(b.client, more):
		b.refuse(true, b.all.overload("too many large answers are being made, or are not read: try again in 1 s, or ask for less"))
		return false
	}
	b.taken += more
	b.covered.Add(more)
	return true
}

func (b *budget) refuse(overload bool, err error) {
	if b.refused.CompareAndSwap(nil, &budgetError{err: err, overload: overload}) {
		b.stop()
	}
}

func errAnswerTooLarge(most int64) error {
	return wellFormed(http.StatusBadRequest, &wireError{
		code:    codeTooComplex,
		message: fmt.Sprintf("the answer is too large, of at most %d bytes: ask for shorter pages, or fewer texts", most),
	})
}

// refusal returns why the answer was refused, or nil.
func (b *budget) refusal() *budgetError { return b.refused.Load() }

// finish is called with the size of the answer once it is complete. It releases the memory that
// writing the answer does not need.
func (b *budget) finish(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	keep := max(0, int64(n)*writtenCopies-freeBytes)
	if keep < b.taken {
		b.all.release(b.client, b.taken-keep)
		b.taken = keep
	}
}

// release must be called once the answer was written or dropped. Calling it again does nothing.
func (b *budget) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all.release(b.client, b.taken)
	b.taken, b.released = 0, true
}

// A userText is a String that a user wrote and that may be long. It is charged each time it is
// written into an answer. The zero value is "". It is a single pointer, so the executor passes it
// on without allocating.
type userText struct{ of *chargedText }

type chargedText struct {
	value  string
	budget *budget
}

func newText(value string, b *budget) userText {
	if value == "" {
		return userText{}
	}
	return userText{&chargedText{value, b}}
}

// optional returns nil for "".
func (t userText) optional() *userText {
	if t.of == nil {
		return nil
	}
	return &t
}

func (userText) ImplementsGraphQLType(name string) bool { return name == "String" }

func (*userText) UnmarshalGraphQL(any) error { return errOutputOnly }

// MarshalText implements [encoding.TextMarshaler], which [encoding/json] calls to write the text.
func (t userText) MarshalText() ([]byte, error) {
	if t.of == nil || !t.of.budget.write(encodedLen(t.of.value)) {
		return nil, nil
	}
	return []byte(t.of.value), nil
}

// escapeLen is the number of bytes by which encoding/json lengthens each ASCII character.
var escapeLen = func() (more [utf8.RuneSelf]uint8) {
	for c := range more {
		switch {
		case c == '"', c == '\\', c == '\b', c == '\f', c == '\n', c == '\r', c == '\t':
			more[c] = 1
		case c < ' ', c == '<', c == '>', c == '&':
			more[c] = 5
		}
	}
	return more
}()

// encodedLen returns the length in bytes of s as encoding/json writes it.
func encodedLen(s string) int {
	n := len(s) + len(`""`)
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			n += int(escapeLen[c])
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			n += len(`\ufffd`) - 1
		case r == '\u2028', r == '\u2029':
			n += len(`\u2028`) - 3
		}
		i += size
	}
	return n
}
