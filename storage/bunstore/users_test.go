package bunstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func account(name string) user.Account {
	return user.Account{
		Username: name, Email: name + "@example.com", FirstName: "First " + name, LastName: "Last " + name,
		PasswordHash: "hash of " + name, Phone: user.Phone{CountryCode: "49", Number: fmt.Sprintf("%08x", name)[:8]},
	}
}

func register(t *testing.T, s database, a user.Account) user.User {
	t.Helper()
	u, _, err := s.CreateUser(t.Context(), a)
	require.NoError(t, err)
	return u
}

func TestEveryLookupReturnsTheSameUser(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			u, p, err := db.CreateUser(t.Context(), account("alice"))
			require.NoError(t, err)
			require.Equal(t, user.ID(strconv.FormatInt(u.Number, 10)), u.ID)

			byID, err := db.Users(t.Context(), u.ID, u.ID, "007", "+1", "-1", "0", "a-host's", "99999999999999999999")
			require.NoError(t, err)
			require.Equal(t, map[user.ID]user.User{u.ID: u}, byID)
			c, err := db.CredentialsByName(t.Context(), "ALICE")
			require.NoError(t, err)
			require.Equal(t, user.Credentials{User: u, PasswordHash: "hash of alice"}, c)
			c, err = db.Credentials(t.Context(), u.ID)
			require.NoError(t, err)
			require.Equal(t, u, c.User)
			phones, err := db.Phones(t.Context(), u.ID, "0")
			require.NoError(t, err)
			require.Equal(t, map[user.ID][]user.Phone{u.ID: {p}}, phones)

			bio, name := "about me", "Alicia"
			changed, err := db.UpdateUser(t.Context(), u.ID, user.Update{Bio: &bio, FirstName: &name})
			require.NoError(t, err)
			u.Bio, u.FirstName = bio, name
			require.Equal(t, u, changed)
			listed, err := db.ListUsers(t.Context(), user.Filter{FirstName: "alicia", LastName: "LAST ALICE"}, storage.Range{Limit: 2})
			require.NoError(t, err)
			require.Equal(t, []user.User{u}, listed)

			for _, id := range []user.ID{"0", "12345", "nobody", "01"} {
				_, err = db.Credentials(t.Context(), id)
				require.ErrorIs(t, err, storage.ErrNotFound)
				_, err = db.UpdateUser(t.Context(), id, user.Update{})
				require.ErrorIs(t, err, storage.ErrNotFound)
				require.ErrorIs(t, db.SetPassword(t.Context(), id, "", ""), storage.ErrNotFound)
				require.ErrorIs(t, db.ReplaceHash(t.Context(), id, "", ""), storage.ErrNotFound)
				require.ErrorIs(t, db.RemovePhone(t.Context(), id, p.ID), storage.ErrNotFound)
				_, err = db.AddPhone(t.Context(), id, user.Phone{}, 9)
				require.ErrorIs(t, err, storage.ErrNotFound)
			}
			_, err = db.CredentialsByName(t.Context(), "")
			require.ErrorIs(t, err, storage.ErrNotFound)
		})
	}
}

func TestAConflictNamesTheFieldThatIsTaken(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			first := account("straße")
			register(t, db, first)
			for what, change := range map[string]func(*user.Account){
				"username": func(a *user.Account) { a.Username = "STRASSE" },
				"email":    func(a *user.Account) { a.Email = "STRASSE@EXAMPLE.com" },
				"phone":    func(a *user.Account) { a.Phone = first.Phone },
			} {
				a := account("other")
				change(&a)
				_, _, err := db.CreateUser(t.Context(), a)
				require.ErrorIs(t, err, storage.ErrConflict, what)
				require.Contains(t, storage.Message(err), what)
			}
			n, err := db.CountUsers(t.Context(), user.Filter{})
			require.NoError(t, err)
			require.Equal(t, 1, n, "a refused account is not stored")
			register(t, db, account("other"))
		})
	}
}

