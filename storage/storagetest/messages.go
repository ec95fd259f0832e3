package storagetest

import (
	"strings"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// pair is two users' copies of one conversation, a chat or a group.
type pair struct {
	*fixture
	mine, others chat.Copy // alice's and bob's
	conversation int64
	ops          operations
}

// operations are those of one kind of conversation.
type operations struct {
	created, updated, deleted, unsent, cleared realtime.Operation
}

// record returns the record of an act on a message of the pair.
func (p *pair) record(op realtime.Operation, actor user.ID, m chat.Message) realtime.Record {
	return realtime.Record{
		Operation: op, Conversation: p.conversation, Kind: p.mine.Kind, Actor: actor, Message: m.ID, Seq: m.Seq,
	}
}

func chatPair(f *fixture) *pair {
	mine, others := f.chat(alice, bob)
	return &pair{f, mine, others, f.conversation(mine), operations{
		realtime.ChatMessageCreated, realtime.ChatMessageUpdated, realtime.ChatMessageDeleted,
		realtime.ChatMessageUnsent, realtime.ChatDeleted,
	}}
}

func groupPair(f *fixture) *pair {
	copies := f.group(alice, bob)
	return &pair{f, copies[0], copies[1], f.groupOf(copies[0]), operations{
		realtime.GroupMessageCreated, realtime.GroupMessageUpdated, realtime.GroupMessageDeleted,
		realtime.GroupMessageUnsent, realtime.GroupDeleted,
	}}
}

// inBoth makes two tests of one: in a chat and in a group.
func inBoth(name string, run func(*pair)) []test {
	return []test{
		{"in a chat, " + name, func(f *fixture) { run(chatPair(f)) }},
		{"in a group, " + name, func(f *fixture) { run(groupPair(f)) }},
	}
}

func messageTests() []test {
	var all []test
	for _, each := range []struct {
		name string
		run  func(*pair)
	}{
		{"a message appears unchanged in every copy", messageIsSent},
		{"content is stored unchanged", contentIsExact},
		{"a ClientID sends only once, forever", sendingIsIdempotent},
		{"a ClientID is scoped to its sender and conversation", clientIDHasScope},
		{"a removed message is not sent again", goneIsNotSentAgain},
		{"the sender edits a message for all users", messageIsEdited},
		{"the sender unsends a message for all users", messageIsUnsent},
		{"hiding removes a message only from the user's own copy", messageIsHidden},
		{"a cleared copy is empty and still usable", copyIsCleared},
		{"every method refuses a copy that does not exist", copyIsNotThere},
		{"a message that the copy does not show is not found", messageIsNotShown},
		{"a message is found by its id, with the copy that shows it", messageIsFound},
	} {
		all = append(all, inBoth(each.name, each.run)...)
	}
	return append(all, test{"a ClientID outlives a membership", clientIDOutlivesMembership})
}

func messageIsSent(p *pair) {
	var before chat.Message
	for i, by := range []chat.Copy{p.mine, p.others, p.mine} {
		now := p.tick()
		var m chat.Message
		records := p.recorded(func() {
			var err error
			m, err = p.store.AppendMessage(p.ctx, by, chat.Draft{Content: "hello", ClientID: "id"[i%2:]})
			p.NoError(err)
		})
		if i < 2 {
			p.Equal(chat.Message{
				ID: m.ID, Conversation: p.conversation, Seq: int64(i + 1), Sender: by.Owner,
				Content: "hello", ClientID: "id"[i%2:], Date: now,
			}, m)
			p.Equal([]realtime.Record{p.record(p.ops.created, by.Owner, m)}, records)
			p.Greater(m.ID, before.ID)
			p.Equal(m, p.message(p.mine, m.ID))
			p.Equal(m, p.message(p.others, m.ID))
			before = m
			continue
		}
		p.Empty(records, "the first message again")
	}
	p.shows(p.mine, "hello", "hello")
	p.shows(p.others, "hello", "hello")
	p.unread(1, p.mine)
	p.unread(1, p.others)
}

func contentIsExact(p *pair) {
	contents := []string{
		" \t leading and trailing \n ", "ünïcödé 你好 🧗🏽‍♀️ \u200b\u202e", "' OR 1=1; -- \" ? \\? $1 %s \\",
		"<b>&amp;</b>\r\n", "e\u0301 is not é", "\U0010FFFF\uFFFD\u0001", strings.Repeat("🧗", 10_000), "{\"json\": [1]}",
	}
	for _, content := range contents {
		m := p.send(p.mine, content)
		p.Equal(content, m.Content)
		p.Equal(content, p.message(p.others, m.ID).Content)
		p.tick()
		m, err := p.store.EditMessage(p.ctx, p.mine, m.ID, content+"!")
		p.NoError(err)
		p.Equal(content+"!", m.Content)
	}
	shown := p.messages(p.others)
	for i, content := range contents {
		p.Equal(content+"!", shown[len(shown)-1-i].Content)
	}
	id := "'\"?é\u0301🧗 " + strings.Repeat("x", 128)
	m := p.sendDraft(p.mine, chat.Draft{Content: "one", ClientID: id})
	p.Equal(id, p.message(p.mine, m.ID).ClientID)
}

func sendingIsIdempotent(p *pair) {
	d := chat.Draft{Content: "one", ClientID: "id"}
	m := p.sendDraft(p.mine, d)
	p.silent(func() { p.Equal(m, p.sendDraft(p.mine, d)) })
	m = p.read(p.others, m)
	if p.mine.Kind == chat.OneToOne {
		p.NotZero(m.ReadAt)
	}
	p.silent(func() { p.Equal(m, p.sendDraft(p.mine, d), "with all that happened to it") })
	p.refused(storage.ErrConflict, func() error {
		_, err := p.store.AppendMessage(p.ctx, p.mine, chat.Draft{Content: "another", ClientID: "id"})
		return err
	})
	p.tick()
	edited, err := p.store.EditMessage(p.ctx, p.mine, m.ID, "two")
	p.NoError(err)
	for _, content := range []string{"one", "two", "another"} {
		p.silent(func() {
			p.Equal(edited, p.sendDraft(p.mine, chat.Draft{Content: content, ClientID: "id"}), "an edited one, whatever the content")
		})
	}
	p.clock.advance(1000 * lifetime)
	p.silent(func() { p.Equal(edited, p.sendDraft(p.mine, d), "years later") })
	p.purge(0, 100)
	p.silent(func() { p.Equal(edited, p.sendDraft(p.mine, d), "after a purge") })
	p.shows(p.mine, "two")
	p.Equal(edited.Seq+1, p.send(p.mine, "next").Seq)
}

func clientIDHasScope(p *pair) {
	d := chat.Draft{Content: "one", ClientID: "id"}
	elsewhere, _ := p.chat(alice, carol)
	group := p.group(alice)[0]
	ids := map[int64]bool{}
	for _, c := range []chat.Copy{p.mine, p.others, elsewhere, group} {
		ids[p.sendDraft(c, d).ID] = true
	}
	ids[p.sendDraft(p.mine, chat.Draft{Content: "one", ClientID: "ID"}).ID] = true
	for range 2 {
		ids[p.sendDraft(p.mine, chat.Draft{Content: "without an id"}).ID] = true
	}
	p.Len(ids, 7, "each is a message of its own")
}

func goneIsNotSentAgain(p *pair) {
	sent := map[string]chat.Message{}
	for _, id := range []string{"unsent", "hidden", "edited and hidden", "cleared"} {
		sent[id] = p.sendDraft(p.mine, chat.Draft{Content: "one", ClientID: id})
	}
	conflict := func(id string) {
		p.t.Helper()
		p.refused(storage.ErrConflict, func() error {
			m, err := p.store.AppendMessage(p.ctx, p.mine, chat.Draft{Content: "one", ClientID: id})
			p.Zero(m.ID, id)
			return err
		})
	}
	p.unsend(p.mine, sent["unsent"])
	conflict("unsent")
	p.hide(p.mine, sent["hidden"])
	conflict("hidden")
	p.tick()
	_, err := p.store.EditMessage(p.ctx, p.mine, sent["edited and hidden"].ID, "two")
	p.NoError(err)
	p.hide(p.mine, sent["edited and hidden"])
	conflict("edited and hidden")
	p.clear(p.mine)
	conflict("cleared")
	p.clear(p.others)
	p.tick()
	p.purge(0, 100)
	for id := range sent {
		conflict(id)
	}
	p.Equal(int64(5), p.send(p.mine, "next").Seq)
}

func clientIDOutlivesMembership(f *fixture) {
	copies := f.group(alice, bob)
	f.sendDraft(copies[1], chat.Draft{Content: "one", ClientID: "id"})
	f.leave(copies[1])
	back := f.add(copies[0], bob)
	f.refused(storage.ErrConflict, func() error {
		_, err := f.store.AppendMessage(f.ctx, back, chat.Draft{Content: "one", ClientID: "id"})
		return err
	})
	f.shows(back)
	f.shows(copies[0], "one")
}

func messageIsEdited(p *pair) {
	m := p.send(p.mine, "one")
	p.hide(p.others, p.send(p.mine, "two"))
	p.refused(storage.ErrForbidden, func() error {
		_, err := p.store.EditMessage(p.ctx, p.others, m.ID, "mine now")
		return err
	})
	for _, content := range []string{"uno", "uno", "eins"} {
		now := p.tick()
		records := p.recorded(func() {
			edited, err := p.store.EditMessage(p.ctx, p.mine, m.ID, content)
			p.NoError(err)
			m.Content, m.EditedAt = content, now
			p.Equal(m, edited)
		})
		p.Equal([]realtime.Record{p.record(p.ops.updated, alice, m)}, records)
		p.Equal(m, p.message(p.others, m.ID))
	}
	second := p.messages(p.mine)[0]
	p.tick()
	_, err := p.store.EditMessage(p.ctx, p.mine, second.ID, "dos")
	p.NoError(err)
	p.shows(p.mine, "eins", "dos")
	p.shows(p.others, "eins")
}

func messageIsUnsent(p *pair) {
	first, second, third := p.send(p.mine, "one"), p.send(p.mine, "two"), p.send(p.others, "three")
	p.refused(storage.ErrForbidden, func() error { return p.store.UnsendMessage(p.ctx, p.others, second.ID) })
	p.Equal([]realtime.Record{p.record(p.ops.unsent, alice, second)}, p.recorded(func() { p.unsend(p.mine, second) }))
	p.shows(p.mine, "one", "three")
	p.shows(p.others, "one", "three")
	p.refused(storage.ErrNotFound, func() error { return p.store.UnsendMessage(p.ctx, p.mine, second.ID) })
	p.hide(p.others, first)
	p.unsend(p.mine, first)
	p.unsend(p.others, third)
	p.shows(p.mine)
	p.shows(p.others)
	p.Equal(int64(4), p.send(p.mine, "four").Seq, "a tombstone keeps its place")
}

func messageIsHidden(p *pair) {
	first, second := p.send(p.mine, "one"), p.send(p.others, "two")
	want := p.record(p.ops.deleted, bob, first)
	want.Recipient = bob
	p.Equal([]realtime.Record{want}, p.recorded(func() { p.hide(p.others, first) }))
	p.shows(p.others, "two")
	p.shows(p.mine, "one", "two")
	// The message of another user, hidden in alice's copy.
	p.hide(p.mine, second)
	p.hide(p.others, second)
	p.shows(p.others)
	p.shows(p.mine, "one")
	p.hide(p.mine, first)
	p.shows(p.mine)
	p.refused(storage.ErrNotFound, func() error { return p.store.HideMessage(p.ctx, p.mine, first.ID) })
}

func copyIsCleared(p *pair) {
	cleared := []realtime.Record{{
		Operation: p.ops.cleared, Conversation: p.conversation, Kind: p.mine.Kind, Actor: bob, Recipient: bob,
	}}
	p.Equal(cleared, p.recorded(func() { p.clear(p.others) }), "clearing an empty copy is an act as any")
	p.send(p.mine, "one")
	p.hide(p.others, p.send(p.mine, "two"))
	p.Equal(cleared, p.recorded(func() { p.clear(p.others) }))
	p.shows(p.others)
	p.shows(p.mine, "one", "two")
	m := p.send(p.others, "three")
	p.shows(p.others, "three")
	p.shows(p.mine, "one", "two", "three")
	p.hide(p.others, m)
	p.clear(p.others)
	p.clear(p.others)
	p.send(p.mine, "four")
	p.shows(p.others, "four")
	p.shows(p.mine, "one", "two", "three", "four")
}

// acts are all acts on a copy and on a message of it.
func acts(f *fixture, c chat.Copy, message int64) map[string]func() error {
	s := f.store
	return map[string]func() error{
		"AppendMessage":    func() error { _, err := s.AppendMessage(f.ctx, c, chat.Draft{Content: "x"}); return err },
		"ClearCopy":        func() error { return s.ClearCopy(f.ctx, c) },
		"ArchiveCopy":      func() error { return s.ArchiveCopy(f.ctx, c, true) },
		"Message":          func() error { _, err := s.Message(f.ctx, c, message); return err },
		"EditMessage":      func() error { _, err := s.EditMessage(f.ctx, c, message, "x"); return err },
		"UnsendMessage":    func() error { return s.UnsendMessage(f.ctx, c, message) },
		"HideMessage":      func() error { return s.HideMessage(f.ctx, c, message) },
		"ReadMessage":      func() error { _, err := s.ReadMessage(f.ctx, c, message); return err },
		"ReadThrough":      func() error { _, err := s.ReadThrough(f.ctx, c, message); return err },
		"Notification":     func() error { _, err := s.Notification(f.ctx, c, message); return err },
		"MarkNotification": func() error { _, err := s.MarkNotification(f.ctx, c, message); return err },
		"AddMember":        func() error { _, err := s.AddMember(f.ctx, c, dave, limit); return err },
		"SetAdmin":         func() error { _, err := s.SetAdmin(f.ctx, c, c.ID, true); return err },
		"UpdateGroup":      func() error { _, err := s.UpdateGroup(f.ctx, c, group.Update{Title: new("x")}); return err },
		"RemoveMember":     func() error { return s.RemoveMember(f.ctx, c, c.ID) },
		"Leave":            func() error { return s.Leave(f.ctx, c) },
		"RemoveGroup":      func() error { return s.RemoveGroup(f.ctx, c) },
	}
}

// ofMessages are the acts on a message.
func ofMessages() []string {
	return []string{"Message", "EditMessage", "UnsendMessage", "HideMessage", "ReadMessage", "ReadThrough", "Notification", "MarkNotification"}
}

// absent checks that every act refuses a copy that does not exist.
func (f *fixture) absent(c chat.Copy, message int64) {
	f.t.Helper()
	f.silent(func() {
		for name, act := range acts(f, c, message) {
			f.ErrorIs(act(), storage.ErrNotFound, "%s by %+v", name, c)
		}
	})
	copies := []chat.Copy{c}
	messages, err := f.store.Messages(f.ctx, copies, everything())
	f.NoError(err)
	f.Len(messages, 1)
	f.Empty(messages[0])
	counts, err := f.store.CountMessages(f.ctx, copies)
	f.NoError(err)
	f.Equal([]int{0}, counts)
	last, err := f.store.LastMessages(f.ctx, copies)
	f.NoError(err)
	f.Equal([]*chat.Message{nil}, last)
	f.unread(0, c)
	refs := []group.MessageRef{{Copy: c, Message: message}}
	readers, err := f.store.Readers(f.ctx, refs, everything())
	f.NoError(err)
	f.Len(readers, 1)
	f.Empty(readers[0])
	counts, err = f.store.CountReaders(f.ctx, refs)
	f.NoError(err)
	f.Equal([]int{0}, counts)
}

func copyIsNotThere(p *pair) {
	m := p.send(p.mine, "one")
	p.read(p.others, m)
	other := chat.OneToOne + chat.Group - p.mine.Kind
	for _, c := range []chat.Copy{
		{Kind: p.mine.Kind, ID: p.mine.ID, Owner: bob},
		{Kind: p.mine.Kind, ID: p.mine.ID, Owner: carol},
		{Kind: p.mine.Kind, ID: p.mine.ID, Owner: ""},
		{Kind: p.mine.Kind, ID: p.mine.ID, Owner: "Alice"},
		{Kind: other, ID: p.mine.ID, Owner: alice},
		{Kind: 0, ID: p.mine.ID, Owner: alice},
		{Kind: p.mine.Kind, ID: 1 << 40, Owner: alice},
		{Kind: p.mine.Kind, ID: 0, Owner: alice},
		{Kind: p.mine.Kind, ID: -1, Owner: alice},
	} {
		p.absent(c, m.ID)
	}
	p.shows(p.mine, "one")
	p.shows(p.others, "one")
}

func messageIsNotShown(p *pair) {
	elsewhere, _ := p.chat(alice, carol)
	hidden, unsent := p.send(p.mine, "hidden"), p.send(p.mine, "unsent")
	p.hide(p.mine, hidden)
	p.unsend(p.mine, unsent)
	check := func(what string, message int64) {
		p.t.Helper()
		all := acts(p.fixture, p.mine, message)
		p.silent(func() {
			for _, name := range ofMessages() {
				p.ErrorIs(all[name](), storage.ErrNotFound, "%s of one that %s", name, what)
			}
		})
		_, _, err := p.store.FindMessage(p.ctx, alice, message)
		if what != "is of another conversation" {
			p.ErrorIs(err, storage.ErrNotFound, "FindMessage of one that %s", what)
		}
	}
	check("was hidden", hidden.ID)
	check("was unsent", unsent.ID)
	check("is of another conversation", p.send(elsewhere, "elsewhere").ID)
	check("was never there", 1<<40)
	check("has no id", 0)
	cleared := p.send(p.mine, "cleared")
	p.clear(p.mine)
	check("was cleared", cleared.ID)
	p.shows(p.others, "hidden", "cleared")
}

func messageIsFound(p *pair) {
	m := p.send(p.mine, "one")
	find := func(viewer user.ID, want chat.Copy) {
		p.t.Helper()
		got, c, err := p.store.FindMessage(p.ctx, viewer, m.ID)
		p.NoError(err)
		p.Equal(m, got)
		p.Equal(want, c)
	}
	find(alice, p.mine)
	find(bob, p.others)
	_, _, err := p.store.FindMessage(p.ctx, carol, m.ID)
	p.ErrorIs(err, storage.ErrNotFound)
	p.hide(p.others, m)
	_, _, err = p.store.FindMessage(p.ctx, bob, m.ID)
	p.ErrorIs(err, storage.ErrNotFound)
	find(alice, p.mine)
}
