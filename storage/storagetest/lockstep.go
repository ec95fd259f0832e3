package storagetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// lockstep does the same random acts at the same time on the tested store and on storage/memory. It
// compares every result and every record of the log, and after each act what one user sees. Both
// stores share one clock, which sometimes goes back.
func lockstep(t *testing.T, h Harness) {
	t.Helper()
	deadline := time.Now().Add(h.budget())
	var stores *twinStores
	begun, finished, broken := 0, 0, false
	// The first failure. Later runs of rapid may not reproduce it, because it may need data of
	// other histories.
	first := ""
	defer func() {
		if t.Failed() {
			t.Logf("the first failure:\n%s", first)
		}
		stores.close()
	}()
	rapid.Check(t, func(rt *rapid.T) {
		if begun == finished && !broken && finished > 0 && time.Now().After(deadline) {
			// The time is up. A failed history is still investigated to the end.
			return
		}
		// The last history failed, and the stores differ.
		if begun != finished {
			stores.close()
			stores, finished, broken = nil, begun, true
		}
		if stores == nil {
			stores = newTwinStores(t, h)
		}
		begun++
		l := newLockstep(rt, t.Context(), stores, h, begun)
		l.said, l.failure = &[]string{}, &first
		l.start()
		// Twice as long as -rapid.steps says.
		for range 2 {
			rt.Repeat(l.actions())
		}
		l.finish()
		finished++
	})
	t.Logf("%d histories", finished)
}

// twinStores are the tested store and the reference. One history after another uses them, each with
// its own users.
type twinStores struct {
	*scope
	clock             *clock
	reference, tested buddychat.Store
	tails             [2]realtime.Tail
}

func newTwinStores(t *testing.T, h Harness) *twinStores {
	t.Helper()
	c, sc := newClock(), &scope{TB: t}
	s := &twinStores{scope: sc, clock: c, reference: memory.New(&memory.Options{Now: c.read}), tested: h.New(sc, c.read)}
	for i, store := range []buddychat.Store{s.reference, s.tested} {
		tail, err := store.Tail(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		sc.Cleanup(func() {
			if err := tail.Close(); err != nil {
				t.Error(err)
			}
		})
		s.tails[i] = tail
	}
	return s
}

// scope is a part of a test with its own cleanup.
type scope struct {
	testing.TB
	cleanups []func()
}

// Cleanup implements [testing.TB].
func (s *scope) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *twinStores) close() {
	if s == nil {
		return
	}
	for _, f := range slices.Backward(s.cleanups) {
		f()
	}
	s.cleanups = nil
}

// lockstepHistory is one history. It uses the names of the reference.
type lockstepHistory struct {
	*names
	t      *rapid.T
	ctx    context.Context
	stores *twinStores
	h      Harness
	tag    string // a word that is unique to this history
	hosts  []user.ID
	now    time.Time

	// the stores, or both bound to a transaction of the application
	reference, tested buddychat.Store
	inTx              bool

	said    *[]string // a log of the acts
	failure *string

	accounts []user.ID
	copies   []knownCopy
	messages []int64
	phones   []int64
	sessions []knownSession
	tokens   int // how many refresh tokens were ever issued
	records  []twinRecord
	from     int64 // the last record before the history
}

// knownCopy is a copy that exists or existed.
type knownCopy struct {
	chat.Copy
	conversation int64
}

// knownSession is a session that was started, with its user.
type knownSession struct {
	id    string
	owner user.ID
}

// twinRecord is a record as each store has it.
type twinRecord struct{ reference, tested realtime.Record }

func newLockstep(t *rapid.T, ctx context.Context, stores *twinStores, h Harness, n int) *lockstepHistory {
	l := &lockstepHistory{
		names: newNames(), t: t, ctx: ctx, stores: stores, h: h, tag: fmt.Sprintf("q%dq", n),
		reference: stores.reference, tested: stores.tested,
	}
	for _, name := range []string{"alice", "bob", "carol", "dave"} {
		l.hosts = append(l.hosts, user.ID(name+" "+l.tag))
	}
	return l
}

// say logs what happens, for the reader of a failed history.
func (l *lockstepHistory) say(format string, args ...any) {
	l.t.Helper()
	line := fmt.Sprintf(format, args...)
	*l.said = append(*l.said, line)
	l.t.Log(line)
}

// fail ends the history.
func (l *lockstepHistory) fail(format string, args ...any) {
	l.t.Helper()
	if *l.failure == "" {
		*l.failure = strings.Join(append(*l.said, fmt.Sprintf(format, args...)), "\n")
	}
	l.t.Fatalf(format, args...)
}

// side is one of the two stores, with its own names for ids.
type side struct {
	buddychat.Store
	*names
	reference bool
}

