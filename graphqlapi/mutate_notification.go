package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/user"
)

// changedNotification is the answer to a mutation of a notification.
type changedNotification struct{ Notification *notificationNode }

// SetNotificationRead resolves Mutation.setNotificationRead.
func (m *mutations) SetNotificationRead(ctx context.Context, args struct{ NotificationID graphql.ID }) (*changedNotification, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (notify.Notification, error) {
			c, message, err := decodeNotificationID(string(args.NotificationID), viewer)
			if err != nil {
				return notify.Notification{}, err
			}
			return m.app.Notifications.MarkRead(ctx, c, message)
		},
		func(l *load, sel selection, n notify.Notification) (*changedNotification, error) {
			return &changedNotification{l.notification(n, sel.at("notification"))}, nil
		})
}
