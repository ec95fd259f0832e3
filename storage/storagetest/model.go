package storagetest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// model is what a store's views stand for: every user has a real copy of each conversation, with a
// real copy of every message. It is as simple as possible, so that a reader can see that it is
// correct.
type model struct {
	rooms  []*room
	copies []*ownCopy // in the order of their creation, including ended ones
	erased map[user.ID]bool
}

// room is a conversation: the state that its copies share.
type room struct {
	kind   chat.Kind
	id     int64
	group  group.Group
	copies []*ownCopy // the present copies
	sent   []*sending

	lastSend time.Time // by the clock that was ahead
}

// sending is the shared part of a sent message. It stays when copies of the message are removed.
type sending struct {
	id       int64
	sender   user.ID
	clientID string
	waiting  map[*ownCopy]bool // recipients who have neither read it nor left
	readers  map[*ownCopy]bool // recipients who have read it
}

// ownCopy is one user's copy of a conversation.
type ownCopy struct {
	chat.Copy
	room            *room
	other           user.ID
	admin, archived bool
	began, activity time.Time
	messages        []*ownMessage // oldest first
	ended           bool
}

// ownMessage is one user's copy of a message.
type ownMessage struct {
	chat.Message
	read   bool      // for a group
	marked time.Time // when its notification was marked
}

func (c *ownCopy) String() string {
	return fmt.Sprintf("copy %d of %s in %d", c.ID, c.Owner, c.room.id)
}

// GoString is the form in the log of a history.
func (c *ownCopy) GoString() string { return c.String() }

// GoString is the form in the log of a history.
func (m *ownMessage) GoString() string { return fmt.Sprintf("message %d by %s", m.ID, m.Sender) }

// GoString is the form in the log of a history.
func (s *sending) GoString() string { return fmt.Sprintf("sending %d as %q", s.id, s.clientID) }

func newModel() *model { return &model{erased: map[user.ID]bool{}} }

func (m *model) addRoom(kind chat.Kind, id int64) *room {
	r := &room{kind: kind, id: id}
	m.rooms = append(m.rooms, r)
	return r
}

func (m *model) join(r *room, id int64, owner user.ID, now time.Time) *ownCopy {
	c := &ownCopy{Copy: chat.Copy{Kind: r.kind, ID: id, Owner: owner}, room: r, began: now, activity: now}
	r.copies = append(r.copies, c)
	m.copies = append(m.copies, c)
	return c
}

// present returns the present copies of one user, or of all users if owner is "".
func (m *model) present(owner user.ID) []*ownCopy {
	return slices.DeleteFunc(slices.Clone(m.copies), func(c *ownCopy) bool {
		return c.ended || owner != "" && c.Owner != owner
	})
}

func (m *model) chatBetween(a, b user.ID) (mine, others *ownCopy) {
	for _, c := range m.present(a) {
		if c.Kind == chat.OneToOne && c.other == b {
			return c, c.room.copyOf(b)
		}
	}
	return nil, nil
}

func (r *room) copyOf(u user.ID) *ownCopy {
	for _, c := range r.copies {
		if c.Owner == u {
			return c
		}
	}
	return nil
}

func (r *room) admins() int {
	n := 0
	for _, c := range r.copies {
		if c.admin {
			n++
		}
	}
	return n
}

// message returns the copy of a message in c, or nil.
func (c *ownCopy) message(id int64) *ownMessage {
	for _, m := range c.messages {
		if m.ID == id {
			return m
		}
	}
	return nil
}

func (c *ownCopy) drop(drop func(*ownMessage) bool) {
	c.messages = slices.DeleteFunc(c.messages, drop)
}

// each calls a function for every copy of a message.
func (r *room) each(id int64, do func(*ownMessage)) {
	for _, c := range r.copies {
		if m := c.message(id); m != nil {
			do(m)
		}
	}
}

func (r *room) sentBefore(sender user.ID, clientID string) *sending {
	for _, s := range r.sent {
		if clientID != "" && s.sender == sender && s.clientID == clientID {
			return s
		}
	}
	return nil
}

