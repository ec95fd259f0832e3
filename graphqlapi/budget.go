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

// The defaults of what answers may take.
const (
	defaultMaxAnswerBytes   = 8 << 20
	defaultMaxInFlightBytes = 256 << 20
)

const (
	// freeBytes is how much memory each answer has without asking. So however much large answers hold
	// together, what a client usually shows can always be answered.
	freeBytes = 256 << 10
	// stepBytes is how much more an answer asks for at once.
	stepBytes = 256 << 10
	// executorCopies is how often the executor holds each byte of an answer: it joins the results of fields
	// to those of objects and lists, level by level, and buffers grow by doubling.
	executorCopies = 4
	// writtenCopies is how often a finished answer is held until it is written.
	writtenCopies = 2
	// pointBytes is what a field takes, by the points of its cost, beside the bytes of its text.
	pointBytes = 48
	// errorBytes is what an error takes that the executor keeps.
	errorBytes = 512
	// clientShare is which part of the bytes in flight one client may hold: a quarter.
	clientShare = 4
)

// answers accounts for the memory of all answers in flight: while they are executed, and until they are
// written. It is safe for concurrent use.
type answers struct {
	most     int64 // bytes of one answer
	total    int64 // bytes of memory of all together
	overload func(message string) error

	mu     sync.Mutex
	held   int64
	byWhom map[string]int64 // by client
	freed  chan struct{}    // closed at the next release; nil while nobody waits
}

func newAnswers(o *Options, l *limits) *answers {
	return &answers{
		most: int64(o.MaxAnswerBytes), total: int64(o.MaxInFlightBytes),
		overload: func(message string) error { return l.over("1", message) },
		byWhom:   map[string]int64{},
	}
}

// take adds n bytes to what a client holds. It takes nothing and reports false where that is too much.
func (a *answers) take(client string, n int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held+n > a.total || a.byWhom[client]+n > a.total/clientShare {
		return false
	}
	a.held += n
	a.byWhom[client] += n
	return true
}

func (a *answers) release(client string, n int64) {
	if n == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held -= n
	if a.byWhom[client] -= n; a.byWhom[client] == 0 {
		delete(a.byWhom, client)
	}
	if a.freed != nil {
		close(a.freed)
		a.freed = nil
	}
}

// wait returns after the next release, or when ctx ends.
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

// A budget bounds one answer. What it is made of is charged while it is executed; when that is too much,
// the budget stops the execution, and has the refusal. A nil *budget bounds nothing. It is safe for
// concurrent use.
type budget struct {
	all    *answers
	client string
	stop   context.CancelFunc

	answer  atomic.Int64 // bytes of texts in the answer
	needed  atomic.Int64 // bytes of memory
	covered atomic.Int64 // of them, without asking again

	mu       sync.Mutex
	taken    int64
	released bool
	refused  atomic.Pointer[budgetError]
}

// A budgetError says why an answer was not made. It wraps a [*refusal].
type budgetError struct {
	err error
	// overload says that it is not for the answer itself, and may pass a moment later.
	overload bool
}

func (r *budgetError) Error() string { return r.err.Error() }
func (r *budgetError) Unwrap() error { return r.err }

func isOverload(err error) bool {
	r, ok := errors.AsType[*budgetError](err)
	return ok && r.overload
}

// begin returns the budget of an answer to a document of that cost. Stop is called when it is used up.
func (a *answers) begin(client string, cost int, stop context.CancelFunc) *budget {
	b := &budget{all: a, client: client, stop: stop}
	b.covered.Store(freeBytes)
	b.hold(int64(cost) * pointBytes)
	return b
}

// of returns whose answer it is.
func (b *budget) of() string {
	if b == nil {
		return ""
	}
	return b.client
}

// write charges n bytes of the answer. It reports false where the answer is not wanted any more.
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

// hold charges n bytes of memory.
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

// refusal returns why the answer was not made, nil where it was.
func (b *budget) refusal() *budgetError { return b.refused.Load() }

// finish is to be called when the answer has n bytes and is to be written.
func (b *budget) finish(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	keep := max(0, int64(n)*writtenCopies-freeBytes)
	if keep < b.taken {
		b.all.release(b.client, b.taken-keep)
		b.taken = keep
	}
}

// release is to be called when the answer was written, or will not be. It may be called again.
func (b *budget) release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all.release(b.client, b.taken)
	b.taken, b.released = 0, true
}

// A userText is a String that a user wrote, and that may be long. It is charged each time that it is written
// into an answer. The zero value is "". It is one pointer, which the executor passes on without allocating.
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

// MarshalText implements [encoding.TextMarshaler], through which [encoding/json] writes it.
func (t userText) MarshalText() ([]byte, error) {
	if t.of == nil || !t.of.budget.write(encodedLen(t.of.value)) {
		return nil, nil
	}
	return []byte(t.of.value), nil
}

// escapeLen is how much longer encoding/json makes an ASCII character.
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

// encodedLen returns how many bytes encoding/json makes of a string.
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
