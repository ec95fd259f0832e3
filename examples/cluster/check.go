package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A history holds the events of one conversation in commit order, and who was to receive them. An
// event is identified by any unique text.
type history struct {
	events []string
	shown  map[string][]span // by recipient
}

// A span is a part of a history that a recipient must receive: the events from index from up to,
// but not including, index to. If ended is set, the recipient's membership ended with the last
// event of the span.
type span struct {
	from, to int
	ended    bool
}

// A device belongs to one recipient and lists what it received, in order of arrival.
type device struct {
	owner    string
	received []receipt
}

// A receipt is an event that arrived on a connection. Connections are numbered from 1.
type receipt struct {
	connection int
	event      string
}

// A verdict counts how often the promises were kept and broken.
type verdict struct {
	delivered int // distinct events received, per device
	repeated  int // events received again right after a resume, which is allowed
	withheld  int // events missing because the membership ended first, which is allowed

	missed, outOfOrder, duplicated, leaked int
}

func (v *verdict) add(w verdict) {
	v.delivered += w.delivered
	v.repeated += w.repeated
	v.withheld += w.withheld
	v.missed += w.missed
	v.outOfOrder += w.outOfOrder
	v.duplicated += w.duplicated
	v.leaked += w.leaked
}

// err returns nil if every promise was kept and at least one event was delivered.
func (v verdict) err() error {
	var broken []string
	for _, p := range []struct {
		count int
		what  string
	}{{v.missed, "missed"}, {v.outOfOrder, "out of order"}, {v.duplicated, "duplicated"}, {v.leaked, "leaked"}} {
		if p.count > 0 {
			broken = append(broken, fmt.Sprintf("%d %s", p.count, p.what))
		}
	}
	switch {
	case broken != nil:
		return errors.New("promises were broken: " + strings.Join(broken, ", "))
	case v.delivered == 0:
		return errors.New("nothing was delivered, so nothing was shown")
	}
	return nil
}

// check compares what the devices received with what they should have received.
//
// On one connection, the events of a conversation must arrive in order, once each. A new connection
// may first repeat the last ones. No event may be missing, with one exception: when a membership
// ends, events still on their way may be withheld. So in an ended span, the last events before the
// end may be missing, but not the end itself.
func check(histories []history, devices []device) (v verdict) {
	places := map[string]place{}
	for h := range histories {
		for i, event := range histories[h].events {
			places[event] = place{h, i}
		}
	}
	for _, d := range devices {
		v.add(checkDevice(histories, places, d))
	}
	return v
}

type place struct{ history, index int }

// progress records what a device has received of one history.
type progress struct {
	seen       map[int]bool
	latest     int // the highest index so far
	connection int // the last connection on which an event arrived
	high       int // the highest index on that connection
}

func checkDevice(histories []history, places map[string]place, d device) (v verdict) {
	by := make([]*progress, len(histories))
	for h := range by {
		by[h] = &progress{seen: map[int]bool{}, latest: -1}
	}
	for _, r := range d.received {
		at, known := places[r.event]
		if !known || !contains(histories[at.history].shown[d.owner], at.index) {
			v.leaked++
			continue
		}
		v.add(by[at.history].receive(r.connection, at.index))
	}
	for h, p := range by {
		for _, s := range histories[h].shown[d.owner] {
			v.add(p.complete(s))
		}
	}
	return v
}

func contains(spans []span, index int) bool {
	return slices.ContainsFunc(spans, func(s span) bool { return s.from <= index && index < s.to })
}

func (p *progress) receive(connection, index int) (v verdict) {
	if connection != p.connection {
		p.connection, p.high = connection, -1
	}
	switch {
	case !p.seen[index] && index < p.latest:
		v.outOfOrder++
	case p.seen[index] && index <= p.high:
		v.duplicated++
	case p.seen[index]:
		v.repeated++
	}
	if !p.seen[index] {
		v.delivered++
	}
	p.seen[index] = true
	p.latest, p.high = max(p.latest, index), max(p.high, index)
	return v
}

// complete counts the events of a span that are missing or withheld.
func (p *progress) complete(s span) (v verdict) {
	reached := s.to // every event before this index must have arrived
	if s.ended {
		for reached = s.to - 1; reached > s.from && !p.seen[reached-1]; reached-- {
			v.withheld++
		}
		if !p.seen[s.to-1] {
			v.missed++
		}
	}
	for i := s.from; i < reached; i++ {
		if !p.seen[i] {
			v.missed++
		}
	}
	return v
}