// send adds a copy of the message to every copy of the room.
func (r *room) send(m chat.Message) {
	s := &sending{
		id: m.ID, sender: m.Sender, clientID: m.ClientID,
		waiting: map[*ownCopy]bool{}, readers: map[*ownCopy]bool{},
	}
	r.sent = append(r.sent, s)
	if m.Date.After(r.lastSend) {
		r.lastSend = m.Date
	}
	for _, c := range r.copies {
		c.messages = append(c.messages, &ownMessage{Message: m})
		if r.lastSend.After(c.activity) {
			c.activity = r.lastSend
		}
		if c.Owner != m.Sender {
			s.waiting[c] = true
		}
	}
}

// readThrough reads everything up to a message.
func (c *ownCopy) readThrough(seq int64, now time.Time) {
	for _, s := range c.room.sent[:seq] {
		if s.waiting[c] {
			s.readers[c] = true
			c.room.waitNoMore(s, c, now)
		}
	}
	for _, m := range c.messages {
		m.read = m.read || m.Seq <= seq
	}
}

// waitNoMore notes that a message no longer waits for c. If it now waits for no copy, it is read.
func (r *room) waitNoMore(s *sending, c *ownCopy, now time.Time) {
	delete(s.waiting, c)
	if len(s.waiting) == 0 {
		r.each(s.id, func(m *ownMessage) { m.ReadAt = now })
	}
}

// end ends a copy.
func (c *ownCopy) end(now time.Time) {
	r := c.room
	c.ended = true
	r.copies = slices.DeleteFunc(r.copies, func(other *ownCopy) bool { return other == c })
	for _, s := range r.sent {
		if s.waiting[c] {
			r.waitNoMore(s, c, now)
		}
		delete(s.readers, c)
	}
	if r.kind == chat.Group && len(r.copies) > 0 && r.admins() == 0 {
		r.copies[0].admin = true
	}
}

func (m *model) erase(u user.ID, now time.Time) {
	m.erased[u] = true
	for _, c := range m.present(u) {
		if c.Kind == chat.OneToOne {
			for _, each := range slices.Clone(c.room.copies) {
				each.end(now)
			}
			continue
		}
		c.end(now)
	}
	for _, c := range m.copies {
		c.drop(func(own *ownMessage) bool { return own.Sender == u })
	}
	for _, r := range m.rooms {
		if r.group.CreatedBy == u {
			r.group.CreatedBy = ""
		}
	}
}

// The functions below return what a user sees, as the store should return it.

func (c *ownCopy) asChat() chat.Chat {
	return chat.Chat{ID: c.ID, Conversation: c.room.id, Owner: c.Owner, Other: c.other, Archived: c.archived, Activity: c.activity}
}

func (c *ownCopy) asMember() group.Member {
	return group.Member{ID: c.ID, Group: c.room.id, User: c.Owner, Admin: c.admin, Joined: c.began}
}

func (c *ownCopy) asGroupCopy() group.Copy {
	return group.Copy{Member: c.asMember(), Archived: c.archived, Activity: c.activity}
}

func (r *room) asGroup() group.Group {
	g := r.group
	g.MembersCount = len(r.copies)
	return g
}

// newestFirst returns the messages of a copy.
func (c *ownCopy) newestFirst() []chat.Message {
	var all []chat.Message
	for _, m := range slices.Backward(c.messages) {
		all = append(all, m.Message)
	}
	return all
}

func (c *ownCopy) unread() int {
	n := 0
	for _, m := range c.messages {
		if c.Kind == chat.Group && !m.read && m.Sender != c.Owner || c.Kind == chat.OneToOne && m.ReadAt.IsZero() && m.Sender != c.Owner {
			n++
		}
	}
	return n
}

// readersOf returns the members who have read a message, oldest member first.
func (c *ownCopy) readersOf(m *ownMessage) []group.Member {
	var readers []group.Member
	for _, other := range c.room.copies {
		if c.room.sent[m.Seq-1].readers[other] {
			readers = append(readers, other.asMember())
		}
	}
	return readers
}

// listed sorts a list by key, highest first.
func listed[T any](items []T, key func(T) storage.Key) []T {
	slices.SortFunc(items, func(a, b T) int {
		x, y := key(a), key(b)
		return cmp.Or(cmp.Compare(y.Major, x.Major), cmp.Compare(y.Minor, x.Minor))
	})
	return items
}
