package main

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

// A load is a world with its traffic: the devices that listen and the messages that are sent.
type load struct {
	*world
	stats   *stats
	devices []*listener
	opened  chan struct{} // receives one value from each device that listens
}

// A listener is a device and the events that it has received so far.
type listener struct {
	owner *person

	mu       sync.Mutex
	received []receipt
}

const devicesPerUser = 2

func newLoad(w *world) *load {
	l := &load{world: w, stats: &stats{}}
	for _, p := range w.people {
		for range devicesPerUser {
			l.devices = append(l.devices, &listener{owner: p})
		}
	}
	l.opened = make(chan struct{}, len(l.devices))
	return l
}

func (l *load) listen(ctx context.Context, d *listener) error {
	first := true
	opened := func() {
		if first {
			first = false
			l.opened <- struct{}{}
		} else {
			l.stats.countResumed()
		}
	}
	err := follow(ctx, l.api.nodes, d.owner.token, d.owner.cursor, opened, func(connection int, e *event) {
		if sent, ok := sentAt(e.content()); ok {
			l.stats.countDelivered(time.Since(sent))
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.received = append(d.received, receipt{connection, e.ID})
	})
	if err != nil {
		return fmt.Errorf("a client was turned away: %w", err)
	}
	return nil
}

// allListen waits until every device listens.
func (l *load) allListen(ctx context.Context) error {
	for range l.devices {
		select {
		case <-l.opened:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// drive sends perSecond messages a second, over all users, and lets guests join and leave groups,
// until the context until ends. Each message is retried until a node confirms it.
func (l *load) drive(ctx, until context.Context, perSecond float64) error {
	pace := rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond/20)))
	all, ctx := errgroup.WithContext(ctx)
	for _, p := range l.people {
		all.Go(func() error {
			for n := 0; pace.Wait(until) == nil; n++ {
				if err := l.send(ctx, p.writes[mathrand.IntN(len(p.writes))], n); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, c := range l.conversations {
		if len(c.guests) > 0 {
			all.Go(func() error { return l.moveGuests(ctx, until, c) })
		}
	}
	return all.Wait()
}

// send sends the writer's message with this number. A writer has only one message in flight at a
// time.
func (l *load) send(ctx context.Context, w *writer, number int) error {
	content := fmt.Sprintf("%s %d %d", w.person.name, number, time.Now().UnixNano())
	field := "createChatMessage(chatId"
	if w.group {
		field = "createGroupMessage(groupCopyId"
	}
	err := l.api.ask(ctx, w.person.token, `mutation($copy: ID!, $content: String!, $id: String) { `+field+`: $copy, content: $content, clientMessageId: $id) { __typename } }`,
		map[string]any{"copy": w.copy, "content": content, "id": strconv.Itoa(number)}, &struct{}{})
	if err != nil {
		return fmt.Errorf("a message cannot be sent: %w", err)
	}
	w.sent = append(w.sent, content)
	l.stats.countSent()
	return nil
}

// sentAt parses the time of sending out of a message.
func sentAt(content string) (time.Time, bool) {
	nanoseconds, err := strconv.ParseInt(content[strings.LastIndexByte(content, ' ')+1:], 10, 64)
	return time.Unix(0, nanoseconds), err == nil
}

// moveGuests adds guests to a group, removes them, or lets them leave, at random.
func (l *load) moveGuests(ctx, until context.Context, c *conversation) error {
	for {
		select {
		case <-time.After(time.Duration(500+mathrand.IntN(1000)) * time.Millisecond):
		case <-until.Done():
			return nil
		}
		if err := l.move(ctx, c, c.guests[mathrand.IntN(len(c.guests))]); err != nil {
			return fmt.Errorf("a group cannot be changed: %w", err)
		}
	}
}

func (l *load) move(ctx context.Context, c *conversation, guest *person) error {
	membership, err := l.membership(ctx, c, guest)
	if err != nil {
		return err
	}
	if membership == "" {
		return l.join(ctx, c, guest)
	}
	if mathrand.IntN(2) == 0 {
		err = l.api.ask(ctx, c.owner.token, `mutation($copy: ID!, $member: ID!) { removeGroupMember(groupCopyId: $copy, memberId: $member) { success } }`,
			map[string]any{"copy": c.copy, "member": membership}, &struct{}{})
	} else {
		var copy string
		if copy, err = l.copyOf(ctx, c, guest); err != nil || copy == "" {
			return err
		}
		err = l.api.ask(ctx, guest.token, `mutation($copy: ID!) { leaveGroup(groupCopyId: $copy) { success } }`, map[string]any{"copy": copy}, &struct{}{})
	}
	if refused(err) {
		return nil
	}
	return err
}

// received returns the events that each device has received so far.
func (l *load) received() (all []device) {
	for _, d := range l.devices {
		d.mu.Lock()
		all = append(all, device{d.owner.id, d.received})
		d.mu.Unlock()
	}
	return all
}
