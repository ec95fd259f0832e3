package memory

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// notifying returns a message that the copy c shows and that its owner did not send.
func (s *state) notifying(c chat.Copy, id int64) (*userCopy, *message, error) {
	uc, _, m, err := s.showing(c, id)
	if err != nil {
		return nil, nil, err
	}
	if m.Sender == c.Owner {
		return nil, nil, storage.NotFound()
	}
	return uc, m, nil
}

func notification(uc *userCopy, m *message) notify.Notification {
	return notify.Notification{Copy: uc.Copy, Message: m.Message, ReadAt: uc.marked[m.ID]}
}

// ListNotifications implements [notify.Store].
func (s *Store) ListNotifications(ctx context.Context, u user.ID, f notify.Filter, r storage.Range) ([]notify.Notification, error) {
	return readState(ctx, s, func(st *state) ([]notify.Notification, error) {
		return page(st.notifications(u, f), r, notify.Notification.Key, descending), nil
	})
}

// CountNotifications implements [notify.Store].
func (s *Store) CountNotifications(ctx context.Context, u user.ID, f notify.Filter) (int, error) {
	return readState(ctx, s, func(st *state) (int, error) { return len(st.notifications(u, f)), nil })
}

func (s *state) notifications(u user.ID, f notify.Filter) []notify.Notification {
	var all []notify.Notification
	for _, uc := range append(s.copiesOfKind(u, chat.OneToOne), s.copiesOfKind(u, chat.Group)...) {
		for _, m := range s.shown(uc) {
			_, read := uc.marked[m.ID]
			if m.Sender != u && (f.Read == nil || *f.Read == read) {
				all = append(all, notification(uc, m))
			}
		}
	}
	return all
}

// Notification implements [notify.Store].
func (s *Store) Notification(ctx context.Context, c chat.Copy, id int64) (notify.Notification, error) {
	return readState(ctx, s, func(st *state) (notify.Notification, error) {
		uc, m, err := st.notifying(c, id)
		if err != nil {
			return notify.Notification{}, err
		}
		return notification(uc, m), nil
	})
}

// MarkNotification implements [notify.Store].
func (s *Store) MarkNotification(ctx context.Context, c chat.Copy, id int64) (notify.Notification, error) {
	return change(ctx, s, func(a *act) (notify.Notification, error) {
		uc, m, err := a.notifying(c, id)
		if err != nil {
			return notify.Notification{}, err
		}
		if uc.marked[id].IsZero() {
			uc.marked[id] = a.now
		}
		return notification(uc, m), nil
	})
}
