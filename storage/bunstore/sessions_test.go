package bunstore_test

import (
	"crypto/rand"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

const (
	grace    = 30 * time.Second
	lifetime = 7 * 24 * time.Hour
)

// family is a login as seen by a client, with its refresh tokens.
type family struct {
	token.Session
	db     database
	tokens [][]byte // in the order of creation
}

func newHash(t *testing.T) []byte {
	t.Helper()
	hash := make([]byte, 32)
	_, err := rand.Read(hash)
	require.NoError(t, err)
	return hash
}

func login(t *testing.T, db database, u user.ID) *family {
	t.Helper()
	f := &family{db: db, tokens: [][]byte{newHash(t)}, Session: token.Session{ID: uuid.NewString(), User: u, Began: time.Unix(1_800_000_000, 0).UTC()}}
	account, err := db.Users(t.Context(), u)
	require.NoError(t, err)
	require.NoError(t, db.CreateSession(t.Context(), token.Login{
		Session: f.Session, PasswordVersion: account[u].PasswordVersion, Refresh: f.tokens[0], Expires: f.Began.Add(lifetime), Until: f.Began.Add(lifetime),
	}))
	return f
}

// rotate spends the i-th token at the time of the login.
func (f *family) rotate(t *testing.T, i int) (token.Session, error) { return f.rotateAt(t, i, 0) }

func (f *family) rotateAt(t *testing.T, i int, later time.Duration) (token.Session, error) {
	t.Helper()
	now, next := f.Began.Add(later), newHash(t)
	in, err := f.db.RotateRefresh(t.Context(), token.Rotation{Spent: f.tokens[i], Next: next, Now: now, Expires: now.Add(lifetime), Until: now.Add(lifetime), Grace: grace})
	if err == nil {
		require.Equal(t, f.Session, in)
		f.tokens = append(f.tokens, next)
	}
	return in, err
}

func (f *family) active(t *testing.T) bool {
	t.Helper()
	active, err := f.db.SessionActive(t.Context(), f.User, f.ID)
	require.NoError(t, err)
	return active
}

// ends returns the sessions whose end is in the log, in order.
func (db database) ends(t *testing.T, u user.ID) []string {
	t.Helper()
	rows, err := db.sql.QueryContext(t.Context(), `SELECT session FROM buddychat_events WHERE operation = 'SESSION_ENDED' AND recipient = $1 ORDER BY id`, string(u))
	require.NoError(t, err)
	defer rows.Close() //nolint:errcheck // all rows have been read
	all := []string{}
	for rows.Next() {
		var session string
		require.NoError(t, rows.Scan(&session))
		all = append(all, session)
	}
	require.NoError(t, rows.Err())
	return all
}

func TestRefreshTokens(t *testing.T) {
	t.Parallel()
	type step struct {
		spend int           // index of the token, in the order of creation
		later time.Duration // time since the login
		ok    bool
	}
	cases := map[string]struct {
		steps []step
		lives bool
	}{
		"each is spent for the next one":                   {[]step{{0, 0, true}, {1, time.Hour, true}, {2, 2 * time.Hour, true}}, true},
		"a refresh can be repeated after a lost response":  {[]step{{0, 0, true}, {0, grace - time.Second, true}, {0, grace - time.Second, true}}, true},
		"the grace ends":                                   {[]step{{0, 0, true}, {0, grace, false}}, false},
		"the grace counts from the first use":              {[]step{{0, 0, true}, {0, grace / 2, true}, {0, grace, false}}, false},
		"the grace goes on when a successor is used":       {[]step{{0, 0, true}, {1, 1, true}, {0, 2, true}}, true},
		"both successors can be used":                      {[]step{{0, 0, true}, {0, 1, true}, {2, 2, true}, {1, 3, true}}, true},
		"a successor can be used long after its sibling":   {[]step{{0, 0, true}, {0, 1, true}, {2, 2, true}, {1, time.Hour, true}}, true},
		"a successor has its own grace period":             {[]step{{0, 0, true}, {0, 1, true}, {2, 2, true}, {2, 3, true}}, true},
		"a successor that was spent ends the whole family": {[]step{{0, 0, true}, {0, 1, true}, {2, 2, true}, {2, time.Hour, false}, {1, time.Hour, false}}, false},
		"nothing works in an ended session":                {[]step{{0, 0, true}, {0, grace, false}, {1, grace, false}}, false},
		"a token is invalid when it expires":               {[]step{{0, lifetime, false}, {0, lifetime - 1*time.Microsecond, true}}, true},
		"a spent token that expired ends nothing":          {[]step{{0, 0, true}, {0, lifetime, false}, {1, lifetime - 1, true}}, true},
	}
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			bystander := login(t, db, register(t, db, account("alice")).ID)
			for name, c := range cases {
				t.Run(name, func(t *testing.T) {
					f := login(t, db, bystander.User)
					before := db.ends(t, f.User)
					for i, s := range c.steps {
						_, err := f.rotateAt(t, s.spend, s.later)
						if s.ok {
							require.NoError(t, err, "step %d", i)
						} else {
							require.ErrorIs(t, err, storage.ErrUnauthenticated, "step %d", i)
						}
					}
					require.Equal(t, c.lives, f.active(t))
					want := before
					if !c.lives {
						want = append(want, f.ID)
					}
					require.Equal(t, want, db.ends(t, f.User), "an end is recorded once")
				})
			}
			_, err := bystander.rotate(t, 0)
			require.NoError(t, err, "other sessions are not affected")
		})
	}
}

