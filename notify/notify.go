// Package notify has notifications: one for each recipient of each message, and none for its
// sender. A notification is a view of a message and disappears when the recipient's copy no longer
// shows the message. The store keeps only whether it was marked as read. Marking it does not mark
// the message as read.
package notify

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Notification tells one user about one message.
type Notification struct {
	Copy    chat.Copy // the recipient's copy of the conversation
	Message chat.Message
	ReadAt  time.Time // zero if it is not marked as read
}

// Key is the position of n in its recipient's list, which is in descending order.
func (n Notification) Key() storage.Key { return storage.Key{Major: n.Message.ID} }

// Filter selects notifications. If Read is nil, it selects read and unread ones.
type Filter struct{ Read *bool }

// Store keeps which notifications are marked as read. Every method is atomic and safe for
// concurrent use.
type Store interface {
	// ListNotifications returns the user's notifications, newest first, by
	// [Notification.Key] descending.
	ListNotifications(ctx context.Context, u user.ID, f Filter, r storage.Range) ([]Notification, error)
	// CountNotifications returns how many notifications match.
	CountNotifications(ctx context.Context, u user.ID, f Filter) (int, error)
	// Notification returns the notification of a message. It returns [storage.ErrNotFound] if the
	// copy does not show the message or its owner sent it.
	Notification(ctx context.Context, c chat.Copy, message int64) (Notification, error)
	// MarkNotification marks a notification as read. If it is already marked, nothing changes. It
	// writes no event.
	MarkNotification(ctx context.Context, c chat.Copy, message int64) (Notification, error)
}
