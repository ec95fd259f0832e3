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
	// The shortest time between two polls, so that under a constant stream of commits the log is
	// read in batches. Requests do not wait for it.
	busyGap = 5 * time.Millisecond
	// The first and the longest pause after a failure.
	firstPause, longestPause = 50 * time.Millisecond, time.Second
	// How long a call to the log may take. It doubles with each failure, up to a minute.
	callTimeout = 5 * time.Second
)

// dispatcher follows the log and delivers its records. All its methods run on one goroutine.
type dispatcher struct {
	hub      *Hub
	tail     Tail // nil until it is open
	audience audience
	window   window

	begun     bool          // a first batch has arrived
	poll      poll          // the last one
	safe      Position      // of the last batch that was delivered
	cursors   cursors       // of the current batch
	rest      []Record      // the records of the current batch that were not delivered yet
	delivered *deliveredIDs // for queues that overflow in the current batch; nil until one does

	events   []Event   // scratch space
	hintedAt time.Time // when a hint last came while it was idle
	failures int
	since    time.Time // of the first failure in a row
}

// A poll of the log reads one batch.
type poll struct {
	number uint64
	at     time.Time
	late   bool // it came long after there was something to read, so the batch may be large
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
		d.hub.opts.Logger.Warn("realtime: cannot close the tail of the log", "error", err)
	}
}

// wait returns when there is something to do.
func (d *dispatcher) wait(ctx context.Context, began time.Time, timer *time.Timer) {
	timer.Reset(d.hub.opts.Poll)
	select {
	case <-d.hub.hinted: // it came during the round
	default:
		select {
		case <-ctx.Done():
			return
		case <-d.hub.asked:
			return
		case <-timer.C:
			return
		case <-d.hub.hinted:
			d.hintedAt = time.Now()
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
		d.hub.opts.Logger.Warn("realtime: cannot read the log; delivery is paused", "error", err)
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
		d.hub.opts.Logger.Info("realtime: the log is readable again", "after", time.Since(d.since).Round(time.Millisecond))
		d.failures = 0
	}
}

// pause returns how long to wait after this many earlier failures. It is random, so that nodes do
// not all retry at once.
func pause(failures int) time.Duration {
	longest := min(firstPause<<min(failures, 10), longestPause)
	return longest/2 + rand.N(longest/2) //nolint:gosec // jitter, not a secret
}

// callLimit returns how long the next call may take after this many failures.
func callLimit(failures int) time.Duration {
	return min(callTimeout<<min(failures, 10), time.Minute)
}

// round polls the log once, and handles the pending requests. After an error the next round
// continues where this one stopped: no record of a batch is delivered twice, or skipped.
func (d *dispatcher) round(ctx context.Context) error {
	if err := d.open(ctx); err != nil {
		return fmt.Errorf("following the log: %w", err)
	}
	if err := d.deliverBatch(ctx); err != nil {
		return err
	}
	turn := d.hub.turn()
	for _, s := range turn.leaving {
		d.audience.remove(s)
	}
	err := d.next(ctx)
	if errors.Is(err, storage.ErrCursorExpired) {
		d.restart()
	}
	if err != nil {
		return fmt.Errorf("reading the log: %w", err)
	}
	if err := d.deliverBatch(ctx); err != nil {
		return err
	}
	d.hub.pollDone(turn.number, d.safe)
	return d.answerArrivals(ctx, turn.arrivals)
}

// open starts to follow the log. It sets no timeout: a tail may keep the context.
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

// next reads a batch. The ends of sessions need no state, and take effect at once.
func (d *dispatcher) next(ctx context.Context) error {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	batch, err := d.tail.Next(ctx)
	if err != nil {
		return err
	}
	if !d.begun { // everything after the first Safe is known from here on
		d.begun, d.safe, d.window.floor = true, batch.Safe, batch.Safe.ID
	}
	now := time.Now()
	since := d.poll.at
	if d.hintedAt.After(since) {
		since = d.hintedAt
	}
	d.poll = poll{number: d.poll.number + 1, at: now, late: now.Sub(since) > lateAfter}
	d.delivered = nil
	d.rest = batch.Records
	d.cursors = cursors{at: d.safe, safe: batch.Safe}
	for _, r := range batch.Records {
		if r.Operation == SessionEnded {
			d.hub.sessionEnded(r)
		}
	}
	return nil
}

// restart abandons a log that no longer exists. Subscriptions may have missed something, so they
// end with an error. So do the watches of sessions.
func (d *dispatcher) restart() {
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
	return context.WithTimeout(ctx, callLimit(d.failures))
}

// deliverBatch delivers the rest of the current batch.
func (d *dispatcher) deliverBatch(ctx context.Context) error {
	for len(d.rest) > 0 {
		n := chunk(d.rest, d.hub.chunkSize)
		if err := d.deliverChunk(ctx, d.rest[:n]); err != nil {
			return err
		}
		d.window.add(d.rest[:n])
		d.rest = d.rest[n:]
	}
	if d.cursors.safe.ID > d.safe.ID {
		d.safe = d.cursors.safe
	}
	d.window.trim(d.safe)
	return nil
}

// chunk returns how many of the records to deliver together, at most limit. A read mark may concern
// a user who joined just before it. Their copy must be known before the state is loaded, so the two
// are never in one chunk.
func chunk(records []Record, limit int) int {
	var joined conversations
	n := min(len(records), limit)
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

// conversations is a set of ids. The map is allocated with the first one.
type conversations map[int64]bool

func (c *conversations) add(conversation int64) {
	if *c == nil {
		*c = conversations{}
	}
	(*c)[conversation] = true
}

// deliverChunk delivers all of the records or, with an error, none.
func (d *dispatcher) deliverChunk(ctx context.Context, records []Record) error {
	var view View
	if concern := d.concerning(records); len(concern) > 0 {
		ctx, cancel := d.limit(ctx)
		defer cancel()
		var err error
		if view, err = d.hub.log.View(ctx, concern, readers(concern, d.audience.memberships)); err != nil {
			return fmt.Errorf("loading the content of events: %w", err)
		}
	}
	for _, m := range view.Copies {
		d.audience.learn(m)
	}
	for _, r := range records {
		d.deliverRecord(r, &view)
	}
	return nil
}

// concerning returns the records that affect an online user: those with an event for them, and
// those that change their copies.
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

// readers returns the copies that the read marks among the records might concern.
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

// deliverRecord delivers a record to the users who may see it, and forgets the copies that end with
// it.
func (d *dispatcher) deliverRecord(r Record, view *View) {
	before, after := d.cursors.next(r)
	members := d.audience.conversations[r.Conversation]
	delivery := delivery{Record: r, before: before, after: after, view: view}
	for _, m := range slices.Backward(members) { // forget requires this order
		d.events = delivery.appendTo(d.events[:0], m.Membership)
		if len(d.events) > 0 {
			for _, s := range m.listener.subscriptions {
				if !s.push(&d.poll, r.ID, d.events) {
					s.overflowed(&d.poll, overflow{from: before, without: d.deliveredBefore(r)})
				}
			}
		}
		if m.EndRecord != 0 && m.EndRecord <= r.ID {
			d.audience.forget(m)
		}
	}
}
