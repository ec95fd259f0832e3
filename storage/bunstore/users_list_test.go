package bunstore_test

import (
	"math"
	"os"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// beforeSearch returns the migrations of a database from before the user search had an index.
func beforeSearch(t *testing.T) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range []string{"0001_conversations.sql", "0002_users.sql", "0003_sessions.sql"} {
		text, err := os.ReadFile("migrations/" + name)
		require.NoError(t, err)
		files[name] = &fstest.MapFile{Data: text}
	}
	return files
}

func TestExistingAccountsAreFoundAfterMigrate(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := open(t, "")
			require.NoError(t, db.MigrateFiles(t.Context(), beforeSearch(t)))
			fill(t, db.sql, db.dialect, 1, 100)
			require.NoError(t, db.Migrate(t.Context()))
			for search, want := range map[string]int{"user": 100, "us": 100, "user10": 2, "ser100 tribe0": 1, "tribe1": 0, "s r": 100} {
				n, err := db.CountUsers(t.Context(), user.Filter{Search: search})
				require.NoError(t, err)
				require.Equal(t, want, n, search)
				found, err := db.ListUsers(t.Context(), user.Filter{Search: search}, storage.Range{Limit: 1000})
				require.NoError(t, err)
				require.Len(t, found, want, search)
			}
			_, err := db.sql.ExecContext(t.Context(), `UPDATE buddychat_users SET last_name_fold = 'zyx' WHERE number = 7`)
			require.NoError(t, err)
			_, err = db.sql.ExecContext(t.Context(), `DELETE FROM buddychat_users WHERE number > 50`)
			require.NoError(t, err)
			for search, want := range map[string]int{"user": 50, "user7 zyx": 1, "user7 tribe": 0, "user51": 0} {
				n, err := db.CountUsers(t.Context(), user.Filter{Search: search})
				require.NoError(t, err)
				require.Equal(t, want, n, "%s, in rows that were written directly", search)
			}
		})
	}
}

// wrongGrams computes the grams from the names and counts the differences from the stored table.
const wrongGrams = `WITH RECURSIVE
	names (number, name) AS (SELECT number, username_fold FROM buddychat_users UNION ALL SELECT number, first_name_fold FROM buddychat_users UNION ALL SELECT number, last_name_fold FROM buddychat_users),
	places (number, name, place) AS (SELECT number, name, 1 FROM names UNION ALL SELECT number, name, place + 1 FROM places WHERE place < length(name)),
	grams (gram, number) AS (SELECT substr(name, place, 2), number FROM places WHERE place < length(name) UNION SELECT substr(name, place, 3), number FROM places WHERE place + 1 < length(name))
	SELECT (SELECT count(*) FROM (SELECT * FROM grams EXCEPT SELECT gram, number FROM buddychat_user_grams))
		+ (SELECT count(*) FROM (SELECT gram, number FROM buddychat_user_grams EXCEPT SELECT * FROM grams))`

func TestTheTableOfGramsMatchesTheNames(t *testing.T) {
	t.Parallel()
	db := migrated(t, openSQLite)
	a := account("straße")
	a.FirstName, a.LastName = "ﷺ"+string([]rune{0x1F468, 0x200D, 0x1F469}), "\"quoted\\\" \u0001 a\u0301"
	u := register(t, db, a)
	register(t, db, account("other"))
	require.Zero(t, count(t, db.sql, wrongGrams))
	require.Positive(t, count(t, db.sql, `SELECT count(*) FROM buddychat_user_grams`))
	name := "Zoë"
	_, err := db.UpdateUser(t.Context(), u.ID, user.Update{FirstName: &name})
	require.NoError(t, err)
	require.Zero(t, count(t, db.sql, wrongGrams))
	require.NoError(t, db.EraseAccount(t.Context(), u.ID))
	require.Zero(t, count(t, db.sql, wrongGrams))
}

