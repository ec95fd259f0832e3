package storagetest

import (
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func readMarkTests() []test {
	return []test{
		{"reading a message reads everything up to it", readsThrough},
		{"a read point never goes back", readPointStays},
		{"the read point can move to the reader's own message", readsThroughOwn},
		{"reading only own messages writes no event", readsNothingButOwn},
		{"unread counts the messages of others after the read point", groupUnread},
		{"the readers of a message are listed, oldest member first, in pages", readersAreListed},
		{"ReadAt is set once, when the last recipient has read the message", lastReaderReads},
		{"ReadAt is set when the last member who had not read the message leaves", lastReaderGoes},
		{"a message sent to no other member never gets a ReadAt", nobodyWasThere},
		{"members who join later do not count", laterMembersDoNotCount},
		{"hiding, clearing and archiving are not reading", clearingIsNotReading},
		{"a sender who leaves reads nothing", senderGoes},
		{"a member who rejoins does not count again", comingBackIsNotAwaited},
	}
}

func readsThrough(f *fixture) {
	copies := f.group(alice, bob, carol)
	f.send(copies[0], "before dave")
	late := f.add(copies[0], dave)
	var sent []chat.Message
	for range 4 {
		sent = append(sent, f.send(copies[0], "one"))
	}
	reads := func(c chat.Copy, m chat.Message, from int64) {
		f.t.Helper()
		var got chat.Message
		records := f.recorded(func() { got = f.read(c, m) })
		f.Equal(m, got)
		f.Equal([]realtime.Record{{
			Operation: realtime.GroupMessageRead, Conversation: m.Conversation, Kind: chat.Group,
			Actor: c.Owner, Message: m.ID, Seq: m.Seq, From: from,
		}}, records)
	}
	reads(copies[1], sent[1], 0)
	f.unread(2, copies[1])
	reads(copies[1], sent[3], sent[1].Seq)
	f.unread(0, copies[1])
	reads(late, sent[0], 1) // there is nothing for them before they joined
	f.unread(3, late)
	f.unread(5, copies[2])
}

func readPointStays(f *fixture) {
	copies := f.group(alice, bob, carol)
	first, second := f.send(copies[0], "one"), f.send(copies[0], "two")
	f.read(copies[1], second)
	for _, m := range []chat.Message{first, second} {
		f.silent(func() { f.Equal(m, f.read(copies[1], m)) })
		f.unread(0, copies[1])
	}
	mine, others := f.chat(alice, bob)
	m := f.send(mine, "in a chat")
	f.refused(storage.ErrNotFound, func() error { _, err := f.store.ReadThrough(f.ctx, others, m.ID); return err })
}

func readsThroughOwn(f *fixture) {
	copies := f.group(alice, bob)
	first := f.send(copies[0], "one")
	own := f.send(copies[1], "two")
	f.unread(1, copies[1])
	f.Equal(own, f.read(copies[1], own))
	now := f.clock.advance(0)
	f.unread(0, copies[1])
	f.Equal(now, f.message(copies[0], first.ID).ReadAt)
	f.Zero(f.message(copies[0], own.ID).ReadAt, "sending reads nothing, and one's own message is for the others to read")
	f.unread(1, copies[0])
}

func readsNothingButOwn(f *fixture) {
	copies := f.group(alice, bob, carol)
	f.send(copies[0], "one")
	own := f.send(copies[0], "two")
	f.silent(func() { f.Equal(own, f.read(copies[0], own)) })
	f.Zero(f.message(copies[1], own.ID).ReadAt)

	unsent := f.send(copies[1], "unsent")
	f.send(copies[2], "erased")
	own = f.send(copies[0], "three")
	f.unsend(copies[1], unsent)
	f.erase(carol)
	f.silent(func() { f.Equal(own, f.read(copies[0], own)) })

	nobodys := f.send(copies[1], "hidden from all")
	f.hide(copies[0], nobodys)
	f.hide(copies[1], nobodys)
	own = f.send(copies[0], "three and a half")
	f.silent(func() { f.Equal(own, f.read(copies[0], own)) })

	hidden := f.send(copies[1], "hidden from who reads")
	f.hide(copies[0], hidden)
	own = f.send(copies[0], "four")
	f.Len(f.recorded(func() { f.read(copies[0], own) }), 1)
	f.NotZero(f.message(copies[1], hidden.ID).ReadAt)
}

func groupUnread(f *fixture) {
	copies := f.group(alice, bob, carol)
	var sent []chat.Message
	for i := range 8 {
		sent = append(sent, f.send(copies[i%2], "one")) // alice's have even places here
	}
	f.unread(4, copies[0])
	f.unread(4, copies[1])
	f.unread(8, copies[2])
	f.read(copies[2], sent[1])
	f.unread(6, copies[2])
	f.hide(copies[2], sent[0]) // was read
	f.unread(6, copies[2])
	f.hide(copies[2], sent[2])
	f.unread(5, copies[2])
	f.unsend(copies[0], sent[4])
	f.unread(4, copies[2])
	f.unread(3, copies[1])
	f.unread(4, copies[0])
	f.hide(copies[2], sent[5])
	f.unsend(copies[1], sent[5]) // was hidden
	f.unread(3, copies[2])
	f.send(copies[2], "sending reads nothing")
	f.unread(3, copies[2])
	f.read(copies[2], sent[6])
	f.unread(1, copies[2])
	f.clear(copies[2])
	f.unread(0, copies[2])
	f.unread(4, copies[0])
	f.send(copies[0], "again")
	f.unread(1, copies[2])
}

// readers returns the users who have read a message, as the copy sees it.
func (f *fixture) readers(c chat.Copy, m chat.Message) []user.ID {
	f.t.Helper()
	refs := []group.MessageRef{{Copy: c, Message: m.ID}}
	all, err := f.store.Readers(f.ctx, refs, everything())
	f.NoError(err)
	f.Len(all, 1)
	n, err := f.store.CountReaders(f.ctx, refs)
	f.NoError(err)
	f.Equal([]int{len(all[0])}, n, "CountReaders")
	var users []user.ID
	for _, reader := range all[0] {
		users = append(users, reader.User)
	}
	return users
}

func readersAreListed(f *fixture) {
	copies := f.group(alice, bob, carol, dave, "erin", "frank")
	early := f.send(copies[0], "one")
	late := f.add(copies[0], "gina")
	m := f.send(copies[1], "two")
	f.Empty(f.readers(copies[0], m))
	for _, i := range []int{4, 1, 3, 0} {
		f.read(copies[i], m)
	}
	f.read(late, m)
	f.read(copies[2], early)
	f.Equal([]user.ID{alice, dave, "erin", "gina"}, f.readers(copies[2], m), "without the sender")
	f.Equal([]user.ID{bob, carol, dave, "erin"}, f.readers(copies[0], early), "without the users who joined later")

	hidden := f.send(copies[0], "three")
	f.read(copies[1], hidden)
	f.hide(copies[0], hidden)
	chats, _ := f.chat(alice, bob)
	refs := []group.MessageRef{
		{Copy: copies[0], Message: hidden.ID}, {Copy: copies[2], Message: m.ID}, {Copy: copies[0], Message: early.ID},
		{Copy: late, Message: early.ID}, {Copy: copies[2], Message: hidden.ID}, {Copy: copies[0], Message: 1 << 40},
		{Copy: chats, Message: f.send(chats, "in a chat").ID}, {Copy: copies[2], Message: m.ID},
	}
	n, err := f.store.CountReaders(f.ctx, refs)
	f.NoError(err)
	f.Equal([]int{0, 4, 4, 0, 1, 0, 0, 4}, n, "of what the copy shows, each in its place, also where it is asked for twice")
	all, err := f.store.Readers(f.ctx, refs, everything())
	f.NoError(err)
	f.Len(all, len(refs))
	for i := range all {
		f.Len(all[i], n[i])
	}
	members := f.members(copies[0])
	f.Equal([]group.Member{members[0], members[3], members[4], members[6]}, all[1])
	pages(f, all[1], group.Member.Key, func(r storage.Range) ([]group.Member, error) {
		page, err := f.store.Readers(f.ctx, refs, r)
		if err != nil {
			return nil, err
		}
		return page[1], nil
	})

	f.leave(copies[3])
	f.Equal([]user.ID{alice, "erin", "gina"}, f.readers(copies[2], m), "without the member who left")
	f.unsend(copies[1], m)
	f.Empty(f.readers(copies[2], m))
}

// readAt checks the ReadAt of the messages that a copy shows, oldest first.
func (f *fixture) readAt(c chat.Copy, want ...time.Time) {
	f.t.Helper()
	shown := f.messages(c)
	f.Len(shown, len(want))
	for i, m := range shown {
		f.Equal(want[len(want)-1-i], m.ReadAt, "ReadAt of the message at place %d", m.Seq)
		f.Equal(m, f.message(c, m.ID))
	}
}

func lastReaderReads(f *fixture) {
	var never time.Time
	copies := f.group(alice, bob, carol)
	first, second, third := f.send(copies[0], "one"), f.send(copies[1], "two"), f.send(copies[0], "three")
	f.read(copies[1], third)
	f.readAt(copies[0], never, never, never)
	f.read(copies[0], third)
	f.readAt(copies[0], never, never, never)
	got := f.read(copies[2], second)
	now := f.clock.advance(0)
	f.Equal(now, got.ReadAt, "the result must have ReadAt")
	f.readAt(copies[1], now, now, never)
	f.Equal(never, f.message(copies[0], third.ID).ReadAt)

	f.add(copies[0], dave)
	f.readAt(copies[0], now, now, never)
	f.hide(copies[2], third) // it is read past without being seen
	fourth := f.send(copies[0], "four")
	f.read(copies[2], fourth)
	later := f.clock.advance(0)
	f.readAt(copies[1], now, now, later, never)
	f.unsend(copies[1], second)
	f.leave(copies[2])
	f.readAt(copies[1], now, later, never)
	f.Equal(now, f.message(copies[1], first.ID).ReadAt)
}

func lastReaderGoes(f *fixture) {
	leave := func(_, c chat.Copy) error { return f.store.Leave(f.ctx, c) }
	remove := func(admin, c chat.Copy) error { return f.store.RemoveMember(f.ctx, admin, c.ID) }
	erase := func(_, c chat.Copy) error { return f.store.EraseUser(f.ctx, c.Owner) }
	for _, how := range []struct {
		name string
		goes func(admin, c chat.Copy) error
	}{{"leaves", leave}, {"is removed", remove}, {"is erased", erase}} {
		slow := user.ID("who " + how.name)
		copies := f.group(alice, bob, slow)
		first, second := f.send(copies[1], "one"), f.send(copies[1], "two")
		f.read(copies[0], first)
		f.readAt(copies[1], time.Time{}, time.Time{})
		now := f.tick()
		f.NoError(how.goes(copies[0], copies[2]), how.name)
		f.readAt(copies[1], now, time.Time{})
		f.readAt(f.add(copies[0], slow+" and is back"))
		f.readAt(copies[1], now, time.Time{})
		f.read(copies[0], second)
		f.readAt(copies[1], now, f.clock.advance(0))
	}

	copies := f.group(alice, bob) // the one who goes is the last that was waited for
	f.send(copies[1], "one")
	f.leave(copies[0])
	f.readAt(copies[1], f.clock.advance(0))
}

func nobodyWasThere(f *fixture) {
	var never time.Time
	copies := f.group(alice)
	alone := f.send(copies[0], "alone")
	f.read(copies[0], alone)
	late := f.add(copies[0], bob)
	m := f.send(copies[0], "one")
	f.read(late, m)
	now := f.clock.advance(0)
	f.readAt(copies[0], never, now)
	f.leave(late)
	f.readAt(copies[0], never, now)
	f.send(copies[0], "alone again")
	f.leave(f.add(copies[0], carol))
	f.readAt(copies[0], never, now, never)
}

func laterMembersDoNotCount(f *fixture) {
	copies := f.group(alice, bob)
	first := f.send(copies[0], "one")
	late := f.add(copies[0], carol)
	second := f.send(copies[0], "two")
	f.read(copies[1], second)
	now := f.clock.advance(0)
	f.readAt(copies[0], now, time.Time{})
	f.read(late, second)
	later := f.clock.advance(0)
	f.readAt(copies[0], now, later)
	f.Equal(now, f.message(copies[1], first.ID).ReadAt)
}

func clearingIsNotReading(f *fixture) {
	var never time.Time
	copies := f.group(alice, bob)
	first, second := f.send(copies[0], "one"), f.send(copies[0], "two")
	f.hide(copies[1], first)
	f.readAt(copies[0], never, never)
	f.clear(copies[1])
	f.NoError(f.store.ArchiveCopy(f.ctx, copies[1], true))
	f.mark(copies[0], f.send(copies[1], "three"))
	f.readAt(copies[0], never, never, never)
	f.Empty(f.readers(copies[0], second))
	fourth := f.send(copies[0], "four")
	f.read(copies[1], fourth)
	now := f.clock.advance(0)
	f.readAt(copies[0], now, now, never, now)
	f.Equal([]user.ID{bob}, f.readers(copies[0], second))
}

func senderGoes(f *fixture) {
	copies := f.group(alice, bob, carol)
	m := f.send(copies[1], "one")
	f.read(copies[0], m)
	f.leave(copies[1])
	f.readAt(copies[0], time.Time{})
	f.read(copies[2], m)
	f.readAt(copies[0], f.clock.advance(0))
}

func comingBackIsNotAwaited(f *fixture) {
	copies := f.group(alice, bob, carol)
	m := f.send(copies[0], "one")
	f.leave(copies[1])
	back := f.add(copies[0], bob)
	f.readAt(copies[0], time.Time{})
	f.read(copies[2], m)
	now := f.clock.advance(0)
	f.readAt(copies[0], now)
	second := f.send(copies[0], "two")
	f.read(copies[2], second)
	f.readAt(copies[0], now, time.Time{})
	f.read(back, second)
	f.readAt(copies[0], now, f.clock.advance(0))
	f.Equal([]user.ID{carol}, f.readers(copies[0], m))
	f.Equal([]user.ID{carol, bob}, f.readers(copies[0], second))
}