// together calls both stores and compares the results. The function learn pairs the ids of what was
// created.
func together[T any](l *lockstepHistory, what string, translate func(T) T, learn func(want, got T), do func(side) (T, error)) (answer T, done bool) {
	l.t.Helper()
	want, wantErr := do(side{Store: l.reference, names: l.names, reference: true})
	got, gotErr := do(side{Store: l.tested, names: l.names})
	l.sameError(what, wantErr, gotErr)
	if wantErr == nil && learn != nil {
		learn(want, got)
	}
	l.sameAnswer(what, want, got, translate(got))
	l.say("%s: %s", what, cmp.Or(storage.Message(wantErr), "done"))
	return want, wantErr == nil
}

// asked is together for a read, which changes nothing.
func asked[T any](l *lockstepHistory, what string, translate func(T) T, do func(side) (T, error)) T {
	l.t.Helper()
	want, wantErr := do(side{Store: l.reference, names: l.names, reference: true})
	got, gotErr := do(side{Store: l.tested, names: l.names})
	l.sameError(what, wantErr, gotErr)
	l.sameAnswer(what, want, got, translate(got))
	return want
}

func (l *lockstepHistory) sameAnswer(what string, want, got, translated any) {
	l.t.Helper()
	if !equal(want, translated) {
		l.say("the reference answers %+v\nthe tested store    %+v\nwhich stands for    %+v", want, got, translated)
		l.fail("%s: the answers differ", what)
	}
}

// kinds are the kinds of results.
func kinds() []error {
	return []error{
		storage.ErrNotFound, storage.ErrForbidden, storage.ErrConflict, storage.ErrInvalid, storage.ErrUnauthenticated, storage.ErrCursorExpired,
	}
}

func (l *lockstepHistory) sameError(what string, want, got error) {
	l.t.Helper()
	for _, err := range []error{want, got} {
		if err != nil && storage.Message(err) == "" {
			l.fail("%s: a store fails: %v, %v", what, want, got)
		}
	}
	if storage.Message(want) != storage.Message(got) || storage.Field(want) != storage.Field(got) {
		l.fail("%s: the reference answers %q about %q, the tested store %q about %q", what, want, storage.Field(want), got, storage.Field(got))
	}
	for _, kind := range kinds() {
		if errors.Is(want, kind) != errors.Is(got, kind) {
			l.fail("%s: one of %v and %v is of the kind %v", what, want, got, kind)
		}
	}
}

// start creates the first conversations of a history.
func (l *lockstepHistory) start() {
	l.follow(true)
	l.tick()
	l.openChat(l.hosts[0], l.hosts[1])
	l.createGroup(l.hosts[0], "Walls")
	creator := l.copies[len(l.copies)-1]
	for _, u := range l.hosts[1:3] {
		l.addMember(creator.Copy, u, limit)
	}
	for _, c := range slices.Clone(l.copies) {
		l.send(c.Copy, "first", "")
	}
	l.follow(false)
}

// finish compares everything once more, after all upkeep.
func (l *lockstepHistory) finish() {
	for i, u := range l.everybody() {
		l.compareUser(u, i)
	}
	l.compareRecords(0)
}

// follow compares the new records of both logs. It skips those of other histories.
func (l *lockstepHistory) follow(others bool) {
	l.t.Helper()
	var batches [2]realtime.Batch
	for i, tail := range l.stores.tails {
		b, err := tail.Next(l.ctx)
		if err != nil {
			l.fail("the log cannot be followed: %v", err)
		}
		batches[i] = b
	}
	want, got := batches[0].Records, batches[1].Records
	if others {
		l.from = batches[0].Safe.ID
		l.learn(recordID, l.from, batches[1].Safe.ID)
		return
	}
	for i := range min(len(want), len(got)) {
		l.learnPosition(want[i].Position, got[i].Position)
		if r := l.record(got[i]); r != want[i] {
			l.say("the reference records %s\nthe tested store      %s\nwhich stands for      %s", shown(want[i]), shown(got[i]), shown(r))
			l.fail("record %d of %d differs", i+1, len(want))
		}
		l.records = append(l.records, twinRecord{want[i], got[i]})
	}
	if len(want) != len(got) {
		for _, r := range want {
			l.say("the reference records %s", shown(r))
		}
		for _, r := range got {
			l.say("the tested store      %s", shown(r))
		}
		l.fail("the reference wrote %d records, the tested store %d", len(want), len(got))
	}
}

// shown formats all fields of a record. Its String method has only the position.
func shown(r realtime.Record) string {
	type bare realtime.Position
	return fmt.Sprintf("%+v %s of %d (kind %d) at %v, recipient %q, actor %q, message %d at %d from %d, member %d, session %q, erased %v", bare(r.Position),
		r.Operation, r.Conversation, r.Kind, r.At, r.Recipient, r.Actor, r.Message, r.Seq, r.From, r.Member, r.Session, r.Erased)
}

