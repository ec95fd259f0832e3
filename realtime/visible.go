package realtime

import (
	"strconv"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// visible decides whether the owner of a copy is told of a record, and with which message, nil for none. It is the only place that
// does, live and in a replay. The membership is as fresh as the view: see [overlay].
func visible(r Record, m Membership, v *View) (about *chat.Message, ok bool) {
	owner := m.Copy.Owner
	switch {
	case r.ID < m.JoinRecord:
		return nil, false // before they were there
	case m.EndRecord != 0 && m.EndRecord != r.ID:
		return nil, false // whoever is gone is told of that, and of nothing else
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
		return nil, false // for nodes alone
	}
}

func shown(message *chat.Message, m Membership, v *View) (*chat.Message, bool) {
	if message == nil || !shows(m, v, message.ID, message.Seq) {
		return nil, false
	}
	return message, true
}

// shows reports whether the copy has the message of this place.
func shows(m Membership, v *View, message, seq int64) bool {
	return seq > max(m.JoinedSeq, m.ClearedSeq) && !v.Hidden[HiddenMessage{Copy: m.Copy.ID, Message: message}]
}

// known returns the user, nobody where they were erased.
func (v *View) known(u user.ID) user.ID {
	if v.Erased[u] {
		return ""
	}
	return u
}

// joined returns who joined with a MEMBER_ADDED.
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

// A trail gives the records of a stretch of the log, in the order in which they are delivered, their cursors.
type trail struct {
	at   Position // the cursor of the record before; it never falls
	safe Position // nothing at or below it comes later
}

// next returns the positions before and behind a record. Whoever resumes from the former gets it again, from either gets
// everything that was not delivered yet: neither is above what is open.
func (t *trail) next(r Record) (before, behind Position) {
	before = t.at
	p := r.Position
	if p.ID > t.safe.ID {
		p = t.safe
	}
	if p.ID > t.at.ID {
		t.at = p
	}
	return before, t.at
}

// A delivery makes the events of one record, for one copy after another. What they share is made once, and only where there is a recipient.
type delivery struct {
	Record
	before, behind             Position
	view                       *View
	id, notifiedID             string
	actor, memberUser          user.ID
	cursorBefore, cursorBehind string
	memo, notified             *memo
}

// appendTo appends what the owner of a copy is told: nothing, one event, or a message and its notification.
func (d *delivery) appendTo(events []Event, m Membership) []Event {
	about, ok := visible(d.Record, m, d.view)
	if !ok {
		return events
	}
	if d.memo == nil {
		d.id, d.cursorBehind, d.memo = strconv.FormatInt(d.ID, 10), d.behind.String(), &memo{}
		d.actor, d.memberUser = d.view.known(d.Actor), d.view.joined(d.Record)
	}
	e := Event{
		ID:           d.id,
		Cursor:       d.cursorBehind,
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
		position:     d.behind,
		memo:         d.memo,
	}
	switch {
	case about == nil:
		return append(events, e)
	case about.ID != d.Message: // in a GROUP_MESSAGE_READ, a sender's own
		e.MessageID, e.memo = about.ID, &memo{}
		return append(events, e)
	case d.Operation != ChatMessageCreated && d.Operation != GroupMessageCreated, about.Sender == m.Copy.Owner:
		return append(events, e)
	}
	return d.appendNotified(events, e)
}

// appendNotified appends a CREATED and the notification of it. The cursor of the former lies before the record, so
// that whoever has it and nothing more gets both again.
func (d *delivery) appendNotified(events []Event, created Event) []Event {
	if d.notified == nil {
		d.notifiedID, d.cursorBefore, d.notified = d.id+"n", d.before.String(), &memo{}
	}
	notification := created
	notification.ID, notification.Operation, notification.memo = d.notifiedID, NotificationCreated, d.notified
	created.Cursor, created.position = d.cursorBefore, d.before
	return append(events, created, notification)
}
