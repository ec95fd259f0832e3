package notify_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
)

// A message notifies its recipient. Marking the notification as read does not mark the message as
// read.
func Example() {
	ctx := context.Background()
	store := memory.New(nil)
	notifications := notify.NewService(store, nil)
	hers, his, _ := store.OpenChat(ctx, "alice", "bob")
	_, _ = store.AppendMessage(ctx, hers.Copy(), chat.Draft{Content: "Hello, Bob!"})

	page, _ := notifications.List(ctx, "bob", notify.Filter{}, storage.First(10))
	n := page.Items[0]
	fmt.Println(n.Message.Content)
	n, _ = notifications.MarkRead(ctx, his.Copy(), n.Message.ID)
	fmt.Println("notification read:", !n.ReadAt.IsZero(), "message read:", !n.Message.ReadAt.IsZero())
	// Output:
	// Hello, Bob!
	// notification read: true message read: false
}

func TestNotificationsCanBeFilteredByReadAndCounted(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	store := memory.New(nil)
	s := notify.NewService(store, &notify.Options{MaxPageSize: 2})
	hers, his, err := store.OpenChat(ctx, "alice", "bob")
	require.NoError(t, err)
	var ids []int64
	for range 3 {
		m, err := store.AppendMessage(ctx, hers.Copy(), chat.Draft{Content: "a"})
		require.NoError(t, err)
		ids = append(ids, m.ID)
	}
	_, err = s.MarkRead(ctx, his.Copy(), ids[1])
	require.NoError(t, err)
	yes, no := true, false
	for want, f := range map[int]notify.Filter{3: {}, 2: {Read: &no}, 1: {Read: &yes}} {
		n, err := s.Count(ctx, "bob", f)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	first, err := s.List(ctx, "bob", notify.Filter{Read: &no}, storage.First(1))
	require.NoError(t, err)
	require.Equal(t, ids[2], first.Items[0].Message.ID)
	_, err = s.List(ctx, "bob", notify.Filter{}, storage.First(1).After(first.End()))
	require.ErrorIs(t, err, storage.ErrInvalid, "the cursor belongs to the filtered list")
	_, err = s.List(ctx, "bob", notify.Filter{}, storage.First(3))
	require.ErrorIs(t, err, storage.ErrInvalid)
	_, err = s.Get(ctx, hers.Copy(), ids[0])
	require.ErrorIs(t, err, storage.ErrNotFound, "a sender gets no notification of their own message")
	_, err = s.Get(ctx, his.Copy(), ids[0])
	require.NoError(t, err)
}
