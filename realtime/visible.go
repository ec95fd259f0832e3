package realtime

import (
	"strconv"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// visible decides whether the owner of a copy gets an event for a record, and with which message,
// nil for none. Nothing else decides that, neither live nor in a replay. The membership must be as
// fresh as the view: see [overlay].
func visible(r Record, m Membership, v *View) (about *chat.Message, ok bool) {
	owner := m.Copy.Owner
	switch {
	case r.ID < m.JoinRecord:
		return nil, false // before they joined
	case m.EndRecord != 0 && m.EndRecord != r.ID:
		return nil, false // a former member gets the event of their own end, and no other
	case r.Recipient != "" && r.Recipient != owner:
		return nil, false
	}
	switch r.Operation {
	case ChatMessageCreated, ChatMessageUpdated, ChatMessageRead, GroupMessageCreated, GroupMessageUpdated:
		return shown(v.Messages[r.Message], m, v)
	case GroupMessageRead:
		if owner == r.Actor {
			return shown(v.Messages[r.Message], m, v)
		}
		return shown(v.Covered[r.ID][owner], m, v)
	case ChatMessageUnsent, GroupMessageUnsent:
		return nil, shows(m, v, r.Message, r.Seq)
	case ChatMessageDeleted, GroupMessageDeleted, ChatDeleted, GroupDeleted:
		return nil, r.Recipient == owner
	case GroupUpdated, GroupPermanentlyRemoved, MemberAdded, MemberRemoved, MemberLeft:
		return nil, true
	default:
		return nil, false // for nodes only
	}
}

func shown(message *chat.Message, m Membership, v *View) (*chat.Message, bool) {
	if message == nil || !shows(m, v, message.ID, message.Seq) {
		return nil, false
	}
	return message, true
}

// shows reports whether the copy shows the message with this sequence number.
func shows(m Membership, v *View, message, seq int64) bool {
	return seq > max(m.JoinedSeq, m.ClearedSeq) && !v.Hidden[HiddenMessage{Copy: m.Copy.ID, Message: message}]
}

// known returns the user, or "" if they were erased.
func (v *View) known(u user.ID) user.ID {
	if v.Erased[u] {
		return ""
	}
	return u
}

// joined returns the user who joined with a MEMBER_ADDED.
func (v *View) joined(r Record) user.ID {
	if r.Operation != MemberAdded {
		return ""
	}
	for _, m := range v.Copies {
		if m.Copy.ID == r.Member {
			return v.known(m.Copy.Owner)
		}
	}
	return ""
}

// cursors assigns cursors to a range of records, in the order in which they are delivered.
type cursors struct {
	at   Position // the cursor of the previous record; it never decreases
	safe Position // no later record is at or below it
}

// next returns the positions before and after a record. A client that resumes from before gets the
// record again. From either, it gets everything that was not delivered yet: neither is above an
// open record.
func (c *cursors) next(r Record) (before, after Position) {
	before = c.at
	p := r.Position
	if p.ID > c.safe.ID {
		p = c.safe
	}
	if p.ID > c.at.ID {
		c.at = p
	}
	return before, c.at
}

// A delivery makes the events of one record, for one copy after another. What they share is made
// once, and only if there is a recipient.
type delivery struct {
	Record
	before, after             Position
	view                      *View
	id, notifiedID            string
	actor, memberUser         user.ID
	cursorBefore, cursorAfter string
	memo, notified            *memo
}

// appendTo appends the events for the owner of a copy: none, one, or a message and its
// notification.
func (d *delivery) appendTo(events []Event, m Membership) []Event {
	about, ok := visible(d.Record, m, d.view)
	if !ok {
		return events
	}
	if d.memo == nil {
		d.id, d.cursorAfter, d.memo = strconv.FormatInt(d.ID, 10), d.after.String(), &memo{}
		d.actor, d.memberUser = d.view.known(d.Actor), d.view.joined(d.Record)
	}
	e := Event{
		ID:           d.id,
		Cursor:       d.cursorAfter,
		Operation:    d.Operation,
		At:           d.At,
		Actor:        d.actor,
		Copy:         m.Copy,
		Conversation: d.Conversation,
		MessageID:    d.Message,
		Message:      about,
		Member:       d.Member,
		MemberUser:   d.memberUser,
		Erased:       d.Erased,
		position:     d.after,
		memo:         d.memo,
	}
	switch {
	case about == nil:
		return append(events, e)
	case about.ID != d.Message: // in a GROUP_MESSAGE_READ, a message of this sender
		e.MessageID, e.memo = about.ID, &memo{}
		return append(events, e)
	case d.Operation != ChatMessageCreated && d.Operation != GroupMessageCreated, about.Sender == m.Copy.Owner:
		return append(events, e)
	}
	return d.appendNotified(events, e)
}

// appendNotified appends a CREATED and its notification. The cursor of the CREATED is before the
// record: a client that got only the CREATED gets both again after a resume.
func (d *delivery) appendNotified(events []Event, created Event) []Event {
	if d.notified == nil {
		d.notifiedID, d.cursorBefore, d.notified = d.id+"n", d.before.String(), &memo{}
	}
	notification := created
	notification.ID, notification.Operation, notification.memo = d.notifiedID, NotificationCreated, d.notified
	created.Cursor, created.position = d.cursorBefore, d.before
	return append(events, created, notification)
}