// listed has the searches whose cost the test below compares.
var listed = map[string]struct {
	f user.Filter
	r storage.Range
}{
	"all":                          {user.Filter{}, storage.Range{Limit: 51}},
	"a username":                   {user.Filter{Username: "user700"}, storage.Range{Limit: 51}},
	"a first name":                 {user.Filter{FirstName: "annama"}, storage.Range{Limit: 51}},
	"a last name":                  {user.Filter{LastName: "garciami tribe0"}, storage.Range{Limit: 51}},
	"both names":                   {user.Filter{FirstName: "annama", LastName: "garciami tribe0"}, storage.Range{Limit: 51}},
	"a name of no user":            {user.Filter{LastName: "nobody"}, storage.Range{Limit: 51}},
	"all match":                    {user.Filter{Search: "user"}, storage.Range{Limit: 51}},
	"all match, from the end":      {user.Filter{Search: "er"}, storage.Range{Limit: 51, Backward: true}},
	"all match, single characters": {user.Filter{Search: "u r"}, storage.Range{Limit: 51}},
	"one":                          {user.Filter{Search: "user1234"}, storage.Range{Limit: 51}},
	"none match":                   {user.Filter{Search: "zz"}, storage.Range{Limit: 51}},
	"none match, long word":        {user.Filter{Search: "userina"}, storage.Range{Limit: 51}},
}

func TestTheCostOfAUserSearchDoesNotGrowWithTheNumberOfUsers(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it compares times, which the race detector distorts, among 16,000 users")
	}
	const few, many = 1000, 16_000
	const rounds = 10 // other work on the machine only adds to a time, so the least one counts
	for name, open := range eachDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			small, large := migrated(t, open), migrated(t, open)
			fill(t, small.sql, small.dialect, 1, few)
			fill(t, large.sql, large.dialect, 1, many)
			for name, c := range listed {
				least := func(db database, earlier time.Duration) time.Duration {
					for range 15 {
						start := time.Now()
						_, err := db.ListUsers(t.Context(), c.f, c.r)
						require.NoError(t, err)
						earlier = min(earlier, time.Since(start))
					}
					return earlier
				}
				inFew, inMany := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
				for range rounds {
					inFew, inMany = least(small, inFew), least(large, inMany)
					if inMany < 5*inFew+time.Millisecond {
						break
					}
				}
				t.Log(name, inFew, inMany)
				assert.Less(t, inMany, 5*inFew+time.Millisecond,
					"%s: a scan of %d users would cost %d times as much", name, many, many/few)
			}
		})
	}
}

func TestASearchWithTooManyNearMatchesIsRefused(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			fill(t, db.sql, db.dialect, 1, 6000)
			_, err := db.ListUsers(t.Context(), user.Filter{Search: "z ?"}, storage.Range{Limit: 1})
			require.ErrorIs(t, err, storage.ErrInvalid)
			require.Equal(t, "search", storage.Field(err))
			last := storage.Key{Major: 5000}
			found, err := db.ListUsers(t.Context(), user.Filter{Search: "z ?"}, storage.Range{Limit: 1, After: &last})
			require.NoError(t, err, "few enough users are left up to the end")
			require.Empty(t, found)
			found, err = db.ListUsers(t.Context(), user.Filter{Search: "z ?"}, storage.Range{Limit: 1, Before: &last, Backward: true})
			require.NoError(t, err)
			require.Empty(t, found)
		})
	}
}

func TestUsersAreCountedUpToMaxCount(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			fill(t, db.sql, db.dialect, 1, user.MaxCount-1)
			for _, f := range []user.Filter{{}, {Search: "user"}, {Search: "er"}, {Search: "us er tribe0"}, {Search: "u s"}} {
				n, err := db.CountUsers(t.Context(), f)
				require.NoError(t, err)
				require.Equal(t, user.MaxCount-1, n, "%+v", f)
			}
			fill(t, db.sql, db.dialect, user.MaxCount, user.MaxCount+7)
			for _, f := range []user.Filter{{}, {Search: "user"}, {Search: "er"}, {Search: "us er tribe0"}, {Search: "u s"}} {
				n, err := db.CountUsers(t.Context(), f)
				require.NoError(t, err)
				require.Equal(t, user.MaxCount, n, "%+v", f)
			}
		})
	}
}
