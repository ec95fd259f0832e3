package bunstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/user"
)

// logged is a PostgreSQL store with a tail of its log.
type logged struct {
	*testing.T
	db   *postgres.DB
	tail realtime.Tail
}

func newLogged(t *testing.T) *logged {
	t.Helper()
	db, err := postgres.Open(t.Context(), pgtest.URL(t), &postgres.Options{Migrate: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	l := &logged{T: t, db: db}
	l.follow()
	return l
}

// follow starts a new tail, like another node.
func (l *logged) follow() {
	l.Helper()
	tail, err := l.db.Tail(l.Context())
	require.NoError(l, err)
	l.Cleanup(func() { require.NoError(l, tail.Close()) })
	l.tail = tail
}

func (l *logged) chat(owner, other user.ID) chat.Copy {
	l.Helper()
	mine, _, err := l.db.OpenChat(l.Context(), owner, other)
	require.NoError(l, err)
	return mine.Copy()
}

func (l *logged) send(c chat.Copy) int64 {
	l.Helper()
	m, err := l.db.AppendMessage(l.Context(), c, chat.Draft{Content: "a"})
	require.NoError(l, err)
	return m.ID
}

func (l *logged) begin() *sql.Tx {
	l.Helper()
	tx, err := l.db.SQL().BeginTx(l.Context(), nil)
	require.NoError(l, err)
	l.Cleanup(func() { _ = tx.Rollback() }) // most have ended by then
	return tx
}

func (l *logged) sendIn(tx *sql.Tx, c chat.Copy) int64 {
	l.Helper()
	m, err := l.db.In(tx).AppendMessage(l.Context(), c, chat.Draft{Content: "in a transaction"})
	require.NoError(l, err)
	return m.ID
}

// next returns the messages in the next batch, and the batch's safe position.
func (l *logged) next() (messages []int64, safe realtime.Position) {
	l.Helper()
	b, err := l.tail.Next(l.Context())
	require.NoError(l, err)
	for _, r := range b.Records {
		if r.Message != 0 {
			messages = append(messages, r.Message)
		}
	}
	return messages, b.Safe
}

// safeAbove waits until the safe position is above an id.
func (l *logged) safeAbove(id int64) (safe realtime.Position) {
	l.Helper()
	require.Eventually(l, func() bool {
		_, safe = l.next()
		return safe.ID > id
	}, time.Minute, 10*time.Millisecond)
	return safe
}

func TestALongTransactionDelaysOnlyItsOwnRecords(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	slow, quick := l.chat("alice", "bob"), l.chat("carol", "dave")
	_, start := l.next()
	tx := l.begin()
	late := l.sendIn(tx, slow)

	first := l.send(quick)
	messages, safe := l.next()
	require.Equal(t, []int64{first}, messages)
	require.Equal(t, start, safe, "an open transaction may still add records, so the safe position stays below them")
	second := l.send(quick)
	messages, safe = l.next()
	require.Equal(t, []int64{second}, messages)
	require.Equal(t, start, safe)

	require.NoError(t, tx.Commit())
	messages, safe = l.next()
	require.Equal(t, []int64{late}, messages)
	require.Greater(t, safe.ID, start.ID)
	require.NoError(t, l.db.CheckPosition(t.Context(), safe))
	messages, _ = l.next()
	require.Empty(t, messages)
}

func TestARollbackLeavesNoPermanentHole(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	slow, quick := l.chat("alice", "bob"), l.chat("carol", "dave")
	l.next()
	tx := l.begin()
	l.sendIn(tx, slow)
	l.send(quick)
	_, before := l.next()
	require.NoError(t, tx.Rollback())
	last := l.send(quick)
	messages, _ := l.next()
	require.Equal(t, []int64{last}, messages)
	safe := l.safeAbove(before.ID)
	require.NoError(t, l.db.CheckPosition(t.Context(), safe))
}

func TestANodeThatStartsDuringAnOpenTransactionMissesNothing(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	slow, quick := l.chat("alice", "bob"), l.chat("carol", "dave")
	_, start := l.next()
	tx := l.begin()
	late := l.sendIn(tx, slow)
	above := l.send(quick)

	l.follow()
	messages, safe := l.next()
	require.Equal(t, []int64{above}, messages, "a consumer that resumes at the safe position needs the records above it")
	require.LessOrEqual(t, safe.ID, start.ID)
	require.NoError(t, tx.Commit())
	messages, safe = l.next()
	require.Equal(t, []int64{late}, messages)
	require.Greater(t, safe.ID, start.ID)
}

func TestATailContinuesAtItsPositionAfterAnError(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	slow, quick := l.chat("alice", "bob"), l.chat("carol", "dave")
	tx := l.begin()
	late := l.sendIn(tx, slow)
	before := l.send(quick)
	messages, _ := l.next()
	require.Equal(t, []int64{before}, messages)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.tail.Next(ended)
	require.ErrorIs(t, err, context.Canceled)
	meanwhile := l.send(quick)
	require.NoError(t, tx.Commit())
	_, err = l.tail.Next(ended)
	require.Error(t, err)

	messages, safe := l.next()
	require.ElementsMatch(t, []int64{late, meanwhile}, messages, "each exactly once")
	after := l.send(quick)
	messages, later := l.next()
	require.Equal(t, []int64{after}, messages)
	require.Greater(t, later.ID, safe.ID)
}

func TestCheckPositionRefusesAPositionOfAnotherLog(t *testing.T) {
	t.Parallel()
	l, other := newLogged(t), newLogged(t)
	l.send(l.chat("alice", "bob"))
	other.send(other.chat("alice", "bob"))
	_, safe := l.next()
	require.NoError(t, l.db.CheckPosition(t.Context(), safe))
	require.Error(t, other.db.CheckPosition(t.Context(), safe))
}

func TestATailOfARestoredDumpBeginsAtItsEnd(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	c := l.chat("alice", "bob")
	l.send(c)
	// As if the old cluster had come that far.
	_, err := l.db.SQL().ExecContext(t.Context(), `UPDATE buddychat_events SET xid = '9000000000'`)
	require.NoError(t, err)
	l.follow()
	for range 3 {
		messages, _ := l.next()
		require.Empty(t, messages, "old records do not come again")
	}
	m := l.send(c)
	messages, _ := l.next()
	require.Equal(t, []int64{m}, messages)
}

// Writers use transactions of all kinds. The tail must find each record once, and in order within
// its conversation.
func TestATailMissesNothingWithManyWriters(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	const writers, each = 8, 40
	var copies []chat.Copy
	for i := range writers / 2 {
		copies = append(copies, l.chat(user.ID(fmt.Sprint("a", i)), user.ID(fmt.Sprint("b", i))))
	}
	l.next()
	var wg sync.WaitGroup
	sent := make(chan int64, writers*each*2)
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				switch c := copies[(w+i)%len(copies)]; i % 4 {
				case 0, 1:
					sent <- l.send(c)
				case 2:
					tx := l.begin()
					m := l.sendIn(tx, c)
					if tx.Commit() == nil {
						sent <- m
					}
				case 3:
					tx := l.begin()
					l.sendIn(tx, c)
					_ = tx.Rollback() // leaves a hole
				}
			}
		})
	}
	go func() { wg.Wait(); close(sent) }()

	found, last := map[int64]int{}, map[int64]realtime.Record{}
	var safe realtime.Position
	read := func() {
		b, err := l.tail.Next(t.Context())
		require.NoError(t, err)
		require.GreaterOrEqual(t, b.Safe.ID, safe.ID, "the safe position never falls")
		for _, r := range b.Records {
			require.Greater(t, r.ID, safe.ID, "no record comes from below the safe position")
			require.Greater(t, r.ID, last[r.Conversation].ID)
			require.Equal(t, last[r.Conversation].Seq+1, r.Seq)
			last[r.Conversation] = r
			found[r.Message]++
		}
		safe = b.Safe
	}
	var all []int64
	for m := range sent {
		all = append(all, m)
		read()
	}
	read()
	require.Len(t, found, len(all))
	for _, m := range all {
		require.Equal(t, 1, found[m])
	}
	newest := int64(0)
	for _, r := range last {
		newest = max(newest, r.ID)
	}
	l.safeAbove(newest - 1)
}

