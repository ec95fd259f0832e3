package sqlitetest

import (
	"bytes"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
)

// left reports whether a text is in the files of the database.
func (s *shop) left(text string) bool {
	s.t.Helper()
	for _, suffix := range []string{"", "-wal", "-journal"} {
		data, err := os.ReadFile(s.file + suffix)
		require.True(s.t, err == nil || suffix != "" && errors.Is(err, os.ErrNotExist), err)
		if bytes.Contains(data, []byte(text)) {
			return true
		}
	}
	return false
}

// purge runs the upkeep of an application: batches until nothing is left to do.
func (s *shop) purge() {
	s.t.Helper()
	for {
		n, err := s.Purge(s.t.Context(), time.Hour, 100)
		require.NoError(s.t, err)
		if n == 0 {
			return
		}
	}
}

func (d Driver) removedContentLeavesTheFiles(t *testing.T) {
	t.Parallel()
	s := d.newShop(t, filepath.Join(t.TempDir(), "host.db"))
	send := func(content string) chat.Message {
		m, err := s.AppendMessage(t.Context(), s.copy, chat.Draft{Content: content, ClientID: "the id of " + content})
		require.NoError(t, err)
		require.True(t, s.left(content))
		return m
	}
	unsent := send("canary-unsent")
	require.NoError(t, s.UnsendMessage(t.Context(), s.copy, unsent.ID))
	s.purge()
	require.False(t, s.left("canary-unsent") && !s.left("the id of canary-unsent"), "a tombstone keeps only the ClientID")

	edited := send("canary-before-the-edit")
	_, err := s.EditMessage(t.Context(), s.copy, edited.ID, "canary-after-the-edit")
	require.NoError(t, err)
	s.purge()
	require.True(t, s.left("canary-after-the-edit"))

	// A long reader keeps the write-ahead log. The first upkeep after it empties the log.
	send("canary-erased")
	reading := s.snapshot()
	require.NoError(t, s.EraseUser(t.Context(), "shop"))
	s.purge()
	require.True(t, s.left("canary-erased"), "the reader still sees it")
	require.NoError(t, reading.Rollback())
	s.purge()
	require.False(t, s.left("canary"), "nothing is left, without closing the database")
}

// snapshot begins a transaction and reads in it.
func (s *shop) snapshot() *sql.Tx {
	s.t.Helper()
	tx := s.begin()
	require.NoError(s.t, tx.QueryRowContext(s.t.Context(), `SELECT count(*) FROM buddychat_messages`).Scan(new(int)))
	return tx
}
