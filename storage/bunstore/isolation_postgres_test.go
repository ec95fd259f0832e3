package bunstore_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/storage/postgres"
)

// serializationFailure is the error code after which a host retries its transaction.
const serializationFailure = "40001"

func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	var e interface{ SQLState() string }
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.SQLState())
}

// snapshots are the isolation levels at which a transaction sees the database as it was when it
// began.
var snapshots = []sql.IsolationLevel{sql.LevelRepeatableRead, sql.LevelSerializable}

// beginAt begins a host transaction and takes its snapshot at once.
func (l *logged) beginAt(level sql.IsolationLevel) *sql.Tx {
	l.Helper()
	tx, err := l.db.SQL().BeginTx(l.Context(), &sql.TxOptions{Isolation: level})
	require.NoError(l, err)
	l.Cleanup(func() { _ = tx.Rollback() }) // most have ended by then
	require.NoError(l, tx.QueryRowContext(l.Context(), `SELECT count(*) FROM buddychat_conversations`).Scan(new(int)))
	return tx
}

func (l *logged) group() (group.Group, chat.Copy) {
	l.Helper()
	g, own, err := l.db.CreateGroup(l.Context(), "alice", group.Draft{Title: "A group"})
	require.NoError(l, err)
	return g, own.Copy()
}

func (l *logged) join(admin chat.Copy, m group.Member) chat.Copy {
	l.Helper()
	joined, err := l.db.AddMember(l.Context(), admin, m.User, 10)
	require.NoError(l, err)
	if m.Admin {
		_, err = l.db.SetAdmin(l.Context(), admin, joined.ID, true)
		require.NoError(l, err)
	}
	return chat.Copy{Kind: chat.Group, ID: joined.ID, Owner: m.User}
}

func TestAnOperationFailsIfItsTransactionCannotSeeAChange(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]func(l *logged) (since func() error, act func(*bunstore.Store) error){
		"an admin who was demoted": func(l *logged) (func() error, func(*bunstore.Store) error) {
			_, alice := l.group()
			bob := l.join(alice, group.Member{User: "bob", Admin: true})
			demote := func(by, whom chat.Copy) func(*bunstore.Store) error {
				return func(s *bunstore.Store) error {
					_, err := s.SetAdmin(l.Context(), by, whom.ID, false)
					return err
				}
			}
			return func() error { return demote(alice, bob)(l.db.Store) }, demote(bob, alice)
		},
		"a member who was erased": func(l *logged) (func() error, func(*bunstore.Store) error) {
			_, alice := l.group()
			return func() error { return l.db.EraseUser(l.Context(), "bob") }, func(s *bunstore.Store) error {
				_, err := s.AddMember(l.Context(), alice, "bob", 10)
				return err
			}
		},
		"a partner who was erased": func(l *logged) (func() error, func(*bunstore.Store) error) {
			return func() error { return l.db.EraseUser(l.Context(), "bob") }, func(s *bunstore.Store) error {
				_, _, err := s.OpenChat(l.Context(), "alice", "bob")
				return err
			}
		},
		"a creator who was erased": func(l *logged) (func() error, func(*bunstore.Store) error) {
			return func() error { return l.db.EraseUser(l.Context(), "bob") }, func(s *bunstore.Store) error {
				_, _, err := s.CreateGroup(l.Context(), "bob", group.Draft{Title: "x"})
				return err
			}
		},
		"a chat that was opened": func(l *logged) (func() error, func(*bunstore.Store) error) {
			open := func(s *bunstore.Store) error {
				_, _, err := s.OpenChat(l.Context(), "alice", "bob")
				return err
			}
			return func() error { return open(l.db.Store) }, open
		},
		"a read of another member": func(l *logged) (func() error, func(*bunstore.Store) error) {
			_, alice := l.group()
			bob, carol := l.join(alice, group.Member{User: "bob"}), l.join(alice, group.Member{User: "carol"})
			m := l.send(alice)
			read := func(c chat.Copy) func(*bunstore.Store) error {
				return func(s *bunstore.Store) error {
					_, err := s.ReadThrough(l.Context(), c, m)
					return err
				}
			}
			return func() error { return read(bob)(l.db.Store) }, read(carol)
		},
	} {
		for _, level := range snapshots {
			t.Run(name+", "+level.String(), func(t *testing.T) {
				t.Parallel()
				l := newLogged(t)
				since, act := begin(l)
				tx := l.beginAt(level)
				require.NoError(t, since())
				requireCode(t, serializationFailure, act(l.db.In(tx)))
			})
		}
	}
}

func TestEraseUserRefusesATransactionThatDoesNotSeeEveryChat(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	for _, level := range snapshots {
		require.ErrorContains(t, l.db.In(l.beginAt(level)).EraseUser(t.Context(), "bob"), "READ COMMITTED")
	}
	require.NoError(t, l.db.In(l.begin()).EraseUser(t.Context(), "bob"))
}

