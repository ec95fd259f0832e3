package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A history is the events of one conversation in the order in which they were committed, and whose they were to be. An event is known by any text that
// no other event has.
type history struct {
	events []string
	shown  map[string][]span // by recipient
}

// A span is a part of a history that somebody was to get: the events from the first index up to, and without, the second. Where it ended, its last
// event is that of the end.
type span struct {
	from, to int
	ended    bool
}

// A device is one recipient's, and has what it received in the order of arrival.
type device struct {
	owner    string
	received []receipt
}

// A receipt is an event that arrived on a connection. Connections are numbered from 1 on.
type receipt struct {
	connection int
	event      string
}

// A verdict is how often the promises were kept, and broken.
type verdict struct {
	delivered int // events that were due, each once for each device
	repeated  int // that came again right after a resume, as they may
	withheld  int // of somebody whose removal came first, who has no right to them any more

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

// err is nil where every promise was kept, and there was something to keep.
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

// check holds what devices received against what they were to get.
//
// On one connection the events of a conversation must come in their order, each once. A new connection may repeat the last ones first. Nothing may
// be left out but what was still on its way to somebody when they were removed: of an ended span a device may lack the last events before that of the end.
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

// progress is how far a device has got in one history.
type progress struct {
	seen       map[int]bool
	latest     int // the highest index so far
	connection int // the last one on which there was something
	high       int // the highest index on that
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

// complete counts what is lacking in a span.
func (p *progress) complete(s span) (v verdict) {
	reached := s.to // behind what may not lack
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