// cut ends the session of the tail, like a crash of the server.
func (l *logged) cut() {
	l.Helper()
	_, err := l.db.SQL().ExecContext(l.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	require.NoError(l, err)
	_, err = l.tail.Next(l.Context())
	require.Error(l, err, "the tail must notice a crash, because transaction numbers may fall")
}

func TestRecordsCommittedAroundALostSessionAreFoundOnce(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	c := l.chat("alice", "bob")
	before := l.send(c)
	messages, _ := l.next()
	require.Equal(t, []int64{before}, messages)
	late := l.send(c)
	l.cut()
	after := l.send(c)
	messages, _ = l.next()
	require.Equal(t, []int64{late, after}, messages)
	messages, _ = l.next()
	require.Empty(t, messages)
}

func TestATailFailsIfItsLogWasReplacedDuringAnOutage(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	c := l.chat("alice", "bob")
	l.send(c)
	_, safe := l.next()
	l.cut()
	// A record of another history.
	_, err := l.db.SQL().ExecContext(t.Context(), `UPDATE buddychat_events SET nonce = nonce + 1 WHERE id = $1`, safe.ID)
	require.NoError(t, err)
	_, err = l.tail.Next(t.Context())
	require.ErrorIs(t, err, storage.ErrCursorExpired)
}

func TestATailIgnoresASavedPositionOfAnotherLog(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	slow, quick := l.chat("alice", "bob"), l.chat("carol", "dave")
	_, err := l.db.SQL().ExecContext(t.Context(), `INSERT INTO buddychat_log_positions AS p (name, id) VALUES ('safe', 100000) ON CONFLICT (name) DO UPDATE SET id = excluded.id`)
	require.NoError(t, err)
	tx := l.begin()
	late := l.sendIn(tx, slow)
	l.send(quick)
	l.follow()
	l.next()
	require.NoError(t, tx.Commit())
	messages, _ := l.next()
	require.Equal(t, []int64{late}, messages)
}

func TestATailReadsALogMovedToAnotherClusterOnlyOnce(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	c := l.chat("alice", "bob")
	l.send(c)
	l.next()
	l.cut()
	// A poll would find such records again and again.
	const ahead = `xid > pg_snapshot_xmax(pg_current_snapshot())`
	_, err := l.db.SQL().ExecContext(t.Context(), `UPDATE buddychat_events SET xid = '9000000000'`)
	require.NoError(t, err)
	messages, _ := l.next()
	require.Empty(t, messages)
	var n int
	require.NoError(t, l.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM buddychat_events WHERE `+ahead).Scan(&n))
	require.Zero(t, n)
	sent := l.send(c)
	messages, _ = l.next()
	require.Equal(t, []int64{sent}, messages)
}

func TestAnUnrelatedTransactionDoesNotHoldBackTheSafePosition(t *testing.T) {
	t.Parallel()
	l, elsewhere := newLogged(t), newLogged(t)
	idle := elsewhere.begin() // in another database of the same server
	_, err := idle.ExecContext(t.Context(), `SELECT pg_current_xact_id()`)
	require.NoError(t, err)
	beside := l.begin() // in the same database, but writes something else
	_, err = beside.ExecContext(t.Context(), `CREATE TABLE orders (id INT)`)
	require.NoError(t, err)

	held, c := l.chat("alice", "bob"), l.chat("carol", "dave")
	open := l.begin()
	late := l.sendIn(open, held)
	undone := l.begin()
	l.sendIn(undone, c)
	require.NoError(t, undone.Rollback())
	sent := l.send(c)
	messages, before := l.next()
	require.Equal(t, []int64{sent}, messages)
	require.Never(t, func() bool { // while the transaction that can fill a hole is open
		_, safe := l.next()
		return safe.ID > before.ID
	}, 3*time.Second, 100*time.Millisecond)
	require.NoError(t, open.Commit())
	messages, _ = l.next()
	require.Equal(t, []int64{late}, messages)
	last := l.send(c)
	messages, _ = l.next()
	require.Equal(t, []int64{last}, messages)
	require.NoError(t, l.db.CheckPosition(t.Context(), l.safeAbove(before.ID+2)))
}

func TestATailWaitsForAPreparedTransaction(t *testing.T) {
	t.Parallel()
	l, elsewhere := newLogged(t), newLogged(t)
	idle := elsewhere.begin()
	// so that transaction numbers do not tell
	_, err := idle.ExecContext(t.Context(), `SELECT pg_current_xact_id()`)
	require.NoError(t, err)
	held, c := l.chat("alice", "bob"), l.chat("carol", "dave")
	l.next()
	tx := l.begin()
	late := l.sendIn(tx, held)
	sent := l.send(c)
	messages, before := l.next()
	require.Equal(t, []int64{sent}, messages)
	_, err = tx.ExecContext(t.Context(), `PREPARE TRANSACTION 'later'`)
	require.NoError(t, err)
	require.NoError(t, tx.Rollback(), "the transaction no longer belongs to the session")
	require.Never(t, func() bool {
		_, safe := l.next()
		return safe.ID > before.ID
	}, 3*time.Second, 100*time.Millisecond)
	_, err = l.db.SQL().ExecContext(t.Context(), `COMMIT PREPARED 'later'`)
	require.NoError(t, err)
	messages, _ = l.next()
	require.Equal(t, []int64{late}, messages)
	l.safeAbove(before.ID)
}
