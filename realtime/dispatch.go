package realtime

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/buddychat/buddychat/storage"
)

const (
	// What lies at least between two looks into the log while there is always something new: a stream of
	// commits is then read in batches. Whoever asks does not wait for it.
	busyGap = 5 * time.Millisecond
	// The first and the longest pause after a failure.
	firstPause, longestPause = 50 * time.Millisecond, time.Second
	// How long a call to the log may take. It doubles with each failure, up to a minute.
	callTimeout = 5 * time.Second
)

// dispatcher follows the log and hands out what it finds. It is one goroutine's alone.
type dispatcher struct {
	hub      *Hub
	tail     Tail // nil until it is open
	audience audience
	window   window

	begun  bool       // a batch has come
	look   look       // that brought the last
	safe   Position   // of the last batch that was handed out
	trail  trail      // of the batch in hand
	rest   []Record   // what of it was not handed out yet
	handed *handedOut // for those whose queues overflow; nil while none did

	events    []Event   // scratch
	idleUntil time.Time // until then it had nothing to look for, as far as it knew
	failures  int
	since     time.Time // of the first failure in a row
}

// A look into the log brings a batch.
type look struct {
	number uint64
	at     time.Time
	late   bool // it came long after there was something to look for, so that there may be much in the batch
}

func newDispatcher(h *Hub) *dispatcher {
	return &dispatcher{hub: h, audience: newAudience(h.opts.Bus), window: window{size: h.opts.Window}}
}

func (d *dispatcher) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		if err := d.round(ctx); err != nil {
			d.failed(ctx, err, timer)
			continue
		}
		d.succeeded()
		d.wait(ctx, began, timer)
	}
}

// close ends every subscription.
func (d *dispatcher) close() {
	for _, l := range d.audience.listeners {
		for _, s := range slices.Clone(l.subscriptions) {
			s.end(ErrClosed)
			d.audience.remove(s)
		}
	}
	d.closeTail()
}

func (d *dispatcher) closeTail() {
	if d.tail == nil {
		return
	}
	if err := d.tail.Close(); err != nil {
		d.hub.opts.Logger.Warn("realtime: closing the tail of the log failed", "error", err)
	}
}

// wait returns when there is something to do.
func (d *dispatcher) wait(ctx context.Context, began time.Time, timer *time.Timer) {
	timer.Reset(d.hub.opts.Poll)
	select {
	case <-d.hub.hinted: // while it was busy
	default:
		select {
		case <-ctx.Done():
			return
		case <-d.hub.asked:
			return
		case <-timer.C:
			return
		case <-d.hub.hinted:
			d.idleUntil = time.Now()
		}
	}
	timer.Reset(busyGap - time.Since(began))
	select {
	case <-ctx.Done():
	case <-d.hub.asked:
	case <-timer.C:
	}
}

func (d *dispatcher) failed(ctx context.Context, err error, timer *time.Timer) {
	if ctx.Err() != nil {
		return
	}
	if d.failures == 0 {
		d.since = time.Now()
		d.hub.opts.Logger.Warn("realtime: the log cannot be read; delivery waits for it", "error", err)
	}
	timer.Reset(pause(d.failures))
	d.failures++
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (d *dispatcher) succeeded() {
	if d.failures > 0 {
		d.hub.opts.Logger.Info("realtime: the log is back", "after", time.Since(d.since).Round(time.Millisecond))
		d.failures = 0
	}
}

// pause returns how long to wait after so many failures before: with some chance in it, so that nodes do not come back all at once.
func pause(failures int) time.Duration {
	longest := min(firstPause<<min(failures, 10), longestPause)
	return longest/2 + rand.N(longest/2) //nolint:gosec // chance, not secrecy
}

// patience returns how long the next call may take after so many failures.
func patience(failures int) time.Duration {
	return min(callTimeout<<min(failures, 10), time.Minute)
}

// round looks into the log once, and does what was asked before. After an error the next one goes on where it stopped: nothing of a batch is
// handed out twice, or left out.
func (d *dispatcher) round(ctx context.Context) error {
	if err := d.open(ctx); err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	if err := d.handOut(ctx); err != nil {
		return err
	}
	turn := d.hub.turn()
	for _, s := range turn.leaving {
		d.audience.remove(s)
	}
	err := d.next(ctx)
	if errors.Is(err, storage.ErrCursorExpired) {
		d.beginAnew()
	}
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	if err := d.handOut(ctx); err != nil {
		return err
	}
	d.hub.pollDone(turn.number, d.safe)
	return d.takeIn(ctx, turn.arrivals)
}

// open begins to follow the log. The context is not limited in time: a tail may keep it.
func (d *dispatcher) open(ctx context.Context) error {
	if d.tail != nil {
		return nil
	}
	tail, err := d.hub.log.Tail(ctx)
	if err != nil {
		return err
	}
	d.tail = tail
	return nil
}

// next takes a batch in hand. The ends of sessions need no state, and wait for none.
func (d *dispatcher) next(ctx context.Context) error {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	batch, err := d.tail.Next(ctx)
	if err != nil {
		return err
	}
	if !d.begun { // all that is behind the first Safe is known from here on
		d.begun, d.safe, d.window.floor = true, batch.Safe, batch.Safe.ID
	}
	now := time.Now()
	since := d.look.at
	if d.idleUntil.After(since) {
		since = d.idleUntil
	}
	d.look = look{number: d.look.number + 1, at: now, late: now.Sub(since) > lateAfter}
	d.handed = nil
	d.rest = batch.Records
	d.trail = trail{at: d.safe, safe: batch.Safe}
	for _, r := range batch.Records {
		if r.Operation == SessionEnded {
			d.hub.sessionEnded(r)
		}
	}
	return nil
}

// beginAnew lets go of a log that is not there any more. Those who are here may have missed something, and are told so; so are those who wait for
// the end of a login.
func (d *dispatcher) beginAnew() {
	for _, l := range d.audience.listeners {
		for _, s := range slices.Clone(l.subscriptions) {
			s.end(storage.CursorExpired())
			d.audience.remove(s)
		}
	}
	d.hub.endWatches()
	d.closeTail()
	d.tail, d.begun, d.safe, d.rest, d.window = nil, false, Position{}, nil, window{size: d.window.size}
}

// limit bounds one call to the log.
func (d *dispatcher) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, patience(d.failures))
}

