package storagetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func chatTests() []test {
	return []test{
		{"a chat has two copies, even if both users open it", chatIsOpened},
		{"a user's chat with themselves has one copy", chatWithOneself},
		{"opening a chat writes one record", chatOpenedIsRecorded},
		{"only the owner sees their copy of a chat", chatIsPrivate},
		{"chats are listed by activity, in pages", chatsAreListed},
		{"only a sent message moves a chat in the list", chatsStay},
		{"a slow clock of a node moves no chat back", clocksDiffer},
		{"each user archives only their own copy", chatsAreArchived},
		{"a message of the other user is read only once", chatMessageIsRead},
		{"a user cannot read their own message", ownMessageIsNotRead},
		{"unread counts the other user's messages that the copy shows and that were not read", chatUnread},
	}
}

func chatIsOpened(f *fixture) {
	now := f.tick()
	mine, others, err := f.store.OpenChat(f.ctx, alice, bob)
	f.NoError(err)
	f.Equal(chat.Chat{ID: mine.ID, Conversation: mine.Conversation, Owner: alice, Other: bob, Activity: now}, mine)
	f.Equal(chat.Chat{ID: others.ID, Conversation: mine.Conversation, Owner: bob, Other: alice, Activity: now}, others)
	f.NotEqual(mine.ID, others.ID)
	f.NotZero(mine.Conversation)
	for range 2 {
		f.tick()
		a, b, err := f.store.OpenChat(f.ctx, alice, bob)
		f.NoError(err)
		f.Equal([]chat.Chat{mine, others}, []chat.Chat{a, b})
		b, a, err = f.store.OpenChat(f.ctx, bob, alice)
		f.NoError(err)
		f.Equal([]chat.Chat{mine, others}, []chat.Chat{a, b})
	}
	third, _, err := f.store.OpenChat(f.ctx, alice, carol)
	f.NoError(err)
	f.NotEqual(mine.Conversation, third.Conversation)
	f.NotEqual(mine.ID, third.ID)
}

func chatWithOneself(f *fixture) {
	now := f.tick()
	mine, others, err := f.store.OpenChat(f.ctx, alice, alice)
	f.NoError(err)
	f.Equal(mine, others)
	f.Equal(chat.Chat{ID: mine.ID, Conversation: mine.Conversation, Owner: alice, Other: alice, Activity: now}, mine)
	f.listsChats(alice, mine)
	f.send(mine.Copy(), "note")
	f.shows(mine.Copy(), "note")
	f.unread(0, mine.Copy())
	again, _, err := f.store.OpenChat(f.ctx, alice, alice)
	f.NoError(err)
	f.Equal(mine.ID, again.ID)
}

func chatOpenedIsRecorded(f *fixture) {
	var mine chat.Chat
	for _, other := range []user.ID{bob, alice} {
		records := f.recorded(func() {
			f.tick()
			var err error
			mine, _, err = f.store.OpenChat(f.ctx, alice, other)
			f.NoError(err)
		})
		f.Equal([]realtime.Record{{
			Operation: realtime.ChatOpened, Conversation: mine.Conversation, Kind: chat.OneToOne, Actor: alice,
		}}, records)
		f.silent(func() { f.chat(alice, other) })
		f.silent(func() { f.chat(other, alice) })
	}
}

func chatIsPrivate(f *fixture) {
	mine, others := f.chat(alice, bob)
	third, _ := f.chat(alice, carol)
	member := f.group(alice)[0]
	got, err := f.store.Chats(f.ctx, alice, mine.ID, others.ID, third.ID, member.ID, 1<<40)
	f.NoError(err)
	f.Len(got, 2)
	f.Equal(mine, got[mine.ID].Copy())
	f.Equal(third, got[third.ID].Copy())
	got, err = f.store.Chats(f.ctx, dave, mine.ID, others.ID)
	f.NoError(err)
	f.Empty(got)
	got, err = f.store.Chats(f.ctx, alice)
	f.NoError(err)
	f.Empty(got)
}

// listsChats checks the list of a user's chats, newest activity first.
func (f *fixture) listsChats(owner user.ID, want ...chat.Chat) {
	f.t.Helper()
	got, err := f.store.ListChats(f.ctx, owner, chat.Filter{}, everything())
	f.NoError(err)
	f.Len(got, len(want))
	if len(want) > 0 {
		f.Equal(want, got)
	}
	n, err := f.store.CountChats(f.ctx, owner, chat.Filter{})
	f.NoError(err)
	f.Equal(len(want), n)
}

