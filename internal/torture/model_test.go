package torture

import (
	"slices"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user"
)

// A room is the model of a conversation: the messages, the copies, and for each user the events
// they must receive, in order.
type room struct {
	kind    chat.Kind
	id      int64
	creator user.ID
	busy    bool  // an act in it is in progress
	record  int64 // the id of the newest record
	written []*message
	copies  []*ownCopy // oldest first, including those that ended
	ledgers map[user.ID][]*entry

	fresh [][]*entry // the entries of the act in progress, by record
}

// A message holds all versions of its content.
type message struct {
	id, seq  int64
	sender   user.ID
	clientID string
	contents []string
	gone     bool // unsent, or its sender was erased
	read     bool // in a chat: read by the recipient
}

// An ownCopy is one user's copy of a room.
type ownCopy struct {
	id      int64
	owner   user.ID
	room    *room
	admin   bool
	floor   int64 // sequence numbers up to this were before the joining, or cleared
	through int64 // the sequence number up to which the owner has read
	hidden  map[*message]bool
	ended   bool
}

// An entry is an event that one user must receive.
type entry struct {
	record    int64
	derived   bool // the notification of a message
	operation realtime.Operation
	copy      *ownCopy
	about     *message
	version   int // the number of edits the message had
	// For a GROUP_MESSAGE_READ to a sender: one of their messages in (from, to] was read.
	from   int64
	to     int64
	actor  user.ID
	member int64
	erased bool
	last   bool // the copy ended with it
}

// shows reports whether a copy includes the message, even if the message was unsent.
func (c *ownCopy) shows(m *message) bool { return !c.ended && m.seq > c.floor && !c.hidden[m] }

// reads reports whether the owner of a copy can read a message.
func (c *ownCopy) reads(m *message) bool { return c.shows(m) && !m.gone }

// covered returns the owner's readable messages with a sequence number in (from, to].
func (c *ownCopy) covered(from, to int64) (messages []*message) {
	for _, m := range c.room.written {
		if m.sender == c.owner && from < m.seq && m.seq <= to && c.reads(m) {
			messages = append(messages, m)
		}
	}
	return messages
}

// due reports whether the entry must still be delivered, because its subject can still be seen.
func (e *entry) due() bool {
	switch {
	case e.last:
		return true
	case e.copy.ended:
		return false
	case e.to != 0:
		return len(e.copy.covered(e.from, e.to)) > 0
	case e.about == nil:
		return true
	}
	switch e.operation {
	case realtime.ChatMessageDeleted, realtime.GroupMessageDeleted:
		return true
	case realtime.ChatMessageUnsent, realtime.GroupMessageUnsent:
		return e.copy.shows(e.about)
	}
	return e.copy.reads(e.about)
}

func (r *room) present() (copies []*ownCopy) {
	for _, c := range r.copies {
		if !c.ended {
			copies = append(copies, c)
		}
	}
	return copies
}

func (r *room) copyOf(u user.ID) *ownCopy {
	for _, c := range r.present() {
		if c.owner == u {
			return c
		}
	}
	return nil
}

func (r *room) admins() (admins []*ownCopy) {
	for _, c := range r.present() {
		if c.admin {
			admins = append(admins, c)
		}
	}
	return admins
}

// named returns the operation for this kind of room.
func (r *room) named(inChat, inGroup realtime.Operation) realtime.Operation {
	if r.kind == chat.Group {
		return inGroup
	}
	return inChat
}

// tell adds a record with the same entry for the owner of each copy.
func (r *room) tell(e entry, copies []*ownCopy) {
	var told []*entry
	for _, c := range copies {
		each := e
		each.copy = c
		told = append(told, &each)
	}
	r.fresh = append(r.fresh, told)
}

// wrote enters the records of an act into the ledgers, once their ids are known.
func (r *room) wrote(ids []int64) {
	for i, told := range r.fresh {
		for _, e := range told {
			e.record = ids[i]
			r.ledgers[e.copy.owner] = append(r.ledgers[e.copy.owner], e)
		}
		r.record = ids[i]
	}
	r.fresh = nil
}

func (r *room) join(id int64, owner user.ID, admin bool) *ownCopy {
	last := int64(len(r.written))
	c := &ownCopy{id: id, owner: owner, room: r, admin: admin, floor: last, through: last, hidden: map[*message]bool{}}
	r.copies = append(r.copies, c)
	return c
}

func (r *room) joined(c *ownCopy, actor user.ID) {
	r.tell(entry{operation: realtime.MemberAdded, member: c.id, actor: actor}, r.present())
}

func (r *room) sent(m *message) {
	r.written = append(r.written, m)
	r.tell(entry{operation: r.named(realtime.ChatMessageCreated, realtime.GroupMessageCreated), about: m, actor: m.sender}, r.present())
	told := &r.fresh[len(r.fresh)-1]
	for _, e := range slices.Clone(*told) {
		if e.copy.owner != m.sender {
			notification := *e
			notification.operation, notification.derived = realtime.NotificationCreated, true
			*told = append(*told, &notification)
		}
	}
}

