package memory_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

func countChats(t *testing.T, s *memory.Store, u user.ID) int {
	t.Helper()
	n, err := s.CountChats(t.Context(), u, chat.Filter{})
	require.NoError(t, err)
	return n
}

func TestATransactionIsVisibleToOthersOnlyAfterItsCommit(t *testing.T) {
	t.Parallel()
	s := memory.New(nil)
	tx := s.Begin()
	_, _, err := tx.OpenChat(t.Context(), "alice", "bob")
	require.NoError(t, err)
	require.Equal(t, 1, countChats(t, tx.Store, "alice"))
	require.Zero(t, countChats(t, s, "alice"), "a read does not wait for the transaction")
	require.NoError(t, tx.Commit())
	require.Equal(t, 1, countChats(t, s, "alice"))
}

func TestAnEndedTransactionReturnsErrTxDone(t *testing.T) {
	t.Parallel()
	s := memory.New(nil)
	for name, end := range map[string]func(*memory.Tx) error{"commit": (*memory.Tx).Commit, "rollback": (*memory.Tx).Rollback} {
		tx := s.Begin()
		require.NoError(t, end(tx), name)
		require.ErrorIs(t, tx.Commit(), memory.ErrTxDone, name)
		require.ErrorIs(t, tx.Rollback(), memory.ErrTxDone, name)
		_, _, err := tx.OpenChat(t.Context(), "alice", "bob")
		require.ErrorIs(t, err, memory.ErrTxDone, name)
		_, err = tx.CountChats(t.Context(), "alice", chat.Filter{})
		require.ErrorIs(t, err, memory.ErrTxDone, name)
	}
	_, _, err := s.OpenChat(t.Context(), "alice", "bob")
	require.NoError(t, err, "the store goes on")
}

func TestOnCommitIsCalledOncePerCommitAndNotForARollback(t *testing.T) {
	t.Parallel()
	s := memory.New(nil)
	told := 0
	tx := s.Begin()
	t.Cleanup(tx.OnCommit(func([]realtime.Stream) { told++ }))
	for _, other := range []user.ID{"bob", "carol"} {
		_, _, err := tx.OpenChat(t.Context(), "alice", other)
		require.NoError(t, err)
	}
	require.Zero(t, told)
	require.NoError(t, tx.Commit())
	require.Equal(t, 1, told)

	tx = s.Begin()
	_, _, err := tx.OpenChat(t.Context(), "alice", "dave")
	require.NoError(t, err)
	require.NoError(t, tx.Rollback())
	require.Equal(t, 1, told)

	require.NoError(t, s.Begin().Commit())
	require.Equal(t, 1, told, "there is nothing to tell of")
}

func TestACancelledContextChangesNothing(t *testing.T) {
	t.Parallel()
	s := memory.New(nil)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.OpenChat(cancelled, "alice", "bob")
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.CountChats(cancelled, "alice", chat.Filter{})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, countChats(t, s, "alice"))
}
