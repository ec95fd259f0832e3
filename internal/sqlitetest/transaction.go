package sqlitetest

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage/bunstore"
)

// shop is an application that stores an order and a message about it in one transaction.
type shop struct {
	hosted
	t    *testing.T
	copy chat.Copy
}

func (d Driver) newShop(t *testing.T, file string) *shop {
	t.Helper()
	s := &shop{hosted: d.newAt(t, file, nil), t: t}
	_, err := s.db.ExecContext(t.Context(), `CREATE TABLE orders (id INTEGER NOT NULL, item TEXT NOT NULL)`)
	require.NoError(t, err)
	mine, _, err := s.OpenChat(t.Context(), "shop", "customer")
	require.NoError(t, err)
	s.copy = mine.Copy()
	return s
}

func (s *shop) begin() *sql.Tx {
	s.t.Helper()
	tx, err := s.db.BeginTx(s.t.Context(), nil)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = tx.Rollback() }) // most have ended by then
	return tx
}

func (s *shop) order(tx *sql.Tx, id int, item string) error {
	_, err := tx.ExecContext(s.t.Context(), `INSERT INTO orders (id, item) VALUES (?, ?)`, id, item)
	return err
}

func (s *shop) count(query string) (n int) {
	s.t.Helper()
	require.NoError(s.t, s.db.QueryRowContext(s.t.Context(), query).Scan(&n))
	return n
}

// stored checks how many orders and messages are stored.
func (s *shop) stored(orders, messages int) {
	s.t.Helper()
	require.Equal(s.t, orders, s.count(`SELECT count(*) FROM orders`), "orders")
	require.Equal(s.t, messages, s.count(`SELECT count(*) FROM buddychat_messages`), "messages")
}

// cancellations is how many transactions have an operation that is canceled after a random time, at
// most latestCancellation. In short mode, there are shortCancellations.
const (
	cancellations      = 3000
	shortCancellations = 300
	latestCancellation = 800 * time.Microsecond
)

func (d Driver) canceledOperationsBreakNoTransaction(t *testing.T) {
	t.Parallel()
	s := d.newShop(t, filepath.Join(t.TempDir(), "host.db"))
	n := cancellations
	if testing.Short() {
		n = shortCancellations
	}
	orders, messages := 0, 0
	for i := range n {
		tx := s.begin()
		require.NoError(t, s.order(tx, i, "before"))
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(rand.N(latestCancellation), cancel)
		_, err := s.In(tx).AppendMessage(ctx, s.copy, chat.Draft{Content: "Your order is on its way."})
		timer.Stop()
		cancel()
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.NotErrorIs(t, err, bunstore.ErrTransactionGone)
		}
		require.NoError(t, s.order(tx, i, "after"))
		if i%2 == 0 {
			require.NoError(t, tx.Rollback())
			continue
		}
		require.NoError(t, tx.Commit())
		orders += 2
		if err == nil {
			messages++
		}
	}
	s.stored(orders, messages)
	t.Logf("%d of %d operations succeeded", 2*messages, n)
}

func (d Driver) readsInATransactionAreNotInterrupted(t *testing.T) {
	t.Parallel()
	s := d.newShop(t, filepath.Join(t.TempDir(), "host.db"))
	tx := s.begin()
	require.NoError(t, s.order(tx, 1, "before"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.In(tx).CountMessages(ctx, []chat.Copy{s.copy})
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, s.order(tx, 1, "after"))
	require.NoError(t, tx.Commit())
	s.stored(2, 0)
}

// destroyedTransactionIsRefused ends the transaction without the knowledge of database/sql, like an
// interrupted statement of the application does.
func (d Driver) destroyedTransactionIsRefused(t *testing.T) {
	t.Parallel()
	s := d.newShop(t, filepath.Join(t.TempDir(), "host.db"))
	tx := s.begin()
	require.NoError(t, s.order(tx, 1, "a kettle"))
	_, err := tx.ExecContext(t.Context(), `ROLLBACK`)
	require.NoError(t, err)
	for range 2 {
		_, err = s.In(tx).AppendMessage(t.Context(), s.copy, chat.Draft{Content: "Your order is on its way."})
		require.ErrorIs(t, err, bunstore.ErrTransactionGone)
	}
	require.Error(t, tx.Commit(), "SQLite has nothing to commit")
	s.stored(0, 0)
}

// fullDatabaseUndoesOneOperation fills a database that cannot grow. SQLite then undoes only the
// statement that had no room.
func (d Driver) fullDatabaseUndoesOneOperation(t *testing.T) {
	t.Parallel()
	s := d.newShop(t, filepath.Join(t.TempDir(), "host.db"))
	s.db.SetMaxOpenConns(1) // the limit applies to one connection
	pages := s.count(`PRAGMA page_count`)
	tx := s.begin()
	_, err := tx.ExecContext(t.Context(), fmt.Sprintf(`PRAGMA max_page_count = %d`, pages+50))
	require.NoError(t, err)
	require.NoError(t, s.order(tx, 1, "before"))
	sent, err := s.fill(tx)
	require.NotErrorIs(t, err, bunstore.ErrTransactionGone)
	require.ErrorContains(t, err, "full")
	require.NoError(t, tx.Commit())
	s.stored(1, sent)
}

func (d Driver) fullDiskReturnsErrTransactionGone(t *testing.T) {
	dir := t.TempDir()
	if err := mountSmall(dir); err != nil {
		t.Skip("a file system of a fixed size cannot be mounted here:", err)
	}
	t.Cleanup(func() { require.NoError(t, unmount(dir)) })
	s := d.newShop(t, filepath.Join(dir, "host.db"))
	s.db.SetMaxOpenConns(1)
	tx := s.begin()
	// so that pages are written before the commit
	_, err := tx.ExecContext(t.Context(), `PRAGMA cache_size = 5`)
	require.NoError(t, err)
	require.NoError(t, s.order(tx, 1, "before"))
	_, err = s.fill(tx)
	require.ErrorIs(t, err, bunstore.ErrTransactionGone)
	_, err = s.In(tx).AppendMessage(t.Context(), s.copy, chat.Draft{Content: "x"})
	require.ErrorIs(t, err, bunstore.ErrTransactionGone, "the next operation is not stored either")
	_ = tx.Rollback() // SQLite has nothing to roll back, and returns an error
	s.stored(0, 0)
}

// fill sends messages in a transaction until one fails, and returns how many succeeded.
func (s *shop) fill(tx *sql.Tx) (sent int, err error) {
	for {
		_, err := s.In(tx).AppendMessage(s.t.Context(), s.copy, chat.Draft{Content: strings.Repeat("x", 10_000)})
		if err != nil {
			return sent, err
		}
		sent++
	}
}
