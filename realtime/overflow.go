package realtime

import (
	"slices"
	"time"
)

// A queue that has no room ends its subscription, for its consumer is slow. But a hub that was late, as after an outage of the database, may find more at once
// than a queue holds, and then nobody is to blame: what did not fit is resumed within the subscription.

// What a look brings so long after the one before, or after the hint that it follows, was late; and how long consumers have for what a late look fills their
// queues with.
const lateAfter, lateGrace = 100 * time.Millisecond, time.Second

// An overflow is the part of the log that did not fit into a queue: everything behind a position, but for what had been handed out before.
type overflow struct {
	from    Position
	without idSet // of records
}

// A pace tells a consumer who is slow from one whom the hub had wait.
type pace struct {
	look    uint64    // the one whose batch is being queued
	backlog int       // how many events were in the queue when that began
	lateAt  time.Time // when something was queued last that the hub was late with
	spared  bool      // that was just before
}

// note notes how many events were queued when a look's batch came.
func (p *pace) note(l *look, queued int) {
	if p.look != l.number {
		p.look, p.backlog, p.spared = l.number, queued, l.at.Sub(p.lateAt) <= lateGrace
	}
}

// queued notes that something of the look's batch was queued.
func (p *pace) queued(l *look) {
	if l.late {
		p.lateAt = l.at
	}
}

// slow reports whether a full queue is the consumer's fault: the hub looked into the log in time, or much was left in the queue all the while that it did not.
func (p *pace) slow(l *look, limit int) bool { return !p.spared && (!l.late || p.backlog > limit/2) }

// overflowed decides what becomes of a subscription after a push that had no room: the end, or that the consumer gets what is in the queue, and resumes
// behind it at its own pace.
func (s *Subscription) overflowed(l *look, o overflow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended != nil:
	case s.pace.slow(l, s.queue.limit):
		s.endLocked(ErrSlowConsumer)
		s.hub.leave(s)
	case !s.behind:
		if o.from.ID < s.from.ID { // on another node it was further already
			o.from = s.from
		}
		s.behind, s.overflow = true, &o
		signal(s.ready)
	}
}

// resumeOverflow has the subscription resume where its queue overflowed, once that is empty.
func (s *Subscription) resumeOverflow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overflow == nil || s.queue.count > 0 {
		return false
	}
	s.resume = resume{at: s.overflow.from, without: s.overflow.without}
	s.overflow = nil
	return true // behind until it is taken in again
}

// idSet is a set of ids, in two ordered parts, which it may share with others.
type idSet [2][]int64

func (s idSet) has(id int64) bool {
	for _, part := range s {
		if _, found := slices.BinarySearch(part, id); found {
			return true
		}
	}
	return false
}

// handedOut are the ids of what was handed out above the safe position when a queue first overflowed in a batch, and of what was to be then, both in
// their order.
type handedOut struct{ before, then []int64 }

// handedOutBefore returns the ids of what was handed out before a record of the batch in hand, above the safe position.
func (d *dispatcher) handedOutBefore(r Record) idSet {
	if d.handed == nil {
		d.handed = &handedOut{}
		for _, r := range d.window.records {
			if r.ID > d.safe.ID {
				d.handed.before = append(d.handed.before, r.ID)
			}
		}
		slices.Sort(d.handed.before)
		for _, r := range d.rest {
			d.handed.then = append(d.handed.then, r.ID)
		}
	}
	n, _ := slices.BinarySearch(d.handed.then, r.ID)
	return idSet{d.handed.before, d.handed.then[:n]}
}
