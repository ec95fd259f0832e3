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

// fill writes users with the numbers from first to last, by other means than the store. Names come again every 40 and every 63 users, and
// each tenth of all has a last name of its own.
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
			{"both names, together nobody's", user.Filter{FirstName: "annama", LastName: "garciami tribe3"}, storage.Range{Limit: 51}},
			{"everybody matches", user.Filter{Search: "user"}, storage.Range{Limit: 51}},
			{"everybody matches two characters", user.Filter{Search: "er"}, storage.Range{Limit: 51}},
			{"one matches", user.Filter{Search: "user123456"}, storage.Range{Limit: 51}},
			{"nobody matches", user.Filter{Search: "zz"}, storage.Range{Limit: 51}},
			{"nobody matches, many nearly", user.Filter{Search: "annama rciami"}, storage.Range{Limit: 51}},
			{"two words", user.Filter{Search: "love mill"}, storage.Range{Limit: 51}},
			{"single characters", user.Filter{Search: "z q"}, storage.Range{Limit: 51}},
			{"those at the end", user.Filter{Search: "tribe9"}, storage.Range{Limit: 51}},
			{"those at the beginning, from the middle on", user.Filter{Search: "tribe1"}, storage.Range{Limit: 51, After: &after}},
			{"from the end", user.Filter{Search: "tribe1 er"}, storage.Range{Limit: 51, Backward: true}},
		} {
			b.Run("list/"+c.name, func(b *testing.B) {
				for b.Loop() {
					found, err := s.ListUsers(b.Context(), c.f, c.r)
					if !errors.Is(err, storage.ErrInvalid) { // where it would look at too many
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