// showing returns the copies that include a message.
func (r *room) showing(m *message) []*ownCopy {
	return slices.DeleteFunc(r.present(), func(c *ownCopy) bool { return !c.shows(m) })
}

func (r *room) edited(m *message, content string) {
	m.contents = append(m.contents, content)
	r.tell(entry{operation: r.named(realtime.ChatMessageUpdated, realtime.GroupMessageUpdated), about: m, version: len(m.contents) - 1, actor: m.sender}, r.showing(m))
}

func (r *room) unsent(m *message) {
	m.gone = true
	r.tell(entry{operation: r.named(realtime.ChatMessageUnsent, realtime.GroupMessageUnsent), about: m, actor: m.sender}, r.showing(m))
}

func (c *ownCopy) hide(m *message) {
	c.hidden[m] = true
	c.room.tell(entry{operation: c.room.named(realtime.ChatMessageDeleted, realtime.GroupMessageDeleted), about: m, actor: c.owner}, []*ownCopy{c})
}

func (c *ownCopy) clear() {
	c.floor = int64(len(c.room.written))
	c.room.tell(entry{operation: c.room.named(realtime.ChatDeleted, realtime.GroupDeleted), actor: c.owner}, []*ownCopy{c})
}

// hasOfOthers reports whether there is a message between from and to, both exclusive, that the
// owner did not send and that any user can read.
func (r *room) hasOfOthers(owner user.ID, from, to int64) bool {
	return slices.ContainsFunc(r.written, func(m *message) bool {
		return from < m.seq && m.seq < to && m.sender != owner && len(r.reading(m)) > 0
	})
}

// reading returns the copies whose owners can read a message.
func (r *room) reading(m *message) []*ownCopy {
	return slices.DeleteFunc(r.present(), func(c *ownCopy) bool { return !c.reads(m) })
}

func (c *ownCopy) read(m *message) {
	r := c.room
	if r.kind == chat.OneToOne {
		m.read = true
		r.tell(entry{operation: realtime.ChatMessageRead, about: m, version: len(m.contents) - 1, actor: c.owner}, r.showing(m))
		return
	}
	from := c.through
	c.through = m.seq
	if m.sender == c.owner && !r.hasOfOthers(c.owner, from, m.seq) {
		return
	}
	e := entry{operation: realtime.GroupMessageRead, actor: c.owner}
	r.tell(e, nil)
	told := &r.fresh[len(r.fresh)-1]
	for _, other := range r.present() {
		each := e
		each.copy = other
		if other == c {
			each.about, each.version = m, len(m.contents)-1
		} else if each.from, each.to = from, m.seq; len(other.covered(from, m.seq)) == 0 {
			continue
		}
		*told = append(*told, &each)
	}
}

func (r *room) updated(actor user.ID) {
	r.tell(entry{operation: realtime.GroupUpdated, actor: actor}, r.present())
}

// end ends a membership and passes on the admin role if necessary. The actor of that is the member
// who left.
func (c *ownCopy) end(e entry) {
	r := c.room
	e.member = c.id
	r.tell(e, r.present())
	for _, told := range r.fresh[len(r.fresh)-1] {
		told.last = told.copy == c
	}
	c.ended = true
	if here := r.present(); len(here) > 0 && len(r.admins()) == 0 {
		here[0].admin = true
		r.updated(e.actor)
	}
}

// endAll ends every copy with one record.
func (r *room) endAll(e entry, told []*ownCopy) {
	r.tell(e, told)
	for _, e := range r.fresh[len(r.fresh)-1] {
		e.last = true
	}
	for _, c := range r.present() {
		c.ended = true
	}
}

// erasedFormer tells a group that a former member was erased, if a member loses a message by that.
func (r *room) erasedFormer(u user.ID) {
	wrote := slices.ContainsFunc(r.written, func(m *message) bool {
		return m.sender == u && len(r.reading(m)) > 0
	})
	for _, c := range slices.Backward(r.copies) {
		if r.kind == chat.Group && c.owner == u && wrote {
			r.tell(entry{operation: realtime.MemberLeft, member: c.id, erased: true}, r.present())
			return
		}
	}
}

// erased removes a user and all their messages from a room.
func (r *room) erased(u user.ID) {
	c := r.copyOf(u)
	switch {
	case c == nil:
		r.erasedFormer(u)
	case r.kind == chat.Group:
		c.end(entry{operation: realtime.MemberLeft, erased: true})
	case len(r.present()) == 1:
		c.ended = true // a self chat: no other user is told
	default:
		others := slices.DeleteFunc(r.present(), func(other *ownCopy) bool { return other == c })
		r.endAll(entry{operation: realtime.ChatDeleted, erased: true}, others)
	}
	for _, m := range r.written {
		m.gone = m.gone || m.sender == u
	}
}