func TestOneOfTwoConcurrentRegistrationsWins(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			const callers = 8
			for round, unique := range []func(i int) user.Account{
				func(i int) user.Account { a := account(fmt.Sprint("name", i)); a.Username = "wanted"; return a },
				func(i int) user.Account {
					a := account(fmt.Sprint("mail", i))
					a.Email = "wanted@example.com"
					return a
				},
				func(i int) user.Account {
					a := account(fmt.Sprint("phone", i))
					a.Phone = user.Phone{CountryCode: "1", Number: "55555555"}
					return a
				},
			} {
				results := make(chan error, callers)
				for i := range callers {
					a := unique(i)
					if round != 2 {
						a.Phone.Number = fmt.Sprintf("%d%07d", round, i)
					}
					go func() {
						_, _, err := db.CreateUser(t.Context(), a)
						results <- err
					}()
				}
				won := 0
				for range callers {
					if err := <-results; err == nil {
						won++
					} else {
						require.ErrorIs(t, err, storage.ErrConflict)
					}
				}
				require.Equal(t, 1, won)
			}
		})
	}
}

func TestAHostTransactionCanContinueAfterAConflict(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			register(t, db, account("alice"))
			tx, err := db.sql.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			defer tx.Rollback() //nolint:errcheck // after the commit
			bound := db.In(tx)

			_, _, err = bound.CreateUser(t.Context(), account("alice"))
			require.ErrorIs(t, err, storage.ErrConflict)
			bob, _, err := bound.CreateUser(t.Context(), account("bobby"))
			require.NoError(t, err)
			_, err = bound.AddPhone(t.Context(), bob.ID, account("alice").Phone, 9)
			require.ErrorIs(t, err, storage.ErrConflict)
			_, err = bound.AddPhone(t.Context(), bob.ID, user.Phone{CountryCode: "1", Number: "77777777"}, 1)
			require.ErrorIs(t, err, storage.ErrConflict)
			require.NoError(t, tx.Commit())

			phones, err := db.Phones(t.Context(), bob.ID)
			require.NoError(t, err)
			require.Len(t, phones[bob.ID], 1)
		})
	}
}

func TestALongEmailIsAcceptedEvenIfFoldingExpandsIt(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			a := account("alice")
			a.Email = strings.Repeat("ﷺ㌠", 120) + "@example.com"
			a.FirstName, a.LastName = a.Email, a.Email
			u := register(t, db, a)
			found, err := db.ListUsers(t.Context(), user.Filter{FirstName: a.FirstName}, storage.Range{Limit: 1})
			require.NoError(t, err)
			require.Equal(t, []user.User{u}, found)
		})
	}
}

