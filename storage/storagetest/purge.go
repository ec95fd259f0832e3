package storagetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func purgeTests() []test {
	return slices.Concat(
		[]test{{"a purge of nothing does nothing", purgeOfNothing}},
		inBoth("a purge moves no list and changes no count", purgeChangesNothing),
		inBoth("messages that no copy shows are emptied in batches", unseenIsEmptied),
		[]test{
			{"records are kept for the retention, and the newest older one stays", recordsArePruned},
			{"a record that looks old because the clock went back waits for those before it", clockWentBack},
			{"memberships that ended before the removed records are purged", membershipsArePruned},
			{"the rows of a removed group are purged", removedGroupIsPurged},
		},
	)
}

func purgeOfNothing(f *fixture) {
	f.silent(func() {
		n, err := f.store.Purge(f.ctx, lifetime, 100)
		f.NoError(err)
		f.Zero(n)
		f.purge(0, 100)
		f.purge(0, math.MaxInt)
		f.tick()
		for _, limit := range []int{0, -1, math.MinInt} {
			n, err := f.store.Purge(f.ctx, 0, limit)
			f.NoError(err)
			f.Zero(n, "at most %d rows", limit)
		}
	})
}

// everythingOf returns everything that a user sees, to compare it before and after.
func (f *fixture) everythingOf(u user.ID) string {
	f.t.Helper()
	chats, err := f.store.ListChats(f.ctx, u, chat.Filter{}, everything())
	f.NoError(err)
	groups, err := f.store.ListCopies(f.ctx, u, group.Filter{}, everything())
	f.NoError(err)
	notifications, err := f.store.ListNotifications(f.ctx, u, notify.Filter{}, everything())
	f.NoError(err)
	var all strings.Builder
	fmt.Fprintf(&all, "%#v\n%#v\n%#v\n", chats, groups, notifications)
	var copies []chat.Copy
	for _, c := range chats {
		copies = append(copies, c.Copy())
	}
	for _, c := range groups {
		copies = append(copies, c.Copy())
		fmt.Fprintf(&all, "%#v\n%#v\n", f.groupNow(c.Copy()), f.members(c.Copy()))
	}
	messages, err := f.store.Messages(f.ctx, copies, everything())
	f.NoError(err)
	counts, err := f.store.CountMessages(f.ctx, copies)
	f.NoError(err)
	unread, err := f.store.CountUnread(f.ctx, copies)
	f.NoError(err)
	fmt.Fprintf(&all, "%v\n%v\n", counts, unread)
	for i, page := range messages {
		for _, m := range page {
			fmt.Fprintf(&all, "%#v %v\n", m, f.readers(copies[i], m))
		}
	}
	return all.String()
}

func purgeChangesNothing(p *pair) {
	f := p.fixture
	for i := range 12 {
		m := f.send([]chat.Copy{p.mine, p.others}[i%2], fmt.Sprint(i))
		if i%3 == 0 {
			f.hide(p.mine, m)
		}
		if i%4 == 0 {
			f.hide(p.others, m)
		}
		if i%5 == 2 {
			f.unsend([]chat.Copy{p.mine, p.others}[i%2], m)
		}
		if i == 6 {
			f.read(p.others, f.messages(p.others)[0])
			f.mark(p.others, f.messages(p.others)[0])
			f.clear(p.mine)
		}
	}
	before := f.everythingOf(alice) + f.everythingOf(bob)
	for range 3 {
		f.clock.advance(lifetime)
		f.purge(lifetime/2, 2)
		f.Equal(before, f.everythingOf(alice)+f.everythingOf(bob))
	}
	m := f.send(p.mine, "next")
	f.Equal(int64(13), m.Seq)
}

func unseenIsEmptied(p *pair) {
	f := p.fixture
	tail := f.tail()
	var sent []chat.Message
	for i := range 6 {
		sent = append(sent, f.send(p.mine, fmt.Sprint(i)))
	}
	records := f.next(tail)
	f.hide(p.mine, sent[0])
	f.hide(p.others, sent[0])
	f.hide(p.mine, sent[1])
	f.purge(lifetime, 1)
	has := func(places ...int) {
		f.t.Helper()
		want := map[int64]string{}
		for _, i := range places {
			want[sent[i].ID] = fmt.Sprint(i)
		}
		f.Equal(want, contents(f.view(records)))
	}
	has(1, 2, 3, 4, 5)
	f.clear(p.others)
	f.hide(p.mine, sent[2])
	f.purge(lifetime, 1)
	has(3, 4, 5)
	late := f.send(p.mine, "late")
	f.clear(p.mine)
	f.purge(lifetime, 2)
	has()
	f.shows(p.mine)
	f.shows(p.others, "late")
	f.Equal(late.Seq+1, f.send(p.others, "next").Seq)
}

