package realtime

import (
	"slices"
	"time"
)

// A full queue ends its subscription: its consumer is slow. After an outage of the database,
// though, the hub may be late and find more events at once than a queue holds. The consumer is not
// to blame then. The subscription continues, and gets the events that did not fit by a replay.

// A poll is late if it comes more than lateAfter after the previous one, or after the hint that
// prompted it. For lateGrace afterwards, a full queue does not count against the consumer.
const lateAfter, lateGrace = 100 * time.Millisecond, time.Second

// An overflow is the part of the log that did not fit into a queue: every record after a position,
// except for those that had been delivered before.
type overflow struct {
	from    Position
	without idSet // of records
}

// A lagPolicy decides whether a full queue is the fault of the consumer or of the hub.
type lagPolicy struct {
	poll    uint64    // the number of the poll whose batch is being queued
	backlog int       // how many events were queued when that batch came
	lateAt  time.Time // when an event of a late poll was last queued
	inGrace bool      // the poll came within lateGrace of lateAt
}

// beginBatch notes how many events were queued when the batch of a poll came.
func (l *lagPolicy) beginBatch(p *poll, queued int) {
	if l.poll != p.number {
		l.poll, l.backlog, l.inGrace = p.number, queued, p.at.Sub(l.lateAt) <= lateGrace
	}
}

// queued notes that an event of the poll's batch was queued.
func (l *lagPolicy) queued(p *poll) {
	if p.late {
		l.lateAt = p.at
	}
}

// slow reports whether the consumer is to blame for a full queue: the poll was on time, or the
// queue was already more than half full when its batch came. During the grace period the consumer
// is never to blame.
func (l *lagPolicy) slow(p *poll, limit int) bool {
	return !l.inGrace && (!p.late || l.backlog > limit/2)
}

// overflowed handles a push for which the queue had no room. A slow consumer's subscription ends.
// Otherwise the consumer gets what is queued, and then resumes after it at its own speed.
func (s *Subscription) overflowed(p *poll, o overflow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ended != nil:
	case s.lag.slow(p, s.queue.limit):
		s.endLocked(ErrSlowConsumer)
		s.hub.leave(s)
	case !s.catchingUp:
		if o.from.ID < s.from.ID { // it resumed from another node, which was ahead of this one
			o.from = s.from
		}
		s.catchingUp, s.overflow = true, &o
		signal(s.ready)
	}
}

// resumeOverflow starts the replay from where the queue overflowed, once the queue is empty, and
// reports whether it did. The subscription is catching up until it is registered again.
func (s *Subscription) resumeOverflow() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.overflow == nil || s.queue.count > 0 {
		return false
	}
	s.resume = resume{at: s.overflow.from, without: s.overflow.without}
	s.overflow = nil
	return true
}

// idSet is a set of ids in two sorted parts, which several sets may share.
type idSet [2][]int64

func (s idSet) contains(id int64) bool {
	for _, part := range s {
		if _, found := slices.BinarySearch(part, id); found {
			return true
		}
	}
	return false
}

// deliveredIDs has the ids of records above the safe position when a queue first overflowed in a
// batch: those delivered before it, and those in the rest of the batch. Both are sorted.
type deliveredIDs struct{ before, rest []int64 }

// deliveredBefore returns the ids of the records above the safe position that were delivered before
// a record of the current batch.
func (d *dispatcher) deliveredBefore(r Record) idSet {
	if d.delivered == nil {
		d.delivered = &deliveredIDs{}
		for _, r := range d.window.records {
			if r.ID > d.safe.ID {
				d.delivered.before = append(d.delivered.before, r.ID)
			}
		}
		slices.Sort(d.delivered.before)
		for _, r := range d.rest {
			d.delivered.rest = append(d.delivered.rest, r.ID)
		}
	}
	n, _ := slices.BinarySearch(d.delivered.rest, r.ID)
	return idSet{d.delivered.before, d.delivered.rest[:n]}
}
