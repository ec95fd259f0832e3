package bunstore_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
)

// waits returns once a statement waits for a lock in the database.
func (l *logged) waits() {
	l.Helper()
	require.Eventually(l, func() bool {
		var waiting int
		require.NoError(l, l.db.SQL().QueryRowContext(l.Context(),
			`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
		return waiting > 0
	}, time.Minute, 10*time.Millisecond)
}

// A send is one statement, which reads its copy before it waits for the lock of the conversation.
func TestASendFailsIfItsCopyEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	_, admin, err := l.db.CreateGroup(t.Context(), "alice", group.Draft{Title: "Climbing"})
	require.NoError(t, err)
	member, err := l.db.AddMember(t.Context(), admin.Copy(), "bob", 10)
	require.NoError(t, err)
	bobs := chat.Copy{Kind: chat.Group, ID: member.ID, Owner: "bob"}
	l.send(bobs)

	tx := l.begin()
	require.NoError(t, l.db.In(tx).RemoveMember(t.Context(), admin.Copy(), member.ID))
	sent := make(chan error, 1)
	go func() {
		_, err := l.db.AppendMessage(t.Context(), bobs, chat.Draft{Content: "too late"})
		sent <- err
	}()
	l.waits()
	require.NoError(t, tx.Commit())
	require.ErrorIs(t, <-sent, storage.ErrNotFound)
	n, err := l.db.CountMessages(t.Context(), []chat.Copy{admin.Copy()})
	require.NoError(t, err)
	require.Equal(t, []int{1}, n)
}

func TestASendSucceedsAfterItWaitedForAnotherSend(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	_, admin, err := l.db.CreateGroup(t.Context(), "alice", group.Draft{Title: "Climbing"})
	require.NoError(t, err)
	tx := l.begin()
	first := l.sendIn(tx, admin.Copy())
	sent := make(chan chat.Message, 1)
	go func() {
		defer close(sent)
		if m, err := l.db.AppendMessage(t.Context(), admin.Copy(), chat.Draft{Content: "later"}); err == nil {
			sent <- m
		}
	}()
	l.waits()
	require.NoError(t, tx.Commit())
	second := <-sent
	require.Greater(t, second.ID, first)
	require.Equal(t, int64(2), second.Seq)
}
