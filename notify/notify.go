// Package notify is notifications: one for each recipient of each message, never for its sender. A
// notification is a view of a message, and goes with the recipient's copy of it; what is
// stored is only that it was marked as read, which is another thing than reading the message.
package notify

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Notification tells one user of one message.
type Notification struct {
	Copy    chat.Copy // the receiver's copy of the conversation
	Message chat.Message
	ReadAt  time.Time // zero: not marked as read
}

// Key is the place of n in its receiver's list, which runs from the highest down.
func (n Notification) Key() storage.Key { return storage.Key{Major: n.Message.ID} }

// Filter picks notifications. A nil field picks both.
type Filter struct{ Read *bool }

// Store keeps what was marked. Every method is one atomic act, safe for concurrent use.
type Store interface {
	// ListNotifications returns the user's notifications, newest first, by [Notification.Key] descending.
	ListNotifications(ctx context.Context, u user.ID, f Filter, r storage.Range) ([]Notification, error)
	// CountNotifications returns how many there are.
	CountNotifications(ctx context.Context, u user.ID, f Filter) (int, error)
	// Notification returns the one of a message that the copy shows and that its owner did not send, else
	// [storage.ErrNotFound].
	Notification(ctx context.Context, c chat.Copy, message int64) (Notification, error)
	// MarkNotification marks it as read. One that is marked stays as it is. No event.
	MarkNotification(ctx context.Context, c chat.Copy, message int64) (Notification, error)
}