func recordsArePruned(f *fixture) {
	mine, _ := f.chat(alice, bob)
	var at []realtime.Position
	for range 4 {
		f.send(mine, "one")
		at = append(at, f.newest())
		f.clock.advance(time.Hour)
	}
	expired := func(want ...bool) {
		f.t.Helper()
		for i, p := range at {
			err := f.store.CheckPosition(f.ctx, p)
			if want[i] {
				f.ErrorIs(err, storage.ErrCursorExpired, "position %d", i)
			} else {
				f.NoError(err, "position %d", i)
			}
		}
	}
	count := func(want int) {
		f.t.Helper()
		records, err := f.store.Records(f.ctx, alice, 0, f.newest().ID, limit)
		f.NoError(err)
		n := 0
		for _, r := range records {
			if r.Operation == realtime.ChatMessageCreated {
				n++
			}
		}
		f.Equal(want, n)
	}
	f.purge(5*time.Hour, 1)
	expired(false, false, false, false)
	count(4)
	f.purge(150*time.Minute, 1) // the first and second are older
	expired(true, false, false, false)
	count(2)
	f.purge(30*time.Minute, 100)
	expired(true, true, true, false)
	count(0)
	f.clock.advance(lifetime)
	tail := f.tail()
	f.send(mine, "two")
	records := f.next(tail)
	f.Len(records, 1)
	f.Greater(records[0].ID, at[3].ID)
	f.NoError(f.store.CheckPosition(f.ctx, f.newest()))
}

// clockWentBack writes records whose times are an hour before those of earlier records in the log.
func clockWentBack(f *fixture) {
	mine, _ := f.chat(alice, bob)
	start := f.newest().ID
	f.clock.advance(time.Hour)
	f.send(mine, "young")
	f.clock.advance(-time.Hour)
	f.send(mine, "looks old")
	f.clock.advance(time.Hour)
	f.purge(30*time.Minute, 100)
	sent := []realtime.Operation{realtime.ChatMessageCreated, realtime.ChatMessageCreated}
	f.Equal(sent, f.operations(alice, start), "the first of them is young")
	f.clock.advance(time.Hour)
	f.send(mine, "one more")
	f.purge(30*time.Minute, 100)
	f.Equal(sent[:1], f.operations(alice, start), "all three records are old now")
}

func membershipsArePruned(f *fixture) {
	copies := f.group(alice, bob, carol)
	f.leave(copies[1])
	// A later record.
	f.newest()
	f.clock.advance(time.Hour)
	f.leave(copies[2])
	f.newest()
	f.purge(2*time.Hour, 1)
	f.Len(f.memberships(0, alice, bob, carol), 3)
	f.purge(30*time.Minute, 1)
	left := f.memberships(0, alice, bob, carol)
	f.Len(left, 2)
	f.NotContains(left, copies[1].ID)
	f.clock.advance(time.Hour)
	f.purge(30*time.Minute, 100)
	left = f.memberships(0, alice, bob, carol)
	f.Len(left, 1)
	f.Contains(left, copies[0].ID)
	back := f.add(copies[0], bob)
	f.NotEqual(copies[1].ID, back.ID, "the id of a purged membership must not be reused")
	f.NotEqual(copies[2].ID, back.ID)
}

func removedGroupIsPurged(f *fixture) {
	copies := f.group(alice, bob)
	id := f.groupOf(copies[0])
	tail := f.tail()
	m := f.send(copies[0], "one")
	records := f.next(tail)
	f.tick()
	f.NoError(f.store.RemoveGroup(f.ctx, copies[0]))
	f.newest()
	f.clock.advance(time.Hour)
	f.purge(time.Minute, 1)
	f.Empty(f.memberships(0, alice, bob))
	v := f.view(records)
	f.Empty(v.Messages)
	f.Empty(v.Copies)
	f.groupIsGone(id, m.ID, copies...)
	other := f.group(alice)
	f.NotEqual(id, f.groupOf(other[0]))
	f.Greater(f.send(other[0], "two").ID, m.ID)
}
