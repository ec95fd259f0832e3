package realtime

import (
	"sync"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// Event is one event as one user gets it. It shows the state at the moment of delivery: a CREATED may carry a later edit.
//
// What it points to is shared by all recipients, and must not be changed.
type Event struct {
	// ID is the same for every recipient, on every device and node: the record's number, followed by "n" in the NOTIFICATION_CREATED
	// that is derived from a message's CREATED.
	ID string
	// Cursor is where to resume from once this event is dealt with. It never falls within a subscription. A resume
	// may repeat events, with the same ID, and skips none.
	Cursor    string
	Operation Operation
	At        time.Time // when it happened; in a GROUP_MESSAGE_READ, when the Actor read
	// Actor is who did it, "" for nobody, or somebody who was erased.
	Actor user.ID
	// Copy is the recipient's copy of the conversation that it happened in, also where that ended with this very event.
	// The recipient is its Owner.
	Copy chat.Copy
	// Conversation is what all recipients share: of a group it is the group's id.
	Conversation int64
	// MessageID is the message that it is about, 0 for none, and Message its state, nil where it has no content any more or
	// the event needs none (UNSENT, DELETED). In a GROUP_MESSAGE_READ that is to the reader the message that was marked, and to a
	// sender the newest of theirs that is newly covered. ClientID is the sender's business alone: whoever renders
	// the message for others leaves it out.
	MessageID int64
	Message   *chat.Message
	// Member is, in a MEMBER_*, the id of the membership, 0 elsewhere. MemberUser is, in a MEMBER_ADDED, whose it is, also where they are gone
	// again; "" for somebody who was erased.
	Member     int64
	MemberUser user.ID
	// Erased says that it happened because a user was erased: what the Actor of it wrote is gone.
	Erased bool

	position Position // of the Cursor
	memo     *memo
}

// Memo returns what make made for this key when it was first asked for by any of the events that differ from this one in
// Copy and Cursor alone, so that what all recipients share is rendered once. The key is compared by ==; two packages that
// use it tell their keys apart by types of their own, as with a context. Calls may be concurrent: all wait for the first.
// make must not call Memo of the same event. An event that was not delivered by a [Hub] remembers nothing.
func (e Event) Memo(key any, make func() any) any {
	if e.memo == nil {
		return make()
	}
	return e.memo.get(key, make)
}

// A memo keeps few entries: one for each form that an event is rendered in.
type memo struct {
	mu      sync.Mutex
	entries []memoEntry
}

type memoEntry struct{ key, value any }

func (m *memo) get(key any, make func() any) any {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.entries {
		if e.key == key {
			return e.value
		}
	}
	value := make()
	m.entries = append(m.entries, memoEntry{key, value})
	return value
}
