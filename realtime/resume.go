package realtime

import (
	"context"
	"errors"
	"time"

	"github.com/buddychat/buddychat/storage"
)

const (
	// How many replays ask the database at the same time, so that they leave connections to the dispatcher.
	maxReplays = 8
	// What lies at least between two logged outages of the replays.
	warnEvery = time.Minute
)

// resume is what a subscription goes through before its queue: pages from the database while the dispatcher
// does not know of it, then what the dispatcher had in memory when it took it in. None of it blocks anybody else.
type resume struct {
	in      bool         // taken in
	checked bool         // once in: the position that it was taken in behind is one of this log
	at      Position     // everything up to here is in events, or was delivered
	upTo    Position     // how far the database may be replayed
	without idSet        // the records behind it that were delivered, too
	missed  []Record     // once in: what follows
	copies  []Membership // the user's, as of then
	events  []Event      // to be delivered next
}

func (r *resume) done() bool { return r.in && r.checked && len(r.missed) == 0 && len(r.events) == 0 }

// begin is the part of a subscription that its caller waits for.
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

// check looks whether the position of the resume is one of this log. It comes after an arrival, so that what is in memory was in the log, too, when it was
// taken from there.
func (s *Subscription) check(ctx context.Context) error {
	r := &s.resume
	err := s.hub.insist(ctx, func(ctx context.Context) error { return s.hub.log.CheckPosition(ctx, r.at) })
	r.checked = r.in && err == nil
	return err
}

// arrive asks the dispatcher to take the subscription in.
func (s *Subscription) arrive(ctx context.Context, resume bool) (welcome, error) {
	w, err := s.hub.arrive(ctx, &arrival{subscription: s, resume: resume, from: s.resume.at, answer: make(chan welcome, 1)})
	if err != nil {
		return welcome{}, err
	}
	s.resume.in, s.resume.upTo, s.resume.missed, s.resume.copies = w.in, w.safe, w.missed, w.copies
	return w, nil
}

// replayed returns the next event of the replay, or false where it must be called again, or is done.
func (s *Subscription) replayed(ctx context.Context) (Event, bool, error) {
	r := &s.resume
	switch {
	case len(r.events) > 0:
		e := r.events[0]
		if r.events = r.events[1:]; len(r.events) == 0 {
			r.events = nil // not to hold the page
		}
		return e, true, nil
	case r.in && !r.checked:
		return Event{}, false, s.check(ctx)
	case r.in:
		return Event{}, false, s.hub.insist(ctx, s.replayMissed)
	case r.at.ID < r.upTo.ID:
		return Event{}, false, s.hub.insist(ctx, s.replayPage)
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
	t := trail{at: r.at, safe: r.upTo}
	events, err := s.replay(ctx, records, copies, &t)
	if err != nil {
		return err
	}
	// Last, so that nothing of it was pruned before it was read.
	if err := log.CheckPosition(ctx, r.at); err != nil {
		return err
	}
	r.events, r.at = events, t.at
	if len(records) < s.hub.pageSize {
		r.at = r.upTo
	}
	return nil
}

// replayMissed takes the next of the records that were in memory.
func (s *Subscription) replayMissed(ctx context.Context) error {
	r := &s.resume
	records := r.missed[:min(len(r.missed), s.hub.pageSize)]
	t := trail{at: r.at, safe: r.upTo}
	events, err := s.replay(ctx, records, r.copies, &t)
	if err != nil {
		return err
	}
	r.events, r.at, r.missed = events, t.at, r.missed[len(records):]
	return nil
}

// replay returns the events of the records that the user gets, as of now.
func (s *Subscription) replay(ctx context.Context, records []Record, copies []Membership, t *trail) ([]Event, error) {
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
		d.before, d.behind = t.next(r)
		if s.resume.without.has(r.ID) {
			continue
		}
		for _, m := range mine[r.Conversation] {
			events = d.appendTo(events, m)
		}
	}
	return events, nil
}

// overlay puts the fresh state of a copy in the place of what was known of it.
func overlay(copies []Membership, fresh Membership) []Membership {
	for i, m := range copies {
		if m.Copy.ID == fresh.Copy.ID {
			copies[i] = fresh
			return copies
		}
	}
	return append(copies, fresh)
}

// insist calls a function of a replay until it succeeds, or answers that the cursor has expired, with pauses after failures. The other
// errors are [ErrClosed] and that of ctx.
func (h *Hub) insist(ctx context.Context, call func(context.Context) error) error {
	for failures := 0; ; failures++ {
		err := h.attempt(ctx, patience(failures), call)
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

// attempt calls a function once there is a place for it.
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

// warn logs that replays fail, for all of them together.
func (h *Hub) warn(err error) {
	h.mu.Lock()
	now := time.Now()
	due := now.Sub(h.warned) >= warnEvery
	if due {
		h.warned = now
	}
	h.mu.Unlock()
	if due {
		h.opts.Logger.Warn("realtime: the log cannot be replayed; resumes wait for it", "error", err)
	}
}
