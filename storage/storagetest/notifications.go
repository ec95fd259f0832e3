package storagetest

import (
	"cmp"
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func notificationTests() []test {
	return []test{
		{"every recipient of a message gets a notification, and its sender does not", recipientsAreNotified},
		{"notifications of all conversations form one list, in pages", notificationsAreListed},
		{"a notification is marked once, without an event", notificationIsMarked},
		{"reading a message does not mark its notification, or the reverse", markingIsNotReading},
		{"a notification shows the current message", notificationIsView},
		{"a notification disappears when the copy no longer shows its message", notificationGoes},
		{"a sent or invisible message has no notification", noNotification},
	}
}

// notifies checks the contents and the count of a user's notifications, newest first.
func (f *fixture) notifies(u user.ID, contents ...string) []notify.Notification {
	f.t.Helper()
	return f.notifiesOf(u, notify.Filter{}, contents...)
}

func (f *fixture) notifiesOf(u user.ID, filter notify.Filter, contents ...string) []notify.Notification {
	f.t.Helper()
	all, err := f.store.ListNotifications(f.ctx, u, filter, everything())
	f.NoError(err)
	var got []string
	for _, n := range all {
		got = append(got, n.Message.Content)
		f.Equal(u, n.Copy.Owner)
	}
	f.Equal(contents, got, "notifications of %s", u)
	n, err := f.store.CountNotifications(f.ctx, u, filter)
	f.NoError(err)
	f.Equal(len(contents), n)
	return all
}

func recipientsAreNotified(f *fixture) {
	mine, others := f.chat(alice, bob)
	self, _ := f.chat(alice, alice)
	copies := f.group(alice, bob, carol)
	f.send(self, "note")
	one := f.send(mine, "one")
	two := f.send(copies[1], "two")
	f.add(copies[0], dave)
	f.notifies(alice, "two")
	f.notifies(carol, "two")
	f.notifies(dave)
	f.notifies("stranger")
	f.Equal([]notify.Notification{{Copy: others, Message: one}}, f.notifies(bob, "one"))
	n, err := f.store.Notification(f.ctx, copies[2], two.ID)
	f.NoError(err)
	f.Equal(notify.Notification{Copy: copies[2], Message: two}, n)
}

func notificationsAreListed(f *fixture) {
	var to []chat.Copy
	for _, other := range []user.ID{bob, carol} {
		_, others := f.chat(alice, other)
		to = append(to, others)
	}
	to = append(to, f.group(alice, bob)[1], f.group(carol, alice)[0])
	var all []notify.Notification
	for i := range 8 {
		c := to[i*5%len(to)]
		m := f.send(c, "one")
		_, own, err := f.store.FindMessage(f.ctx, alice, m.ID)
		f.NoError(err)
		all = append(all, notify.Notification{Copy: own, Message: m})
	}
	slices.SortFunc(all, func(a, b notify.Notification) int { return cmp.Compare(b.Message.ID, a.Message.ID) })
	pages(f, all, notify.Notification.Key, func(r storage.Range) ([]notify.Notification, error) {
		return f.store.ListNotifications(f.ctx, alice, notify.Filter{}, r)
	})
	for i, n := range all {
		if i%3 == 0 {
			f.mark(n.Copy, n.Message)
			all[i].ReadAt = f.clock.advance(0)
		}
	}
	for _, read := range []bool{true, false} {
		some := slices.DeleteFunc(slices.Clone(all), func(n notify.Notification) bool { return n.ReadAt.IsZero() == read })
		pages(f, some, notify.Notification.Key, func(r storage.Range) ([]notify.Notification, error) {
			return f.store.ListNotifications(f.ctx, alice, notify.Filter{Read: &read}, r)
		})
		n, err := f.store.CountNotifications(f.ctx, alice, notify.Filter{Read: &read})
		f.NoError(err)
		f.Equal(len(some), n)
	}
}

func notificationIsMarked(f *fixture) {
	copies := f.group(alice, bob, carol)
	m := f.send(copies[0], "one")
	f.send(copies[0], "two")
	now := f.tick()
	want := notify.Notification{Copy: copies[1], Message: m, ReadAt: now}
	f.silent(func() {
		for range 2 {
			got, err := f.store.MarkNotification(f.ctx, copies[1], m.ID)
			f.NoError(err)
			f.Equal(want, got, "one that is marked stays as it is")
			f.tick()
		}
	})
	got, err := f.store.Notification(f.ctx, copies[1], m.ID)
	f.NoError(err)
	f.Equal(want, got)
	f.notifiesOf(bob, notify.Filter{Read: new(true)}, "one")
	f.notifiesOf(bob, notify.Filter{Read: new(false)}, "two")
	f.notifiesOf(carol, notify.Filter{Read: new(true)})
	f.notifiesOf(carol, notify.Filter{Read: new(false)}, "two", "one")
}

func markingIsNotReading(f *fixture) {
	mine, others := f.chat(alice, bob)
	copies := f.group(alice, bob)
	for _, p := range [][2]chat.Copy{{mine, others}, {copies[0], copies[1]}} {
		first, second := f.send(p[0], "one"), f.send(p[0], "two")
		f.mark(p[1], first)
		f.unread(2, p[1])
		f.Zero(f.message(p[0], first.ID).ReadAt)
		f.read(p[1], second)
		n, err := f.store.Notification(f.ctx, p[1], second.ID)
		f.NoError(err)
		f.Zero(n.ReadAt)
		f.NotZero(n.Message.ReadAt)
	}
}

func notificationIsView(f *fixture) {
	mine, others := f.chat(alice, bob)
	m := f.send(mine, "one")
	f.mark(others, m)
	marked := f.clock.advance(0)
	m.EditedAt = f.tick()
	m.Content = "uno"
	_, err := f.store.EditMessage(f.ctx, mine, m.ID, m.Content)
	f.NoError(err)
	m = f.read(others, m)
	f.Equal([]notify.Notification{{Copy: others, Message: m, ReadAt: marked}}, f.notifies(bob, "uno"))
}

func notificationGoes(f *fixture) {
	mine, others := f.chat(alice, bob)
	copies := f.group(alice, bob, carol)
	hidden, unsent := f.send(mine, "hidden"), f.send(mine, "unsent")
	f.send(copies[0], "left")
	f.mark(others, hidden)
	f.mark(others, unsent)
	f.notifies(bob, "left", "unsent", "hidden")
	f.hide(others, hidden)
	f.unsend(mine, unsent)
	f.notifies(bob, "left")
	f.leave(copies[1])
	f.notifies(bob)
	f.notifies(carol, "left")
	back := f.add(copies[0], bob)
	f.notifies(bob)
	f.send(mine, "cleared")
	f.send(copies[0], "stays")
	f.clear(others)
	f.notifies(bob, "stays")
	f.notifiesOf(bob, notify.Filter{Read: new(true)})
	f.clear(back)
	f.notifies(bob)
	f.notifies(carol, "stays", "left")
}

func noNotification(f *fixture) {
	mine, others := f.chat(alice, bob)
	self, _ := f.chat(alice, alice)
	m, note := f.send(mine, "one"), f.send(self, "note")
	third, _ := f.chat(carol, bob)
	for name, at := range map[string]struct {
		c       chat.Copy
		message int64
	}{
		"one's own":               {mine, m.ID},
		"a note to oneself":       {self, note.ID},
		"of another conversation": {third, m.ID},
		"of another's copy":       {chat.Copy{Kind: chat.OneToOne, ID: others.ID, Owner: carol}, m.ID},
		"that never was":          {others, 1 << 40},
	} {
		f.silent(func() {
			_, err := f.store.Notification(f.ctx, at.c, at.message)
			f.ErrorIs(err, storage.ErrNotFound, name)
			_, err = f.store.MarkNotification(f.ctx, at.c, at.message)
			f.ErrorIs(err, storage.ErrNotFound, name)
		})
	}
	f.notifiesOf(bob, notify.Filter{Read: new(true)})
}