// tick moves the clock forward or, sometimes, back.
func (l *lockstepHistory) tick() {
	passed := rapid.SampledFrom([]time.Duration{
		time.Second, 0, time.Microsecond, time.Minute, time.Hour, 8 * 24 * time.Hour, -time.Second, -time.Hour,
	}).Draw(l.t, "passed")
	l.now = l.stores.clock.advance(passed)
}

// actions are the possible next acts.
func (l *lockstepHistory) actions() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){"": func(t *rapid.T) {
		l.t = t
		l.compareSome()
	}}
	for name, each := range l.acts() {
		for i := range each.weight {
			all[fmt.Sprint(name, " ", i)] = func(t *rapid.T) {
				l.t = t
				l.tick()
				each.do()
				l.follow(false)
			}
		}
	}
	return all
}

// transaction does some acts in a transaction of the application on each store, and commits or
// rolls back both.
func (l *lockstepHistory) transaction() {
	if l.h.Tx == nil {
		l.t.Skip("the harness has no Tx")
	}
	keep := rapid.Bool().Draw(l.t, "commit")
	l.say("the application begins a transaction")
	before := *l
	before.names = l.clone()
	before.clip()
	tx := l.stores.reference.(*memory.Store).Begin()
	var failed any
	err := l.h.Tx(l.ctx, l.stores.tested, func(tested buddychat.Store) (err error) {
		defer func() {
			if failed = recover(); failed != nil {
				err = errHost{}
			}
		}()
		l.reference, l.tested, l.inTx = tx, tested, true
		l.someActs()
		if !keep {
			return errHost{}
		}
		return nil
	})
	l.reference, l.tested, l.inTx = l.stores.reference, l.stores.tested, false
	if failed != nil {
		// The earlier error is more useful.
		_ = tx.Rollback()
		panic(failed)
	}
	if keep {
		l.say("the application commits: %v", err)
		if err = errors.Join(err, tx.Commit()); err != nil {
			l.fail("the application cannot commit: %v", err)
		}
		return
	}
	l.say("the application rolls back: %v", err)
	if !errors.Is(err, errHost{}) {
		l.fail("the application cannot roll back: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		l.fail("the reference cannot roll back: %v", err)
	}
	t, tokens := l.t, l.tokens
	*l = before
	l.t, l.tokens = t, tokens
}

// clip keeps later appends to l out of copies of it.
func (l *lockstepHistory) clip() {
	l.accounts, l.copies, l.messages = slices.Clip(l.accounts), slices.Clip(l.copies), slices.Clip(l.messages)
	l.phones, l.sessions, l.records = slices.Clip(l.phones), slices.Clip(l.sessions), slices.Clip(l.records)
}

// someActs does up to four acts, and compares what a user sees after each.
func (l *lockstepHistory) someActs() {
	acts := l.acts()
	var all []string
	for name, each := range acts {
		if each.inTx {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	for range rapid.IntRange(1, 4).Draw(l.t, "acts") {
		l.tick()
		acts[rapid.SampledFrom(all).Draw(l.t, "act")].do()
		l.compareSome()
	}
}

// everybody returns all users of the history.
func (l *lockstepHistory) everybody() []user.ID { return slices.Concat(l.hosts, l.accounts) }

// short is the name of a user in the log of a history. It is the same in every run of that history.
func (l *lockstepHistory) short(u user.ID) string {
	if i := slices.Index(l.accounts, u); i >= 0 {
		return fmt.Sprintf("account #%d", i)
	}
	return strings.TrimSuffix(string(u), " "+l.tag)
}

func (l *lockstepHistory) shortCopy(c chat.Copy) string {
	i := slices.IndexFunc(l.copies, func(k knownCopy) bool { return k.Copy == c })
	if i < 0 {
		return fmt.Sprintf("a copy of %s that is none", l.short(c.Owner))
	}
	return fmt.Sprintf("copy #%d of %s", i, l.short(c.Owner))
}

func (l *lockstepHistory) shortMessage(id int64) string {
	return fmt.Sprintf("message #%d", slices.Index(l.messages, id))
}

// lasting returns the copies that have not ended.
func (l *lockstepHistory) lasting() []chat.Copy {
	all, err := l.reference.Memberships(l.ctx, math.MaxInt64, l.everybody()...)
	if err != nil {
		l.fail("the reference does not know who is where: %v", err)
	}
	var copies []chat.Copy
	for _, m := range all {
		copies = append(copies, m.Copy)
	}
	return copies
}
