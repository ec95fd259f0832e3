package realtime

import (
	"sync"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// Event is one event for one user. It shows the state at the moment of delivery: a CREATED event
// may show a later edit.
//
// All recipients share what its pointers point to. Do not modify it.
type Event struct {
	// ID is the same for every recipient, on every device and node. It is the record's number, with
	// "n" appended in the NOTIFICATION_CREATED that is derived from a message's CREATED.
	ID string
	// Cursor is the position to resume from once this event has been handled. It never decreases
	// within a subscription. A resume may repeat events, with the same ID, and skips none.
	Cursor    string
	Operation Operation
	// At is when it happened. In a GROUP_MESSAGE_READ it is when the Actor read.
	At time.Time
	// Actor is the user who caused it: "" for none, or for a user who was erased.
	Actor user.ID
	// Copy is the recipient's copy of the conversation, even if it ended with this event. Its Owner
	// is the recipient.
	Copy chat.Copy
	// Conversation is the id that all recipients share. For a group it is the group's id.
	Conversation int64
	// MessageID is the message that the event is about, 0 for none. Message is its state: nil if
	// its content is gone or the event needs none (UNSENT, DELETED). In a GROUP_MESSAGE_READ, the
	// reader gets the message that was marked, and a sender gets their newest message that is newly
	// covered. Only the sender may see ClientID: leave it out when you render the message for
	// others.
	MessageID int64
	Message   *chat.Message
	// Member is the id of the membership in a MEMBER_* event, else 0. MemberUser is set in a
	// MEMBER_ADDED: the user who joined, even if they have left again, or "" if they were erased.
	Member     int64
	MemberUser user.ID
	// Erased says that it happened because a user was erased: everything that its Actor wrote is
	// gone.
	Erased bool

	position Position
	memo     *memo
}

// Memo returns what make returned for this key in the first call on any event that differs from
// this one only in Copy and Cursor. So content that all recipients share is rendered once. Keys are
// compared with ==; as with context keys, each package uses key types of its own. Concurrent calls
// wait for the first one. make must not call Memo of the same event. An event that no [Hub]
// delivered does not remember anything.
func (e Event) Memo(key any, make func() any) any {
	if e.memo == nil {
		return make()
	}
	return e.memo.get(key, make)
}

// A memo has few entries: one for each form in which an event is rendered.
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
