package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// notificationNode is a Notification of the viewer.
type notificationNode struct {
	ID       graphql.ID
	Message  *messageNode
	Receiver *userNode
	IsRead   bool
	ReadAt   *dateTime
}

type notificationsArgs struct {
	IsRead *bool
	pageArgs
}

// notifications returns a page of the owner's notifications.
func (r *resolver) notifications(ctx context.Context, owner user.ID, args notificationsArgs) (*connection[notificationNode], error) {
	return loading(ctx, r, owner, func(l *load, sel selection) (*connection[notificationNode], error) {
		p, err := args.page()
		if err != nil {
			return nil, err
		}
		f := notify.Filter{Read: args.IsRead}
		var list storage.List[notify.Notification]
		err = l.readMessages(p.Size()+1, func() (bytes int, err error) {
			list, err = r.app.Notifications.List(ctx, owner, f, p)
			for _, n := range list.Items {
				bytes += len(n.Message.Content)
			}
			return bytes, err
		})
		if err != nil {
			return nil, err
		}
		nodes := make([]*notificationNode, len(list.Items))
		for i, item := range list.Items {
			nodes[i] = l.notification(item, sel.nodes())
		}
		c := connect(list, nodes)
		if sel.has("totalCount") {
			n, err := r.app.Notifications.Count(ctx, owner, f)
			c.TotalCount = int32(n)
			return c, err
		}
		return c, nil
	})
}

func (l *load) notification(n notify.Notification, sel selection) *notificationNode {
	return &notificationNode{
		ID:       graphql.ID(notificationID(n.Copy, n.Message.ID)),
		Message:  l.message(n.Message, sel.at("message")),
		Receiver: l.user(n.Copy.Owner, sel.at("receiver")),
		IsRead:   !n.ReadAt.IsZero(),
		ReadAt:   optionalTime(n.ReadAt),
	}
}
