package buddychat_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/user"
)

// anyUser is a directory in which every id is a user.
type anyUser struct{}

func (anyUser) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := make(map[user.ID]user.Profile, len(ids))
	for _, id := range ids {
		found[id] = user.Profile{ID: id, Username: string(id)}
	}
	return found, nil
}

// benchmarked is a store that writes to disk, with its database.
type benchmarked struct {
	*bunstore.Store
	sql     *sql.DB
	dialect bunstore.Dialect
}

func onDatabases(b *testing.B, f func(b *testing.B, s benchmarked)) {
	b.Run("SQLite", func(b *testing.B) {
		db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), &sqlite.Options{Migrate: true})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, db.Close()) })
		f(b, benchmarked{db.Store, db.SQL(), bunstore.SQLite})
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		db, err := postgres.Open(b.Context(), pgtest.URL(b), &postgres.Options{Migrate: true, MaxConnections: 40})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, db.Close()) })
		f(b, benchmarked{db.Store, db.SQL(), bunstore.PostgreSQL})
	})
}

func open(b *testing.B, chats *chat.Service, owner, other user.ID) chat.Chat {
	b.Helper()
	mine, _, err := chats.Open(b.Context(), owner, other)
	require.NoError(b, err)
	return mine
}

// BenchmarkSend sends messages of 40 bytes: one caller, 32 callers with a chat each, and 32 callers
// in one chat.
func BenchmarkSend(b *testing.B) {
	const content = "a message as people write them, or so ok"
	onDatabases(b, func(b *testing.B, s benchmarked) {
		chats := chat.NewService(s, anyUser{}, nil)
		b.Run("one caller", func(b *testing.B) {
			mine := open(b, chats, "alice", "bob")
			b.ReportAllocs()
			for b.Loop() {
				_, err := chats.Send(b.Context(), "alice", mine.ID, chat.Draft{Content: content})
				require.NoError(b, err)
			}
		})
		b.Run("32 callers", func(b *testing.B) {
			var n atomic.Int64
			b.SetParallelism(max(1, 32/runtime.GOMAXPROCS(0)))
			b.RunParallel(func(pb *testing.PB) {
				me := user.ID(fmt.Sprintf("caller%d", n.Add(1)))
				mine := open(b, chats, me, "bob")
				for pb.Next() {
					_, err := chats.Send(b.Context(), me, mine.ID, chat.Draft{Content: content})
					require.NoError(b, err)
				}
			})
		})
		b.Run("32 callers in one chat", func(b *testing.B) {
			mine := open(b, chats, "alice", "carol")
			b.SetParallelism(max(1, 32/runtime.GOMAXPROCS(0)))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					_, err := chats.Send(b.Context(), "alice", mine.ID, chat.Draft{Content: content})
					require.NoError(b, err)
				}
			})
		})
	})
}

// BenchmarkGroupSend sends to groups of 2 and of 10,000 members: the cost must be the same.
func BenchmarkGroupSend(b *testing.B) {
	onDatabases(b, func(b *testing.B, s benchmarked) {
		groups := group.NewService(s, anyUser{}, nil)
		for _, members := range []int{2, 10_000} {
			b.Run(fmt.Sprintf("%d members", members), func(b *testing.B) {
				g, own, err := groups.Create(b.Context(), "alice", group.Draft{Title: "A group"})
				require.NoError(b, err)
				addMembers(b, s, g.ID, members-1)
				b.ReportAllocs()
				for b.Loop() {
					_, err := groups.Send(b.Context(), "alice", own.ID, chat.Draft{Content: "to all"})
					require.NoError(b, err)
				}
			})
		}
	})
}

// addMembers adds members in one statement, as an import would.
func addMembers(b *testing.B, s benchmarked, group int64, n int) {
	b.Helper()
	statement := `INSERT INTO buddychat_copies (conversation_id, kind, owner, joined_at, join_event)
		SELECT $1, 2, 'member' || CAST(i AS TEXT), 1, 1 FROM generate_series(1, $2) i`
	if s.dialect == bunstore.SQLite {
		statement = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
			INSERT INTO buddychat_copies (conversation_id, kind, owner, joined_at, join_event) SELECT $1, 2, 'member' || CAST(i AS TEXT), 1, 1 FROM n`
	}
	_, err := s.sql.ExecContext(b.Context(), statement, group, n)
	require.NoError(b, err)
	_, err = s.sql.ExecContext(b.Context(), `UPDATE buddychat_groups SET members_count = members_count + $2 WHERE conversation_id = $1`, group, n)
	require.NoError(b, err)
	// Without new statistics the planner takes the table for empty and reads all of it. On a
	// server, autovacuum renews them within a minute.
	_, err = s.sql.ExecContext(b.Context(), `ANALYZE`)
	require.NoError(b, err)
}

// fill gives a chat n messages.
func fill(b *testing.B, s benchmarked, c chat.Chat, n int) {
	b.Helper()
	statement := `INSERT INTO buddychat_messages (conversation_id, seq, sender, content, created_at)
		SELECT $1, i, CASE WHEN i % 2 = 0 THEN 'alice' ELSE 'bob' END, 'message ' || CAST(i AS TEXT), i FROM generate_series(1, $2) i`
	if s.dialect == bunstore.SQLite {
		statement = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
			INSERT INTO buddychat_messages (conversation_id, seq, sender, content, created_at)
			SELECT $1, i, CASE WHEN i % 2 = 0 THEN 'alice' ELSE 'bob' END, 'message ' || CAST(i AS TEXT), i FROM n`
	}
	_, err := s.sql.ExecContext(b.Context(), statement, c.Conversation, n)
	require.NoError(b, err)
	_, err = s.sql.ExecContext(b.Context(), `UPDATE buddychat_conversations SET last_seq = $2, last_sent_at = $2 WHERE id = $1`, c.Conversation, n)
	require.NoError(b, err)
	_, err = s.sql.ExecContext(b.Context(), `ANALYZE`)
	require.NoError(b, err)
}

// BenchmarkPage reads fifty of a million messages: the newest, the oldest, and the fifty before the
// oldest, which must cost the same. It also counts all messages.
func BenchmarkPage(b *testing.B) {
	const history = 1_000_000
	onDatabases(b, func(b *testing.B, s benchmarked) {
		chats := chat.NewService(s, anyUser{}, nil)
		mine := open(b, chats, "alice", "bob")
		fill(b, s, mine, history)
		page := func(b *testing.B, p storage.Page, first int) {
			b.ReportAllocs()
			for b.Loop() {
				l, err := chats.Messages(b.Context(), "alice", mine.ID, p)
				require.NoError(b, err)
				require.Len(b, l.Items, 50)
				require.Equal(b, fmt.Sprintf("message %d", first), l.Items[0].Content)
			}
		}
		end, err := chats.Messages(b.Context(), "alice", mine.ID, storage.Last(50))
		require.NoError(b, err)
		b.Run("newest", func(b *testing.B) { page(b, storage.First(50), history) })
		b.Run("oldest", func(b *testing.B) { page(b, storage.Last(50), 50) })
		b.Run("before the oldest", func(b *testing.B) { page(b, storage.Last(50).Before(end.Start()), 100) })
		b.Run("count", func(b *testing.B) {
			copies := []chat.Copy{mine.Copy()}
			for b.Loop() {
				n, err := s.CountMessages(b.Context(), copies)
				require.NoError(b, err)
				require.Equal(b, []int{history}, n)
			}
		})
	})
}
