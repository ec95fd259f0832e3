package realtime

import (
	"context"
	"fmt"

	"github.com/buddychat/buddychat/user"
)

// arrival asks the dispatcher to register a subscription in the audience.
type arrival struct {
	subscription *Subscription
	resume       bool
	from         Position     // where to resume
	answer       chan welcome // buffered, for the one answer
}

// welcome is the answer to an arrival.
type welcome struct {
	// safe is the Safe of the dispatcher when it answered.
	safe Position
	// registered says that the subscription is registered: from now on it gets everything that is
	// dispatched. Otherwise it must first be replayed up to safe, and then arrive again.
	registered bool
	// missed has the records dispatched after the resume position in the user's conversations, in
	// the order of their ids.
	missed []Record
	copies []Membership
}

// answerArrivals answers arrivals. Everything read from the log has been delivered by then: later
// records go to the queues of the registered subscriptions, and earlier ones are in the answer.
func (d *dispatcher) answerArrivals(ctx context.Context, arrivals []*arrival) error {
	ready := arrivals[:0]
	for _, a := range arrivals {
		if !a.resume || d.window.covers(a.from) {
			ready = append(ready, a)
		} else if d.hub.claim(a) {
			a.answer <- welcome{safe: d.safe}
		}
	}
	if len(ready) == 0 {
		return nil
	}
	copies, err := d.memberships(ctx, ready)
	if err != nil {
		return fmt.Errorf("loading the copies of arriving users: %w", err)
	}
	for _, a := range ready {
		if d.hub.claim(a) {
			a.answer <- d.welcome(a, copies[a.subscription.user])
		}
	}
	return nil
}

// memberships loads the copies of all arriving users, including those that ended after the earliest
// position that any of them resumes from.
func (d *dispatcher) memberships(ctx context.Context, arrivals []*arrival) (map[user.ID][]Membership, error) {
	copies := make(map[user.ID][]Membership, len(arrivals))
	users := make([]user.ID, 0, len(arrivals))
	earliest := d.safe.ID
	for _, a := range arrivals {
		if a.resume {
			earliest = min(earliest, a.from.ID)
		}
		u := a.subscription.user
		if _, known := copies[u]; !known {
			copies[u] = nil
			users = append(users, u)
		}
	}
	ctx, cancel := d.limit(ctx)
	defer cancel()
	all, err := d.hub.log.Memberships(ctx, earliest, users...)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		copies[m.Copy.Owner] = append(copies[m.Copy.Owner], m)
	}
	return copies, nil
}

func (d *dispatcher) welcome(a *arrival, copies []Membership) welcome {
	s, w := a.subscription, welcome{safe: d.safe, registered: true}
	from := d.safe
	if a.resume {
		from = a.from
		w.missed = d.missed(s.user, copies, from)
		if len(w.missed) > 0 {
			w.copies = copies
		}
		if len(w.missed) > s.queue.limit && from.ID < d.safe.ID {
			// replay up to safe first: then fewer records must be held in memory
			return welcome{safe: d.safe}
		}
	}
	if !s.register(from) {
		return w // closed in the meantime
	}
	d.audience.add(s)
	for _, m := range copies {
		if m.EndRecord == 0 || m.EndRecord > d.safe.ID {
			d.audience.learn(m)
		}
	}
	return w
}

func (d *dispatcher) missed(u user.ID, copies []Membership, from Position) []Record {
	conversations := make(map[int64]bool, len(copies))
	for _, m := range copies {
		conversations[m.Conversation] = true
	}
	return d.window.after(from, func(r Record) bool {
		return conversations[r.Conversation] && (r.Recipient == "" || r.Recipient == u)
	})
}
