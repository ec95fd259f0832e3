package bunstore_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/user"
)

// fill inserts users with the numbers from first to last by SQL. First names repeat every 40 users
// and last names every 63. Each block of 20,000 users has its own suffix in the last name.
func fill(tb testing.TB, db *sql.DB, d bunstore.Dialect, first, last int) {
	tb.Helper()
	numbers, hash := `(WITH RECURSIVE numbers (n) AS (SELECT ?1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?2) SELECT n FROM numbers)`, `CAST(n AS BLOB)`
	if d == bunstore.PostgreSQL {
		numbers, hash = `(SELECT n FROM generate_series($1::bigint, $2::bigint) n)`, `n::text::bytea`
	}
	_, err := db.ExecContext(tb.Context(), `
		INSERT INTO buddychat_users (username, username_fold, email, email_key, first_name, first_name_fold, last_name, last_name_fold, password_hash, joined_at)
		SELECT 'user' || n, 'user' || n, 'user' || n || '@example.com', `+hash+`,
			substr('annamariesmithlovelacehopperjohnsonwilliamsbrown', 1 + CAST(n % 40 AS INTEGER), 6), substr('annamariesmithlovelacehopperjohnsonwilliamsbrown', 1 + CAST(n % 40 AS INTEGER), 6),
			substr('garciamillerdavisrodriguezmartinezhernandezlopezgonzaleswilsonanderson', 1 + CAST(n % 63 AS INTEGER), 8) || ' tribe' || (n / 20000),
			substr('garciamillerdavisrodriguezmartinezhernandezlopezgonzaleswilsonanderson', 1 + CAST(n % 63 AS INTEGER), 8) || ' tribe' || (n / 20000), '', 0
		FROM `+numbers+` q`, first, last)
	require.NoError(tb, err)
}

func BenchmarkUsers(b *testing.B) {
	const users = 200_000
	run := func(b *testing.B, s *bunstore.Store, db *sql.DB, d bunstore.Dialect) {
		fill(b, db, d, 1, users)
		after := storage.Key{Major: users / 2}
		for _, c := range []struct {
			name string
			f    user.Filter
			r    storage.Range
		}{
			{"all", user.Filter{}, storage.Range{Limit: 51}},
			{"first name", user.Filter{FirstName: "annama"}, storage.Range{Limit: 51}},
			{"both names, of no user", user.Filter{FirstName: "annama", LastName: "garciami tribe3"}, storage.Range{Limit: 51}},
			{"all match", user.Filter{Search: "user"}, storage.Range{Limit: 51}},
			{"all match two characters", user.Filter{Search: "er"}, storage.Range{Limit: 51}},
			{"one matches", user.Filter{Search: "user123456"}, storage.Range{Limit: 51}},
			{"none match", user.Filter{Search: "zz"}, storage.Range{Limit: 51}},
			{"none match, many nearly", user.Filter{Search: "annama rciami"}, storage.Range{Limit: 51}},
			{"two words", user.Filter{Search: "love mill"}, storage.Range{Limit: 51}},
			{"single characters", user.Filter{Search: "z q"}, storage.Range{Limit: 51}},
			{"matches at the end", user.Filter{Search: "tribe9"}, storage.Range{Limit: 51}},
			{"matches at the beginning, read from the middle", user.Filter{Search: "tribe1"}, storage.Range{Limit: 51, After: &after}},
			{"from the end", user.Filter{Search: "tribe1 er"}, storage.Range{Limit: 51, Backward: true}},
		} {
			b.Run("list/"+c.name, func(b *testing.B) {
				for b.Loop() {
					found, err := s.ListUsers(b.Context(), c.f, c.r)
					if !errors.Is(err, storage.ErrInvalid) { // if it would scan too many
						require.NoError(b, err)
					}
					b.ReportMetric(float64(len(found)), "found")
				}
			})
			b.Run("count/"+c.name, func(b *testing.B) {
				for b.Loop() {
					n, err := s.CountUsers(b.Context(), c.f)
					require.NoError(b, err)
					b.ReportMetric(float64(n), "found")
				}
			})
		}
	}
	b.Run("SQLite", func(b *testing.B) {
		db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "users.db"), &sqlite.Options{Migrate: true})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, db.Close()) })
		run(b, db.Store, db.SQL(), bunstore.SQLite)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		db, err := postgres.Open(b.Context(), pgtest.URL(b), &postgres.Options{Migrate: true})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, db.Close()) })
		run(b, db.Store, db.SQL(), bunstore.PostgreSQL)
	})
}