func TestSearchFindsPartsOfNamesAndKnowsNoWildcards(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			for i, names := range [][3]string{{"one_hundred", "Zoë", "O'Neil"}, {"oneahundred", "100%", `back\slash`}, {"another", "Ελένη", "Müller"}} {
				a := account(names[0])
				a.FirstName, a.LastName, a.Phone.Number = names[1], names[2], fmt.Sprintf("%08d", i)
				register(t, db, a)
			}
			for search, want := range map[string]int{
				"one_": 1, "_": 1, "%": 1, "0%": 1, `\`: 1, "'": 1, "HUNDRED": 2, "ZOË": 1, "zoe": 0, "λένη": 1, "MÜLL": 1, "example": 0, "o": 3, "hundredzo": 0, "": 3,
			} {
				n, err := db.CountUsers(t.Context(), user.Filter{Search: search})
				require.NoError(t, err)
				require.Equal(t, want, n, search)
			}
			n, err := db.CountUsers(t.Context(), user.Filter{Search: "o", Username: "ANOTHER"})
			require.NoError(t, err)
			require.Equal(t, 1, n, "all conditions apply")
		})
	}
}

func TestUsersAreListedByNumberInBothDirections(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			var all []int64
			for i := range 5 {
				a := account(fmt.Sprint("user", i))
				a.Phone.Number = fmt.Sprintf("%08d", i)
				all = append(all, register(t, db, a).Number)
			}
			key := func(i int) *storage.Key { return &storage.Key{Major: all[i]} }
			for _, c := range []struct {
				r    storage.Range
				want []int64
			}{
				{storage.Range{Limit: 2}, all[:2]},
				{storage.Range{Limit: 2, After: key(1)}, all[2:4]},
				{storage.Range{Limit: 2, Backward: true}, all[3:]},
				{storage.Range{Limit: 2, Backward: true, Before: key(2)}, all[:2]},
				{storage.Range{Limit: 9, After: key(0), Before: key(4)}, all[1:4]},
				{storage.Range{Limit: 9, After: key(4)}, nil},
			} {
				page, err := db.ListUsers(t.Context(), user.Filter{}, c.r)
				require.NoError(t, err)
				var got []int64
				for _, u := range page {
					got = append(got, u.Number)
				}
				require.Equal(t, c.want, got)
			}
		})
	}
}

func TestPhonesAreLimitedUnderConcurrency(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			alice, bob := register(t, db, account("alice")), register(t, db, account("bobby"))
			const callers, limit = 8, 3
			results := make(chan error, callers)
			for i := range callers {
				go func() {
					_, err := db.AddPhone(t.Context(), alice.ID, user.Phone{CountryCode: "1", Number: fmt.Sprintf("%08d", i)}, limit)
					results <- err
				}()
			}
			added := 0
			for range callers {
				if err := <-results; err == nil {
					added++
				} else {
					require.ErrorIs(t, err, storage.ErrConflict)
				}
			}
			require.Equal(t, limit-1, added, "one came with the account")

			phones, err := db.Phones(t.Context(), alice.ID, bob.ID)
			require.NoError(t, err)
			require.Len(t, phones[alice.ID], limit)
			require.ErrorIs(t, db.RemovePhone(t.Context(), bob.ID, phones[alice.ID][0].ID), storage.ErrNotFound)
			require.NoError(t, db.RemovePhone(t.Context(), alice.ID, phones[alice.ID][0].ID))
			require.ErrorIs(t, db.RemovePhone(t.Context(), alice.ID, phones[alice.ID][0].ID), storage.ErrNotFound)
			left, err := db.Phones(t.Context(), alice.ID)
			require.NoError(t, err)
			require.Equal(t, phones[alice.ID][1:], left[alice.ID])
		})
	}
}

func TestAHashIsReplacedOnlyIfTheOldOneIsCurrent(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			u := register(t, db, account("alice"))
			hash := func() string {
				c, err := db.Credentials(t.Context(), u.ID)
				require.NoError(t, err)
				return c.PasswordHash
			}
			require.NoError(t, db.ReplaceHash(t.Context(), u.ID, "another", "new"))
			require.Equal(t, "hash of alice", hash())
			require.NoError(t, db.ReplaceHash(t.Context(), u.ID, "hash of alice", "new"))
			require.Equal(t, "new", hash())
			require.ErrorIs(t, db.SetPassword(t.Context(), u.ID, "hash of alice", "newer"), storage.ErrConflict)
			require.Equal(t, "new", hash())
			require.NoError(t, db.SetPassword(t.Context(), u.ID, "new", "newer"))
			require.Equal(t, "newer", hash())
		})
	}
}

func TestAnErasedAccountLeavesNoRowsAndItsIDIsNotReused(t *testing.T) {
	t.Parallel()
	for database, open := range eachDatabase() {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			db := migrated(t, open)
			u := register(t, db, account("alice"))
			in := login(t, db, u.ID)
			require.NoError(t, db.EraseAccount(context.Background(), "a-host's"))
			require.NoError(t, db.EraseAccount(context.Background(), u.ID))
			require.NoError(t, db.EraseAccount(context.Background(), u.ID))
			for _, table := range []string{"users", "phones", "sessions", "refresh_tokens"} {
				require.Zero(t, count(t, db.sql, `SELECT count(*) FROM buddychat_`+table), table)
			}
			_, err := in.rotate(t, 0)
			require.ErrorIs(t, err, storage.ErrUnauthenticated)
			require.NotEqual(t, u.ID, register(t, db, account("alice")).ID)
		})
	}
}
