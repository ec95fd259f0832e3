package realtime

import (
	"context"
	"fmt"

	"github.com/buddychat/buddychat/user"
)

// arrival asks for a subscription to be taken into the audience.
type arrival struct {
	subscription *Subscription
	resume       bool
	from         Position     // where to resume
	answer       chan welcome // has room for the one answer
}

// welcome is the answer to an arrival.
type welcome struct {
	// safe is the Safe of the moment.
	safe Position
	// in says that the subscription is in: from now on it gets everything that is dispatched. Otherwise it must first be replayed up
	// to safe, and arrive again.
	in bool
	// missed is what was dispatched behind the position that it resumes from, and concerns the copies, in the order of the ids.
	missed []Record
	copies []Membership
}

// takeIn answers arrivals, at a moment when all that was found in the log is handed out: what follows goes to the
// queues of those who are in, and what came before they get now.
func (d *dispatcher) takeIn(ctx context.Context, arrivals []*arrival) error {
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
		return fmt.Errorf("loading the copies of those who arrive: %w", err)
	}
	for _, a := range ready {
		if d.hub.claim(a) {
			a.answer <- d.welcome(a, copies[a.subscription.user])
		}
	}
	return nil
}

// memberships loads the copies of all who arrive, and of each those that ended behind the earliest position that any of them comes from.
func (d *dispatcher) memberships(ctx context.Context, arrivals []*arrival) (map[user.ID][]Membership, error) {
	copies := make(map[user.ID][]Membership, len(arrivals))
	users := make([]user.ID, 0, len(arrivals))
	earliest := d.safe.ID
	for _, a := range arrivals {
		if a.resume {
			earliest = min(earliest, a.from.ID)
		}
		u := a.subscription.user
		if _, there := copies[u]; !there {
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
	s, w := a.subscription, welcome{safe: d.safe, in: true}
	from := d.safe
	if a.resume {
		from = a.from
		w.missed = d.missed(s.user, copies, from)
		if len(w.missed) > 0 {
			w.copies = copies
		}
		if len(w.missed) > s.queue.limit && from.ID < d.safe.ID {
			return welcome{safe: d.safe} // a replay up to there leaves less to hold
		}
	}
	if !s.takenIn(from) {
		return w // closed meanwhile
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
	return d.window.behind(from, func(r Record) bool {
		return conversations[r.Conversation] && (r.Recipient == "" || r.Recipient == u)
	})
}