func TestATransactionWithoutConflictsSucceedsAtEveryLevel(t *testing.T) {
	t.Parallel()
	for _, level := range snapshots {
		l := newLogged(t)
		tx := l.beginAt(level)
		s := l.db.In(tx)
		mine, others, err := s.OpenChat(t.Context(), "alice", "bob")
		require.NoError(t, err)
		_, own, err := s.CreateGroup(t.Context(), "alice", group.Draft{Title: "x"})
		require.NoError(t, err)
		m, err := s.AddMember(t.Context(), own.Copy(), "bob", 10)
		require.NoError(t, err)
		_, err = s.SetAdmin(t.Context(), own.Copy(), m.ID, true)
		require.NoError(t, err)
		for _, c := range []chat.Copy{mine.Copy(), others.Copy(), own.Copy()} {
			sent, err := s.AppendMessage(t.Context(), c, chat.Draft{Content: "a"})
			require.NoError(t, err)
			if c.Kind == chat.Group {
				_, err = s.ReadThrough(t.Context(), chat.Copy{Kind: chat.Group, ID: m.ID, Owner: "bob"}, sent.ID)
				require.NoError(t, err)
			}
		}
		require.NoError(t, tx.Commit())
		messages, _ := l.next()
		require.Len(t, messages, 4)
		var erased int
		require.NoError(t, l.db.SQL().QueryRowContext(t.Context(), `SELECT count(*) FROM buddychat_erasures`).Scan(&erased))
		require.Zero(t, erased)
	}
}

// waited returns once a statement waits for a lock in the database.
func waited(t *testing.T, db *sql.DB) {
	t.Helper()
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, db.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n))
		return n > 0
	}, time.Minute, 5*time.Millisecond)
}

func TestOperationsRunAtReadCommittedWhateverTheDefaultOfTheDatabase(t *testing.T) {
	t.Parallel()
	address := pgtest.URL(t)
	db, err := postgres.Open(t.Context(), address, &postgres.Options{Migrate: true})
	require.NoError(t, err)
	_, err = db.SQL().ExecContext(t.Context(), `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation = ''repeatable read''', current_database()); END $$`)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	db, err = postgres.Open(t.Context(), address, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })

	tx, err := db.SQL().BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // after the commit
	require.NoError(t, db.In(tx).EraseUser(t.Context(), "bob"))
	opened := make(chan error, 1)
	go func() {
		_, _, err := db.OpenChat(context.WithoutCancel(t.Context()), "alice", "bob")
		opened <- err
	}()
	waited(t, db.SQL())
	require.NoError(t, tx.Commit())
	require.Error(t, <-opened, "a chat with an erased user")
}

// vanish deletes all conversations, as the purge of another node does with conversations without
// copies.
func vanish(t *testing.T, tx *sql.Tx) {
	t.Helper()
	for _, table := range []string{"copies", "messages", "conversations"} {
		_, err := tx.ExecContext(t.Context(), `DELETE FROM buddychat_`+table)
		require.NoError(t, err)
	}
	require.NoError(t, tx.Commit())
}

func (l *logged) beginWithEveryConversation() *sql.Tx {
	l.Helper()
	tx := l.begin()
	_, err := tx.ExecContext(l.Context(), `SELECT id FROM buddychat_conversations FOR NO KEY UPDATE`)
	require.NoError(l, err)
	return tx
}

func TestASendFailsIfItsConversationIsDeletedWhileItWaits(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	c := l.chat("alice", "bob")
	tx := l.beginWithEveryConversation()
	sent := make(chan error, 1)
	go func() {
		_, err := l.db.AppendMessage(context.WithoutCancel(t.Context()), c, chat.Draft{Content: "a"})
		sent <- err
	}()
	waited(t, l.db.SQL())
	vanish(t, tx)
	require.Error(t, <-sent)
}

func TestPurgeIgnoresAConversationThatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	l := newLogged(t)
	l.send(l.chat("alice", "bob"))
	require.NoError(t, l.db.EraseUser(t.Context(), "alice"))
	// With purge_due unset, the purge blocks first on the messages of the erased user.
	_, err := l.db.SQL().ExecContext(t.Context(), `UPDATE buddychat_conversations SET purge_due = FALSE`)
	require.NoError(t, err)
	tx := l.beginWithEveryConversation()
	purged := make(chan error, 1)
	go func() {
		_, err := l.db.Purge(context.WithoutCancel(t.Context()), time.Hour, 100)
		purged <- err
	}()
	waited(t, l.db.SQL())
	vanish(t, tx)
	require.NoError(t, <-purged)
}
