package storagetest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// compare compares everything that users see with the model. It varies the way of asking.
func (h *history) compare() {
	h.t.Helper()
	way := rapid.IntRange(0, 1<<16).Draw(h.t, "way to ask")
	h.compareCopies(way)
	h.compareGroups(way)
	for i, u := range h.users {
		h.compareLists(u, way+i)
		h.compareNotifications(u, way+i)
	}
}

// either returns a nil filter, or one of the two values.
func either(way int) *bool {
	return []*bool{nil, new(true), new(false)}[way%3]
}

// must ends the history if a read fails.
func must[T any](h *history) func(T, error) T {
	return func(v T, err error) T {
		h.t.Helper()
		if err != nil {
			h.t.Fatalf("%T: %v", v, err)
		}
		return v
	}
}

// compareCopies compares what all copies show, and one of them in pages.
func (h *history) compareCopies(way int) {
	h.t.Helper()
	own := h.present("")
	var copies []chat.Copy
	for _, c := range own {
		copies = append(copies, c.Copy)
	}
	messages := must[[][]chat.Message](h)(h.store.Messages(h.ctx, copies, everything()))
	counts := must[[]int](h)(h.store.CountMessages(h.ctx, copies))
	unread := must[[]int](h)(h.store.CountUnread(h.ctx, copies))
	newest := must[[]*chat.Message](h)(h.store.LastMessages(h.ctx, copies))
	for i, c := range own {
		want := c.newestFirst()
		same(h.t, want, messages[i], "messages of "+c.String())
		h.count("messages of "+c.String(), len(want), counts[i])
		h.count("unread messages of "+c.String(), c.unread(), unread[i])
		var last []chat.Message
		if newest[i] != nil {
			last = append(last, *newest[i])
		}
		same(h.t, want[:min(1, len(want))], last, "the last message of "+c.String())
	}
	if len(own) == 0 {
		return
	}
	i := way % len(own)
	walk(h.t, 1+way%5, own[i].newestFirst(), chat.Message.Key, func(r storage.Range) ([]chat.Message, error) {
		page, err := h.store.Messages(h.ctx, copies[i:i+1], r)
		if err != nil {
			return nil, err
		}
		return page[0], nil
	})
}

func (h *history) count(what string, want, got int) {
	h.t.Helper()
	if want != got {
		h.t.Fatalf("the count of %s is %d, not %d", what, want, got)
	}
}

// compareGroups compares the members of all groups and the readers of messages, as one of the
// members sees them.
func (h *history) compareGroups(way int) {
	h.t.Helper()
	const most = 100 // messages at a time, as on a page
	var ids []int64
	var want [][]group.Member
	var refs []group.MessageRef
	var readers [][]group.Member
	for _, r := range h.rooms {
		if r.kind != chat.Group {
			continue
		}
		ids = append(ids, r.id)
		var members []group.Member
		for _, c := range r.copies {
			members = append(members, c.asMember())
		}
		want = append(want, members)
		if len(r.copies) == 0 {
			continue
		}
		c := r.copies[way%len(r.copies)]
		for _, m := range c.messages[:min(len(c.messages), most-len(refs))] {
			refs = append(refs, group.MessageRef{Copy: c.Copy, Message: m.ID})
			readers = append(readers, c.readersOf(m))
		}
	}
	viewer := h.users[way%len(h.users)]
	members := must[[][]group.Member](h)(h.store.Members(h.ctx, viewer, ids, everything()))
	for i, id := range ids {
		if !slices.ContainsFunc(want[i], func(m group.Member) bool { return m.User == viewer }) {
			want[i] = nil
		}
		same(h.t, want[i], members[i], fmt.Sprintf("members of group %d for %s", id, viewer))
	}
	got := must[[][]group.Member](h)(h.store.Readers(h.ctx, refs, everything()))
	counts := must[[]int](h)(h.store.CountReaders(h.ctx, refs))
	for i, ref := range refs {
		same(h.t, readers[i], got[i], fmt.Sprint("readers of message ", ref.Message))
		h.count(fmt.Sprint("readers of message ", ref.Message), len(readers[i]), counts[i])
	}
}

// compareLists compares the lists of one user.
func (h *history) compareLists(u user.ID, way int) {
	h.t.Helper()
	archived := either(way)
	var chats []chat.Chat
	var groups []group.Copy
	var ids []int64
	for _, c := range h.present(u) {
		if c.Kind == chat.Group {
			ids = append(ids, c.room.id)
		}
		switch {
		case archived != nil && *archived != c.archived:
		case c.Kind == chat.Group:
			groups = append(groups, c.asGroupCopy())
		default:
			chats = append(chats, c.asChat())
		}
	}
	gotChats := must[[]chat.Chat](h)(h.store.ListChats(h.ctx, u, chat.Filter{Archived: archived}, everything()))
	same(h.t, listed(chats, chat.Chat.Key), gotChats, "chats of "+string(u))
	h.count("chats of "+string(u), len(chats), must[int](h)(h.store.CountChats(h.ctx, u, chat.Filter{Archived: archived})))
	gotGroups := must[[]group.Copy](h)(h.store.ListCopies(h.ctx, u, group.Filter{Archived: archived}, everything()))
	same(h.t, listed(groups, group.Copy.Key), gotGroups, "group copies of "+string(u))
	h.count("group copies of "+string(u), len(groups), must[int](h)(h.store.CountCopies(h.ctx, u, group.Filter{Archived: archived})))

	seen := must[map[int64]group.Group](h)(h.store.Groups(h.ctx, u, h.groupIDs()...))
	h.count("groups that are seen by "+string(u), len(ids), len(seen))
	for _, c := range h.present(u) {
		if c.Kind == chat.Group {
			answered(h, "Groups", c.room.asGroup(), seen[c.room.id])
		}
	}
}

func (h *history) groupIDs() []int64 {
	var ids []int64
	for _, r := range h.rooms {
		if r.kind == chat.Group {
			ids = append(ids, r.id)
		}
	}
	return ids
}

func (c *ownCopy) notification(m *ownMessage) notify.Notification {
	return notify.Notification{Copy: c.Copy, Message: m.Message, ReadAt: m.marked}
}

func (h *history) compareNotifications(u user.ID, way int) {
	h.t.Helper()
	filter := notify.Filter{Read: either(way / 3)}
	var want []notify.Notification
	for _, c := range h.present(u) {
		for _, m := range c.messages {
			if m.Sender != u && (filter.Read == nil || *filter.Read != m.marked.IsZero()) {
				want = append(want, c.notification(m))
			}
		}
	}
	listed(want, notify.Notification.Key)
	list := func(r storage.Range) ([]notify.Notification, error) {
		return h.store.ListNotifications(h.ctx, u, filter, r)
	}
	same(h.t, want, must[[]notify.Notification](h)(list(everything())), "notifications of "+string(u))
	walk(h.t, 3+way%17, want, notify.Notification.Key, list)
	h.count("notifications of "+string(u), len(want), must[int](h)(h.store.CountNotifications(h.ctx, u, filter)))
}
