package realtime

import (
	"context"
	"errors"
	"time"

	"github.com/buddychat/buddychat/storage"
)

const (
	// How many replays may query the database at the same time, so that connections remain for the
	// dispatcher.
	maxReplays = 8
	// The shortest time between two log lines about failing replays.
	warnEvery = time.Minute
)

// resume is the replay that a subscription delivers before its queue: first pages from the
// database, while the dispatcher does not have the subscription, then the records that the
// dispatcher had in memory when it registered it. No other subscription waits for it.
type resume struct {
	registered bool         // registered with the dispatcher
	checked    bool         // once registered: the start position was found in this log
	at         Position     // everything up to here is in events, or was delivered
	upTo       Position     // how far the database may be replayed
	without    idSet        // records after at, delivered before
	missed     []Record     // once registered: the records that follow
	copies     []Membership // the user's copies at that time
	events     []Event      // to be delivered next
}

func (r *resume) done() bool {
	return r.registered && r.checked && len(r.missed) == 0 && len(r.events) == 0
}

// begin is the part of subscribing that the caller of [Hub.Subscribe] waits for.
func (s *Subscription) begin(ctx context.Context, after string) error {
	if after == "" {
		w, err := s.arrive(ctx, false)
		s.start, s.resume.checked = w.safe.String(), true
		return err
	}
	from, err := ParseCursor(after)
	if err != nil {
		return err
	}
	s.start, s.resume.at = after, from
	if _, err := s.arrive(ctx, true); err != nil {
		return err
	}
	return s.check(ctx)
}

// check checks that the resume position is in this log. It runs after arrive, so that the records
// that came from memory were in the log, too, when they were taken.
func (s *Subscription) check(ctx context.Context) error {
	r := &s.resume
	err := s.hub.retry(ctx, func(ctx context.Context) error { return s.hub.log.CheckPosition(ctx, r.at) })
	r.checked = r.registered && err == nil
	return err
}

// arrive asks the dispatcher to register the subscription.
func (s *Subscription) arrive(ctx context.Context, resume bool) (welcome, error) {
	w, err := s.hub.arrive(ctx, &arrival{subscription: s, resume: resume, from: s.resume.at, answer: make(chan welcome, 1)})
	if err != nil {
		return welcome{}, err
	}
	s.resume.registered, s.resume.upTo, s.resume.missed, s.resume.copies = w.registered, w.safe, w.missed, w.copies
	return w, nil
}

// replayed returns the next event of the replay. It returns false if it must be called again, or
// the replay is done.
func (s *Subscription) replayed(ctx context.Context) (Event, bool, error) {
	r := &s.resume
	switch {
	case len(r.events) > 0:
		e := r.events[0]
		if r.events = r.events[1:]; len(r.events) == 0 {
			r.events = nil // free the page
		}
		return e, true, nil
	case r.registered && !r.checked:
		return Event{}, false, s.check(ctx)
	case r.registered:
		return Event{}, false, s.hub.retry(ctx, s.replayMissed)
	case r.at.ID < r.upTo.ID:
		return Event{}, false, s.hub.retry(ctx, s.replayPage)
	default:
		_, err := s.arrive(ctx, true)
		return Event{}, false, err
	}
}

// replayPage reads the next page from the database.
func (s *Subscription) replayPage(ctx context.Context) error {
	r, log := &s.resume, s.hub.log
	records, err := log.Records(ctx, s.user, r.at.ID, r.upTo.ID, s.hub.pageSize)
	if err != nil {
		return err
	}
	var copies []Membership
	if len(records) > 0 {
		if copies, err = log.Memberships(ctx, r.at.ID, s.user); err != nil {
			return err
		}
	}
	c := cursors{at: r.at, safe: r.upTo}
	events, err := s.replay(ctx, records, copies, &c)
	if err != nil {
		return err
	}
	// Check last: it proves that nothing of the page was pruned before it was read.
	if err := log.CheckPosition(ctx, r.at); err != nil {
		return err
	}
	r.events, r.at = events, c.at
	if len(records) < s.hub.pageSize {
		r.at = r.upTo
	}
	return nil
}

// replayMissed replays the next of the records that were in memory.
func (s *Subscription) replayMissed(ctx context.Context) error {
	r := &s.resume
	records := r.missed[:min(len(r.missed), s.hub.pageSize)]
	c := cursors{at: r.at, safe: r.upTo}
	events, err := s.replay(ctx, records, r.copies, &c)
	if err != nil {
		return err
	}
	r.events, r.at, r.missed = events, c.at, r.missed[len(records):]
	return nil
}

// replay returns the user's events of the records, in the current state.
func (s *Subscription) replay(ctx context.Context, records []Record, copies []Membership, c *cursors) ([]Event, error) {
	if len(records) == 0 {
		return nil, nil
	}
	mine := map[int64][]Membership{} // by conversation
	for _, m := range copies {
		mine[m.Conversation] = append(mine[m.Conversation], m)
	}
	view, err := s.hub.log.View(ctx, records, readers(records, func(conversation int64) []Membership { return mine[conversation] }))
	if err != nil {
		return nil, err
	}
	for _, m := range view.Copies {
		if m.Copy.Owner == s.user {
			mine[m.Conversation] = overlay(mine[m.Conversation], m)
		}
	}
	var events []Event
	for _, r := range records {
		d := delivery{Record: r, view: &view}
		d.before, d.after = c.next(r)
		if s.resume.without.contains(r.ID) {
			continue
		}
		for _, m := range mine[r.Conversation] {
			events = d.appendTo(events, m)
		}
	}
	return events, nil
}

// overlay replaces the known state of a copy with the fresh one.
func overlay(copies []Membership, fresh Membership) []Membership {
	for i, m := range copies {
		if m.Copy.ID == fresh.Copy.ID {
			copies[i] = fresh
			return copies
		}
	}
	return append(copies, fresh)
}

// retry calls a function of a replay until it succeeds or returns that the cursor has expired, with
// pauses after failures. The other errors are [ErrClosed] and that of ctx.
func (h *Hub) retry(ctx context.Context, call func(context.Context) error) error {
	for failures := 0; ; failures++ {
		err := h.attempt(ctx, callLimit(failures), call)
		switch {
		case err == nil, errors.Is(err, storage.ErrCursorExpired), errors.Is(err, ErrClosed):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		h.warn(err)
		timer := time.NewTimer(pause(failures))
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-h.done:
		}
		timer.Stop()
	}
}

// attempt calls a function once a replay slot is free.
func (h *Hub) attempt(ctx context.Context, limit time.Duration, call func(context.Context) error) error {
	select {
	case <-h.done:
		return ErrClosed
	default:
	}
	select {
	case h.replays <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-h.done:
		return ErrClosed
	}
	defer func() { <-h.replays }()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return call(ctx)
}

// warn logs that replays fail, once for all of them.
func (h *Hub) warn(err error) {
	h.mu.Lock()
	now := time.Now()
	due := now.Sub(h.warned) >= warnEvery
	if due {
		h.warned = now
	}
	h.mu.Unlock()
	if due {
		h.opts.Logger.Warn("realtime: cannot replay the log; resumes are paused", "error", err)
	}
}