func chatsAreListed(f *fixture) {
	var all []chat.Chat
	now := f.tick()
	for _, other := range []user.ID{bob, carol, dave, alice, "erin", "frank"} {
		if other == "erin" {
			now = f.tick() // the first four have the same activity, and are ordered by id
		}
		mine, _, err := f.store.OpenChat(f.ctx, alice, other)
		f.NoError(err)
		f.Equal(now, mine.Activity)
		all = append(all, mine)
	}
	f.chat(bob, carol)
	f.send(all[1].Copy(), "to the top")
	all[1].Activity = f.clock.advance(0)
	slices.SortFunc(all, func(a, b chat.Chat) int {
		return cmp.Or(b.Activity.Compare(a.Activity), cmp.Compare(b.ID, a.ID))
	})
	f.listsChats(alice, all...)
	pages(f, all, chat.Chat.Key, func(r storage.Range) ([]chat.Chat, error) {
		return f.store.ListChats(f.ctx, alice, chat.Filter{}, r)
	})
	f.listsChats("stranger")
}

// activity returns the activity of a chat or of a group copy.
func (f *fixture) activity(c chat.Copy) time.Time {
	f.t.Helper()
	if c.Kind == chat.Group {
		own, err := f.store.Copies(f.ctx, c.Owner, c.ID)
		f.NoError(err)
		return own[c.ID].Activity
	}
	own, err := f.store.Chats(f.ctx, c.Owner, c.ID)
	f.NoError(err)
	return own[c.ID].Activity
}

func chatsStay(f *fixture) {
	mine, others := f.chat(alice, bob)
	f.staysWhileUsed(mine, others)
}

// clocksDiffer acts on nodes whose clocks are a minute apart.
func clocksDiffer(f *fixture) {
	const apart = time.Minute
	onSlowNode := func(act func()) {
		f.clock.advance(-apart)
		act()
		f.clock.advance(apart)
	}
	older, _ := f.chat(alice, carol)
	for _, copies := range [][]chat.Copy{two(f.chat(alice, bob)), f.group(alice, bob)} {
		mine, others := copies[0], copies[1]
		opened := []time.Time{f.activity(mine), f.activity(others)}
		var first chat.Message
		onSlowNode(func() { first = f.send(mine, "before it was opened, by the clock of this node") })
		f.True(first.Date.Before(opened[0]))
		f.Equal(opened[0], f.activity(mine))
		f.Equal(opened[1], f.activity(others))

		moment := f.send(others, "ahead").Date
		onSlowNode(func() { f.send(mine, "late") })
		f.Equal(moment, f.activity(mine))
		f.Equal(moment, f.activity(others))
		f.sendTogether(mine, -apart)
		f.Equal(moment, f.activity(mine))
		onSlowNode(func() {
			if mine.Kind == chat.Group {
				joined := f.add(mine, carol)
				f.Equal(f.clock.advance(0), f.activity(joined), "the time of joining, not of the last message before it")
				f.send(mine, "to the new member")
				f.Equal(moment, f.activity(joined))
			}
		})
		moment = f.send(mine, "ahead again").Date
		f.Equal(moment, f.activity(others))
	}
	chats, err := f.store.ListChats(f.ctx, alice, chat.Filter{}, everything())
	f.NoError(err)
	f.Equal(older, chats[len(chats)-1].Copy(), "the chat without a send stays below")
}

func two(a, b chat.Copy) []chat.Copy { return []chat.Copy{a, b} }

// sendTogether sends several messages at the same time. A store may send them as one batch.
func (f *fixture) sendTogether(c chat.Copy, offset time.Duration) {
	f.t.Helper()
	f.clock.advance(offset)
	defer f.clock.advance(-offset)
	const sends = 8
	errs := make(chan error, sends)
	for range sends {
		go func() {
			_, err := f.store.AppendMessage(f.ctx, c, chat.Draft{Content: "together"})
			errs <- err
		}()
	}
	for range sends {
		f.NoError(<-errs)
	}
}