// handOut hands out the batch in hand.
func (d *dispatcher) handOut(ctx context.Context) error {
	for len(d.rest) > 0 {
		n := chunk(d.rest, d.hub.chunkSize)
		if err := d.deliver(ctx, d.rest[:n]); err != nil {
			return err
		}
		d.window.add(d.rest[:n])
		d.rest = d.rest[n:]
	}
	if d.trail.safe.ID > d.safe.ID {
		d.safe = d.trail.safe
	}
	d.window.trim(d.safe)
	return nil
}

// chunk returns how many of the records, of at most so many, to hand out together. A read mark does not go together with the joining of
// somebody whom it may concern: their copy must be known before the state is asked for.
func chunk(records []Record, most int) int {
	var joined conversations
	n := min(len(records), most)
	for i, r := range records[:n] {
		switch {
		case r.Operation == MemberAdded:
			joined.add(r.Conversation)
		case r.Operation == GroupMessageRead && joined[r.Conversation]:
			return i
		}
	}
	return n
}

// conversations is a set, made when the first comes in.
type conversations map[int64]bool

func (c *conversations) add(conversation int64) {
	if *c == nil {
		*c = conversations{}
	}
	(*c)[conversation] = true
}

// deliver hands out records, all or, with an error, none.
func (d *dispatcher) deliver(ctx context.Context, records []Record) error {
	var view View
	if concern := d.concerning(records); len(concern) > 0 {
		ctx, cancel := d.limit(ctx)
		defer cancel()
		var err error
		if view, err = d.hub.log.View(ctx, concern, readers(concern, d.audience.memberships)); err != nil {
			return fmt.Errorf("loading what the events show: %w", err)
		}
	}
	for _, m := range view.Copies {
		d.audience.learn(m)
	}
	for _, r := range records {
		d.tell(r, &view)
	}
	return nil
}

// concerning picks the records that somebody who is online may be told of, or must learn of.
func (d *dispatcher) concerning(records []Record) []Record {
	if len(d.audience.listeners) == 0 {
		return nil
	}
	var (
		concern []Record
		opened  conversations
	)
	for _, r := range records {
		if r.Operation == ChatOpened || r.Operation == MemberAdded {
			opened.add(r.Conversation)
		}
		if opened[r.Conversation] || len(d.audience.conversations[r.Conversation]) > 0 {
			concern = append(concern, r)
		}
	}
	return concern
}

// readers returns the copies of those whom the read marks among the records might concern.
func readers(records []Record, copies func(conversation int64) []Membership) []Membership {
	var (
		found []Membership
		done  conversations
	)
	for _, r := range records {
		if r.Operation == GroupMessageRead && !done[r.Conversation] {
			done.add(r.Conversation)
			found = append(found, copies(r.Conversation)...)
		}
	}
	return found
}

// tell gives a record to those of the audience who may have it, and lets go of the copies that end with it.
func (d *dispatcher) tell(r Record, view *View) {
	before, behind := d.trail.next(r)
	members := d.audience.conversations[r.Conversation]
	delivery := delivery{Record: r, before: before, behind: behind, view: view}
	for _, m := range slices.Backward(members) { // as forget needs it
		d.events = delivery.appendTo(d.events[:0], m.Membership)
		if len(d.events) > 0 {
			for _, s := range m.listener.subscriptions {
				if !s.push(&d.look, r.ID, d.events) {
					s.overflowed(&d.look, overflow{from: before, without: d.handedOutBefore(r)})
				}
			}
		}
		if m.EndRecord != 0 && m.EndRecord <= r.ID {
			d.audience.forget(m)
		}
	}
}
