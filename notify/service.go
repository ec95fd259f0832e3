package notify

import (
	"context"
	"fmt"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Options configures notifications. The zero value and nil are valid.
type Options struct {
	// MaxPageSize is the maximum number of entries of a page; 0 means [storage.MaxPageSize].
	MaxPageSize int
}

// Service has the operations of a user on notifications. It is safe for concurrent use.
type Service struct {
	store   Store
	options Options
}

// NewService returns the notifications of a store. Options may be nil.
func NewService(store Store, o *Options) *Service {
	s := &Service{store: store}
	if o != nil {
		s.options = *o
	}
	return s
}

// List returns a page of the user's notifications, newest first.
func (s *Service) List(ctx context.Context, u user.ID, f Filter, p storage.Page) (storage.List[Notification], error) {
	name := "notifications/" + string(u)
	if f.Read != nil {
		name = fmt.Sprintf("notifications/read=%t/%s", *f.Read, u)
	}
	r, err := p.AtMost(s.options.MaxPageSize).Range(name)
	if err != nil {
		return storage.List[Notification]{}, err
	}
	found, err := s.store.ListNotifications(ctx, u, f, r)
	if err != nil {
		return storage.List[Notification]{}, err
	}
	return storage.NewList(name, r, found, Notification.Key), nil
}

// Count returns how many notifications match.
func (s *Service) Count(ctx context.Context, u user.ID, f Filter) (int, error) {
	return s.store.CountNotifications(ctx, u, f)
}

// Get returns the notification of a message in a copy. It returns [storage.ErrNotFound] if the copy
// does not show the message or its owner sent it.
func (s *Service) Get(ctx context.Context, c chat.Copy, message int64) (Notification, error) {
	return s.store.Notification(ctx, c, message)
}

// MarkRead marks a notification as read. It does not mark the message as read.
func (s *Service) MarkRead(ctx context.Context, c chat.Copy, message int64) (Notification, error) {
	return s.store.MarkNotification(ctx, c, message)
}
