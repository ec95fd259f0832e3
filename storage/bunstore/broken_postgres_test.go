package bunstore_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage/bunstore"
)

// pgx closes the connection when a statement is canceled, so the transaction can no longer be
// committed.
func TestACanceledOperationOnPostgreSQLReturnsErrTransactionGone(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	c := l.chat("alice", "bob")
	holder := l.beginWithEveryConversation()
	tx := l.begin()
	_, err := tx.ExecContext(t.Context(), `CREATE TABLE orders AS SELECT 1 AS id`)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	sent := make(chan error, 1)
	go func() {
		_, err := l.db.In(tx).AppendMessage(ctx, c, chat.Draft{Content: "a"})
		sent <- err
	}()
	waited(t, l.db.SQL())
	cancel()
	err = <-sent
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, bunstore.ErrTransactionGone)
	require.Error(t, tx.Commit())
	require.NoError(t, holder.Rollback())
	require.Zero(t, count(t, l.db.SQL(), `SELECT count(*) FROM pg_class WHERE relname = 'orders'`))
	require.Zero(t, count(t, l.db.SQL(), `SELECT count(*) FROM buddychat_messages`))
}