func TestConcurrentRefreshesSpendATokenOnce(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			f := login(t, db, register(t, db, account("alice")).ID)
			const callers = 8
			results := make(chan error, callers)
			for range callers {
				next := newHash(t)
				go func() {
					_, err := db.RotateRefresh(t.Context(), token.Rotation{Spent: f.tokens[0], Next: next, Now: f.Began, Expires: f.Began.Add(lifetime)})
					results <- err
				}()
			}
			won := 0
			for range callers {
				if err := <-results; err == nil {
					won++
				} else {
					require.ErrorIs(t, err, storage.ErrUnauthenticated)
				}
			}
			require.Equal(t, 1, won)
			require.False(t, f.active(t), "without a grace period, the second use counts as theft")
			require.Equal(t, []string{f.ID}, db.ends(t, f.User))
		})
	}
}

func TestEndingASessionForReuseIsKeptInAHostTransaction(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			f := login(t, db, register(t, db, account("alice")).ID)
			_, err := f.rotate(t, 0)
			require.NoError(t, err)
			tx, err := db.sql.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback() //nolint:errcheck // after the commit
			_, err = db.In(tx).RotateRefresh(t.Context(), token.Rotation{Spent: f.tokens[0], Next: newHash(t), Now: f.Began.Add(grace), Expires: f.Began.Add(lifetime), Grace: grace})
			require.ErrorIs(t, err, storage.ErrUnauthenticated)
			require.NoError(t, tx.Commit())
			require.False(t, f.active(t))
		})
	}
}

func TestRevokeRefresh(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			u := register(t, db, account("alice"))
			f := login(t, db, u.ID)
			_, err := f.rotate(t, 0)
			require.NoError(t, err)
			_, err = db.RevokeRefresh(t.Context(), f.tokens[1], f.Began.Add(lifetime))
			require.ErrorIs(t, err, storage.ErrUnauthenticated, "expired")
			_, err = db.RevokeRefresh(t.Context(), newHash(t), f.Began)
			require.ErrorIs(t, err, storage.ErrUnauthenticated, "unknown")

			in, err := db.RevokeRefresh(t.Context(), f.tokens[0], f.Began)
			require.NoError(t, err, "a spent token of an active session")
			require.Equal(t, f.Session, in)
			require.False(t, f.active(t))
			_, err = db.RevokeRefresh(t.Context(), f.tokens[1], f.Began)
			require.ErrorIs(t, err, storage.ErrUnauthenticated, "ended")
			require.Equal(t, []string{f.ID}, db.ends(t, u.ID))
		})
	}
}

func TestEndSession(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			alice, bob := register(t, db, account("alice")), register(t, db, account("bobby"))
			one, two, bobs := login(t, db, alice.ID), login(t, db, alice.ID), login(t, db, bob.ID)

			require.NoError(t, db.EndSession(t.Context(), alice.ID, bobs.ID))
			require.True(t, bobs.active(t), "a session of another user is not ended")
			require.NoError(t, db.EndSession(t.Context(), alice.ID, one.ID))
			require.NoError(t, db.EndSession(t.Context(), alice.ID, one.ID))
			require.False(t, one.active(t))
			require.Equal(t, []string{one.ID}, db.ends(t, alice.ID))

			require.NoError(t, db.EndSession(t.Context(), alice.ID, ""))
			require.False(t, two.active(t))
			require.Equal(t, []string{one.ID, ""}, db.ends(t, alice.ID))

			require.NoError(t, db.SetPassword(t.Context(), bob.ID, "hash of bobby", "new"))
			require.False(t, bobs.active(t), "a new password ends every session")
			require.Equal(t, []string{""}, db.ends(t, bob.ID))

			require.NoError(t, db.EndSession(t.Context(), "a-host's", "its-session"))
			require.NoError(t, db.EndSession(t.Context(), "a-host's", ""))
			require.Equal(t, []string{"its-session", ""}, db.ends(t, "a-host's"))

			require.ErrorIs(t, db.CreateSession(t.Context(), token.Login{
				Session: token.Session{ID: uuid.NewString(), User: "4711"}, PasswordVersion: 1, Refresh: newHash(t), Expires: time.Now(),
			}), storage.ErrUnauthenticated)
		})
	}
}

// Tails rely on it: see record.
func TestASessionEndDrawsItsTransactionNumberBeforeItsRecord(t *testing.T) {
	t.Parallel()
	db := migrated(t, openPostgres)
	require.NoError(t, db.EndSession(t.Context(), "a-host's", "its-session"))
	tx, err := db.sql.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback() //nolint:errcheck // nothing is left to roll back
	require.NoError(t, db.In(tx).EndSession(t.Context(), "a-host's", "another"))
	var same bool
	require.NoError(t, tx.QueryRowContext(t.Context(), `SELECT xid = pg_current_xact_id() FROM buddychat_events ORDER BY id DESC LIMIT 1`).Scan(&same))
	require.True(t, same, "the number of the host's transaction, not of the savepoint")
}

func TestPurgeSessionsRemovesExpiredTokensAndSessionsWithoutTokens(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			u := register(t, db, account("alice"))
			old, used := login(t, db, u.ID), login(t, db, u.ID)
			_, err := used.rotateAt(t, 0, time.Hour)
			require.NoError(t, err)

			expired := old.Began.Add(lifetime)
			n, err := db.PurgeSessions(t.Context(), expired, 10)
			require.NoError(t, err)
			require.Zero(t, n, "not before they expire")
			removed := 0
			for n = 1; n != 0; removed += n {
				n, err = db.PurgeSessions(t.Context(), expired.Add(time.Minute), 1)
				require.NoError(t, err)
			}
			require.Equal(t, 3, removed, "two tokens, and the session without tokens")
			require.False(t, old.active(t))
			require.True(t, used.active(t))
			_, err = used.rotateAt(t, 1, time.Hour)
			require.NoError(t, err)
		})
	}
}