// staysWhileUsed checks that only a sent message moves the conversation in the lists of both users.
func (f *fixture) staysWhileUsed(mine, others chat.Copy) {
	f.t.Helper()
	first := f.sendDraft(mine, chat.Draft{Content: "one", ClientID: "1"})
	second := f.send(others, "two")
	moment := second.Date
	check := func(what string) {
		f.t.Helper()
		f.Equal(moment, f.activity(mine), "%s moved the sender's copy", what)
		f.Equal(moment, f.activity(others), "%s moved the other copy", what)
	}
	check("sending nothing else")
	f.sendDraft(mine, chat.Draft{Content: "one", ClientID: "1"})
	check("sending it again")
	f.tick()
	_, err := f.store.EditMessage(f.ctx, mine, first.ID, "uno")
	f.NoError(err)
	check("an edit")
	f.read(others, first)
	check("reading")
	f.mark(others, first)
	check("marking a notification")
	f.tick()
	f.NoError(f.store.ArchiveCopy(f.ctx, mine, true))
	check("archiving")
	f.hide(mine, first)
	check("hiding")
	f.unsend(others, second)
	check("unsending the newest")
	f.clear(mine)
	f.clear(others)
	check("clearing")
	f.tick()
	f.purge(0, 100)
	check("purging")
	moment = f.send(others, "three").Date
	check("sending")
}

func chatsAreArchived(f *fixture) {
	mine, others := f.chat(alice, bob)
	third, _ := f.chat(alice, carol)
	f.silent(func() {
		for range 2 {
			f.NoError(f.store.ArchiveCopy(f.ctx, mine, true))
		}
	})
	list := func(u user.ID, archived bool, want ...chat.Copy) {
		f.t.Helper()
		filter := chat.Filter{Archived: &archived}
		got, err := f.store.ListChats(f.ctx, u, filter, everything())
		f.NoError(err)
		f.Len(got, len(want))
		for i, c := range got {
			f.Equal(want[i], c.Copy())
			f.Equal(archived, c.Archived)
		}
		n, err := f.store.CountChats(f.ctx, u, filter)
		f.NoError(err)
		f.Equal(len(want), n)
	}
	list(alice, true, mine)
	list(alice, false, third)
	list(bob, true)
	list(bob, false, others)
	f.send(others, "a message does not unarchive")
	list(alice, true, mine)
	f.NoError(f.store.ArchiveCopy(f.ctx, mine, false))
	list(alice, true)
	list(alice, false, mine, third)
}

func chatMessageIsRead(f *fixture) {
	mine, others := f.chat(alice, bob)
	first, second := f.send(mine, "one"), f.send(mine, "two")
	var read chat.Message
	records := f.recorded(func() { read = f.read(others, second) })
	f.Equal([]realtime.Record{{
		Operation: realtime.ChatMessageRead, Conversation: f.conversation(mine), Kind: chat.OneToOne,
		Actor: bob, Message: second.ID, Seq: second.Seq,
	}}, records)
	second.ReadAt = f.clock.advance(0)
	f.Equal(second, read)
	f.Equal([]chat.Message{second, first}, f.messages(mine), "only that message is read")
	f.Equal([]chat.Message{second, first}, f.messages(others))
	f.silent(func() { f.Equal(second, f.read(others, second), "it is read only once") })
	f.clear(others)
	f.Equal(second, f.message(mine, second.ID), "clearing does not count as not reading")
}

func ownMessageIsNotRead(f *fixture) {
	mine, _ := f.chat(alice, bob)
	self, _ := f.chat(alice, alice)
	for _, c := range []chat.Copy{mine, self} {
		m := f.send(c, "mine")
		f.silent(func() { f.Equal(m, f.read(c, m)) })
		f.Equal(m, f.message(c, m.ID))
	}
	copies := f.group(alice, bob)
	m := f.send(copies[0], "in a group")
	f.refused(storage.ErrNotFound, func() error {
		_, err := f.store.ReadMessage(f.ctx, copies[1], m.ID)
		return err
	})
}

func chatUnread(f *fixture) {
	mine, others := f.chat(alice, bob)
	var sent []chat.Message
	for range 6 {
		sent = append(sent, f.send(mine, "to bob"))
	}
	f.send(others, "to alice")
	f.unread(6, others)
	f.unread(1, mine)
	f.read(others, sent[5])
	f.unread(5, others)
	f.hide(others, sent[0])
	f.unread(4, others)
	f.hide(others, sent[5]) // was read
	f.unread(4, others)
	f.unsend(mine, sent[1])
	f.unread(3, others)
	f.read(others, sent[2])
	f.unsend(mine, sent[2]) // was read
	f.unread(2, others)
	f.unsend(mine, sent[0]) // was hidden
	f.unread(2, others)
	f.hide(mine, sent[3]) // from the sender's copy alone
	f.unread(2, others)
	f.clear(others)
	f.unread(0, others)
	f.unread(1, mine)
	f.send(mine, "again")
	f.unread(1, others)
}
