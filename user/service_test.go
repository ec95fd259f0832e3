package user_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ user.Directory = (*user.Service)(nil)
	_ user.Lister    = (*user.Service)(nil)
)

func TestARegisteredUserCanLogIn(t *testing.T) {
	t.Parallel()
	s, store := newService(t, nil)
	r := registration(1)
	r.Phone = user.Phone{ID: 99, Number: "12345678", CountryCode: "+44"}
	u, p, err := s.Register(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, "user1", u.Username)
	require.Equal(t, "user1@example.com", u.Email)
	require.NotEqual(t, int64(99), p.ID)
	require.Equal(t, "44", p.CountryCode)
	require.True(t, strings.HasPrefix(store.accounts[u.ID].hash, "$argon2id$v=19$m=64,t=1,p=1$"))

	for _, name := range []string{"user1", "USER1", "ｕser1"} {
		got, err := s.Authenticate(t.Context(), name, secret)
		require.NoError(t, err)
		require.Equal(t, u, got)
	}
}

func TestATakenUsernameEmailOrPhoneIsAConflict(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	register(t, s, 1)
	for name, change := range map[string]func(*user.Registration){
		"username": func(r *user.Registration) { r.Username = "USER1" },
		"email":    func(r *user.Registration) { r.Email = "User1@Example.com" },
		"phone":    func(r *user.Registration) { r.Phone = user.Phone{Number: "10000001", CountryCode: "+44"} },
	} {
		r := registration(2)
		change(&r)
		_, _, err := s.Register(t.Context(), r)
		require.ErrorIs(t, err, storage.ErrConflict, name)
	}
}

func TestAWrongNameAndAWrongPasswordGiveTheSameErrorAfterTheSameWork(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	register(t, s, 1)
	var work []user.HashParams
	s.OnHash(func(p user.HashParams) { work = append(work, p) })

	cases := map[string][2]string{
		"wrong password":           {"user1", "wrong-horse-battery"},
		"empty password":           {"user1", ""},
		"enormous password":        {"user1", strings.Repeat("é", 1<<20)},
		"unknown name":             {"nobody", secret},
		"empty name":               {"", secret},
		"enormous name":            {strings.Repeat("a", 1<<20), secret},
		"a name with NUL":          {"user1\x00", secret},
		"a name of invalid UTF-8":  {"user1\xff", secret},
		"the right password twice": {"user1", secret + secret},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			work = nil
			_, err := s.Authenticate(t.Context(), c[0], c[1])
			require.ErrorIs(t, err, storage.ErrUnauthenticated)
			require.Equal(t, "the username or the password is wrong", storage.Message(err))
			require.Equal(t, []user.HashParams{{Memory: 64, Iterations: 1, Parallelism: 1}}, work)
		})
	}
}

func TestCheckingAnOldHashTakesAsLongAsANewOne(t *testing.T) {
	t.Parallel()
	old, store := newService(t, nil) // 64 KiB, once
	register(t, old, 1)
	for _, now := range []user.HashParams{
		{Memory: 64, Iterations: 1}, {Memory: 64, Iterations: 5}, {Memory: 96, Iterations: 1}, {Memory: 96, Iterations: 3}, {Memory: 128, Iterations: 2},
	} {
		s := serviceOn(t, store, &user.Options{Hash: now})
		work := uint32(0)
		s.OnHash(func(p user.HashParams) { work += p.Memory * p.Iterations })
		took := func(name string) uint32 {
			work = 0
			_, err := s.Authenticate(t.Context(), name, "wrong-horse-battery")
			require.ErrorIs(t, err, storage.ErrUnauthenticated)
			return work
		}
		// the memory of a pass is rounded to a KiB
		require.InDelta(t, took("nobody"), took("user1"), float64(now.Iterations), "%+v", now)
		require.InDelta(t, now.Memory*now.Iterations, work, float64(now.Iterations))
	}
}

func TestPasswordsAreComparedInNFKC(t *testing.T) {
	t.Parallel()
	var asked []string
	s, _ := newService(t, &user.Options{PasswordRule: func(password string) error {
		asked = append(asked, password)
		return nil
	}})
	const composed, decomposed, wide = "gréen-hörse-1865", "gre\u0301en-ho\u0308rse-1865", "ｇréen-hörse-１８６５"
	r := registration(1)
	r.Password = decomposed
	u, _, err := s.Register(t.Context(), r)
	require.NoError(t, err)
	for _, written := range []string{composed, decomposed, wide} {
		_, err = s.Authenticate(t.Context(), "user1", written)
		require.NoError(t, err, written)
	}
	_, err = s.Authenticate(t.Context(), "user1", "green-horse-1865")
	require.ErrorIs(t, err, storage.ErrUnauthenticated)

	_, err = s.ChangePassword(t.Context(), u.ID, wide, "ａnother-stablé-donkey")
	require.NoError(t, err)
	_, err = s.Authenticate(t.Context(), "user1", "another-stable\u0301-donkey")
	require.NoError(t, err)
	require.Equal(t, []string{composed, "another-stablé-donkey"}, asked, "PasswordRule gets the normalised password")
	require.NoError(t, s.Delete(t.Context(), u.ID, "ａnother-stable\u0301-donkey"))
}

func TestPasswordLengthIsCountedAfterNFKC(t *testing.T) {
	t.Parallel()
	for password, ok := range map[string]bool{
		strings.Repeat("e\u0301", 7):   false, // 7 characters, although 14 were sent
		"qé\u0323ｚ7ñv4k":               true,
		strings.Repeat("e\u0301", 513): false, // more than 1,024 were sent
		strings.Repeat("ﬃ", 400):       false, // 1,200 characters
	} {
		s, _ := newService(t, nil)
		r := registration(1)
		r.Password = password
		_, _, err := s.Register(t.Context(), r)
		if ok {
			require.NoError(t, err, password)
		} else {
			requireInvalid(t, err, "password")
		}
	}
}

func TestALongPasswordDoesNotMatchItsPrefix(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	r := registration(1)
	r.Password = strings.Repeat("𝔛𝔶𝔮𝔷𝔩𝔣𝔤𝔥", user.MaxPassword/8) // 4 bytes each
	_, _, err := s.Register(t.Context(), r)
	require.NoError(t, err)
	_, err = s.Authenticate(t.Context(), r.Username, r.Password+"x")
	require.ErrorIs(t, err, storage.ErrUnauthenticated)
	_, err = s.Authenticate(t.Context(), r.Username, r.Password)
	require.NoError(t, err)
}

func TestALoginRenewsTheHashWhenParametersWereRaised(t *testing.T) {
	t.Parallel()
	weak, store := newService(t, nil)
	u := register(t, weak, 1)
	first := store.accounts[u.ID].hash

	strong := serviceOn(t, store, &user.Options{Hash: user.HashParams{Memory: 128, Iterations: 2}})
	_, err := strong.Authenticate(t.Context(), "user1", "wrong-horse-battery")
	require.ErrorIs(t, err, storage.ErrUnauthenticated)
	require.Equal(t, first, store.accounts[u.ID].hash, "a wrong password must not renew the hash")

	_, err = strong.Authenticate(t.Context(), "user1", secret)
	require.NoError(t, err)
	second := store.accounts[u.ID].hash
	require.Contains(t, second, "$m=128,t=2,p=1$")
	require.Zero(t, store.accounts[u.ID].ended, "renewing a hash must not end a session")

	_, err = weak.Authenticate(t.Context(), "user1", secret)
	require.NoError(t, err)
	require.Equal(t, second, store.accounts[u.ID].hash, "a hash must not become weaker")
}

// brokenRenewal is a store in which ReplaceHash fails.
type brokenRenewal struct{ *fakeStore }

func (brokenRenewal) ReplaceHash(context.Context, user.ID, string, string) error {
	return errors.New("the disk is full")
}

func TestALoginSucceedsWhenItsHashCannotBeRenewed(t *testing.T) {
	t.Parallel()
	weak, store := newService(t, nil)
	u := register(t, weak, 1)
	var log bytes.Buffer
	strong := serviceOn(t, brokenRenewal{store}, &user.Options{
		Hash: user.HashParams{Memory: 128}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	got, err := strong.Authenticate(t.Context(), "user1", secret)
	require.NoError(t, err)
	require.Equal(t, u, got)
	require.Contains(t, log.String(), "the disk is full")
	for _, private := range []string{secret, "user1", "example.com", "argon2id"} {
		require.NotContains(t, log.String(), private)
	}
}

func TestMaxHashingLimitsConcurrentHashes(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, &user.Options{MaxHashing: 2})
	register(t, s, 1)
	hashing, release := make(chan struct{}), make(chan struct{})
	s.OnHash(func(user.HashParams) { hashing <- struct{}{}; <-release })

	var logins sync.WaitGroup
	for range 2 {
		logins.Go(func() { _, _ = s.Authenticate(context.Background(), "user1", secret) })
	}
	<-hashing
	<-hashing
	// Both slots are taken: a third call waits until its context ends. If it were hashed, it would
	// block until release.
	ctx, cancel := context.WithCancel(t.Context())
	third := make(chan error)
	go func() {
		_, err := s.Authenticate(ctx, "user1", secret)
		third <- err
	}()
	cancel()
	require.ErrorIs(t, <-third, context.Canceled)

	close(release)
	logins.Wait()
	go func() {
		_, err := s.Authenticate(context.Background(), "user1", secret)
		third <- err
	}()
	<-hashing // a slot is free again
	require.NoError(t, <-third)
}

func TestChangingThePasswordEndsEverySession(t *testing.T) {
	t.Parallel()
	s, store := newService(t, nil)
	u := register(t, s, 1)

	_, err := s.ChangePassword(t.Context(), u.ID, "wrong-horse-battery", "another-stable-donkey")
	requireInvalid(t, err, "oldPassword")
	for _, bad := range []string{"short", "password1", "user1user1", strings.Repeat("é", 1025)} {
		_, err = s.ChangePassword(t.Context(), u.ID, secret, bad)
		requireInvalid(t, err, "newPassword")
	}
	require.Zero(t, store.accounts[u.ID].ended)

	got, err := s.ChangePassword(t.Context(), u.ID, secret, "another-stable-donkey")
	require.NoError(t, err)
	require.Equal(t, store.accounts[u.ID].User, got)
	require.Greater(t, got.PasswordVersion, u.PasswordVersion)
	require.Equal(t, 1, store.accounts[u.ID].ended)
	_, err = s.Authenticate(t.Context(), "user1", secret)
	require.ErrorIs(t, err, storage.ErrUnauthenticated)
	_, err = s.Authenticate(t.Context(), "user1", "another-stable-donkey")
	require.NoError(t, err)
	_, err = s.ChangePassword(t.Context(), "404", secret, "another-stable-donkey")
	require.ErrorIs(t, err, storage.ErrNotFound)
}

func TestOfTwoPasswordChangesAtTheSameTimeOneWins(t *testing.T) {
	t.Parallel()
	s, store := newService(t, nil)
	u := register(t, s, 1)
	store.beforeSet = once(func() {
		_, err := s.ChangePassword(t.Context(), u.ID, secret, "the-winning-stable-donkey")
		require.NoError(t, err)
	})
	_, err := s.ChangePassword(t.Context(), u.ID, secret, "another-stable-donkey")
	requireInvalid(t, err, "oldPassword")
	_, err = s.Authenticate(t.Context(), "user1", "the-winning-stable-donkey")
	require.NoError(t, err)
}

func TestAPasswordChangeSucceedsWhenALoginRenewsTheHash(t *testing.T) {
	t.Parallel()
	weak, store := newService(t, nil)
	u := register(t, weak, 1)
	strong := serviceOn(t, store, &user.Options{Hash: user.HashParams{Memory: 128}})
	store.beforeSet = once(func() {
		_, err := strong.Authenticate(t.Context(), "user1", secret)
		require.NoError(t, err)
	})
	_, err := strong.ChangePassword(t.Context(), u.ID, secret, "another-stable-donkey")
	require.NoError(t, err)
	_, err = strong.Authenticate(t.Context(), "user1", "another-stable-donkey")
	require.NoError(t, err)
}

// once returns a function that runs f at its first call. Later calls, also from f itself, do
// nothing. (A [sync.Once] would deadlock there.)
func once(f func()) func() {
	ran := false
	return func() {
		if !ran {
			ran = true
			f()
		}
	}
}

func TestDeleteNeedsThePasswordAndEraseDoesNot(t *testing.T) {
	t.Parallel()
	s, store := newService(t, nil)
	own, byHost := register(t, s, 1), register(t, s, 2)

	requireInvalid(t, s.Delete(t.Context(), own.ID, "wrong-horse-battery"), "password")
	require.Len(t, store.accounts, 2)
	require.NoError(t, s.Delete(t.Context(), own.ID, secret))
	require.ErrorIs(t, s.Delete(t.Context(), own.ID, secret), storage.ErrNotFound)
	require.NoError(t, s.Erase(t.Context(), byHost.ID))
	require.NoError(t, s.Erase(t.Context(), byHost.ID))
	require.Empty(t, store.accounts)
}

func TestDeleteFailsWhenThePasswordIsReplacedAfterTheCheck(t *testing.T) {
	t.Parallel()
	s, store := newService(t, nil)
	u := register(t, s, 1)
	store.beforeErase = once(func() {
		_, err := s.ChangePassword(t.Context(), u.ID, secret, "another-stable-donkey")
		require.NoError(t, err)
	})
	requireInvalid(t, s.Delete(t.Context(), u.ID, secret), "password")
	require.Len(t, store.accounts, 1)
	require.NoError(t, s.Delete(t.Context(), u.ID, "another-stable-donkey"))
	require.Empty(t, store.accounts)
}

func TestInAnUpdateNilIsUnchangedAndEmptyClears(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	u := register(t, s, 1)
	text := func(s string) *string { return &s }
	bio := strings.Repeat("é", user.MaxBio)

	got, err := s.Update(t.Context(), u.ID, user.Update{FirstName: text(" Augusta "), Bio: &bio, Picture: text("/me.png")})
	require.NoError(t, err)
	require.Equal(t, []string{"Augusta", "Lovelace", bio, "/me.png"}, []string{got.FirstName, got.LastName, got.Bio, got.Picture})

	same, err := s.Update(t.Context(), u.ID, user.Update{})
	require.NoError(t, err)
	require.Equal(t, got, same)

	got, err = s.Update(t.Context(), u.ID, user.Update{LastName: text("King"), Bio: text(""), Picture: text("")})
	require.NoError(t, err)
	require.Equal(t, []string{"Augusta", "King", "", ""}, []string{got.FirstName, got.LastName, got.Bio, got.Picture})

	_, err = s.Update(t.Context(), "404", user.Update{})
	require.ErrorIs(t, err, storage.ErrNotFound)
}

func TestPhonesCanBeAddedUpToTheLimitAndRemoved(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, &user.Options{MaxPhones: 3})
	ada, bob := register(t, s, 1), register(t, s, 2)
	add := func(number string) (user.Phone, error) {
		return s.AddPhone(t.Context(), ada.ID, user.Phone{Number: number, CountryCode: "+1"})
	}
	second, err := add("20000001")
	require.NoError(t, err)
	require.Equal(t, user.Phone{ID: second.ID, Number: "20000001", CountryCode: "1"}, second)
	_, err = add("20000001")
	require.ErrorIs(t, err, storage.ErrConflict)
	_, err = add("20000002")
	require.NoError(t, err)
	_, err = add("20000003")
	require.ErrorIs(t, err, storage.ErrConflict)

	require.ErrorIs(t, s.RemovePhone(t.Context(), bob.ID, second.ID), storage.ErrNotFound)
	require.NoError(t, s.RemovePhone(t.Context(), ada.ID, second.ID))
	phones, err := s.Phones(t.Context(), ada.ID, bob.ID, "404")
	require.NoError(t, err)
	require.Len(t, phones, 2)
	require.Len(t, phones[ada.ID], 2)
	require.Len(t, phones[bob.ID], 1)
}

func TestLookupLeavesOutUnknownIDs(t *testing.T) {
	t.Parallel()
	s, store := newService(t, nil)
	u := register(t, s, 1)
	users, err := s.Get(t.Context(), u.ID, "404")
	require.NoError(t, err)
	require.Equal(t, map[user.ID]user.User{u.ID: u}, users)
	profiles, err := s.Lookup(t.Context(), u.ID, "404")
	require.NoError(t, err)
	require.Equal(t, map[user.ID]user.Profile{u.ID: u.Profile}, profiles)

	store.err = errors.New("the database is away")
	_, err = s.Lookup(t.Context(), u.ID)
	require.ErrorIs(t, err, store.err)
}

func TestUsersAreListedInPagesByFilter(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	for n := range 25 {
		register(t, s, n)
	}
	r := registration(99)
	r.Username, r.FirstName = "Straße.42", "Zoë"
	_, _, err := s.Register(t.Context(), r)
	require.NoError(t, err)

	everybody := user.Filter{}
	first, err := s.List(t.Context(), everybody, storage.Page{})
	require.NoError(t, err)
	require.Len(t, first.Items, 20)
	require.True(t, first.HasNext)
	rest, err := s.List(t.Context(), everybody, storage.First(20).After(first.End()))
	require.NoError(t, err)
	require.Len(t, rest.Items, 6)
	require.False(t, rest.HasNext)
	require.Greater(t, rest.Items[0].Number, first.Items[19].Number)
	n, err := s.Count(t.Context(), everybody)
	require.NoError(t, err)
	require.Equal(t, 26, n)

	for _, f := range []user.Filter{{Username: "STRASSE.42"}, {FirstName: "ZOË"}, {Search: "asse."}, {Search: "oë", LastName: "lovelace"}} {
		found, err := s.List(t.Context(), f, storage.Page{})
		require.NoError(t, err)
		require.Len(t, found.Items, 1, "%+v", f)
		require.Equal(t, "Straße.42", found.Items[0].Username)
	}
}

func TestACursorOfAnotherFilterIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, nil)
	for n := range 3 {
		register(t, s, n)
	}
	l, err := s.List(t.Context(), user.Filter{FirstName: "Ada"}, storage.First(1))
	require.NoError(t, err)
	for _, other := range []user.Filter{{}, {LastName: "Ada"}, {Search: "ada"}, {FirstName: "Adam"}} {
		_, err = s.List(t.Context(), other, storage.First(1).After(l.End()))
		requireInvalid(t, err, "after")
	}
	next, err := s.List(t.Context(), user.Filter{FirstName: "ADA"}, storage.First(1).After(l.End()))
	require.NoError(t, err)
	require.Len(t, next.Items, 1)
	_, err = s.List(t.Context(), user.Filter{}, storage.First(101))
	requireInvalid(t, err, "first")
}

func TestAStoreFailureIsPassedOnUnchanged(t *testing.T) {
	t.Parallel()
	s, store := newService(t, nil)
	u := register(t, s, 1)
	store.err = errors.New("the database is away")
	_, err := s.Authenticate(t.Context(), "user1", secret)
	require.ErrorIs(t, err, store.err)
	require.Empty(t, storage.Message(err))
	require.ErrorIs(t, s.Delete(t.Context(), u.ID, secret), store.err)

	store.err = nil
	store.accounts[u.ID].hash = "plain"
	_, err = s.Authenticate(t.Context(), "user1", "plain")
	require.Error(t, err)
	require.Empty(t, storage.Message(err))
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []user.Options{
		{MinPassword: -1}, {MinPassword: 1025}, {MaxHashing: -1}, {MaxPhones: -1},
		{Hash: user.HashParams{Memory: 7}}, {Hash: user.HashParams{Memory: 5 << 20}},
		{Hash: user.HashParams{Iterations: 1001}}, {Hash: user.HashParams{Memory: 64, Parallelism: 9}},
	} {
		_, err := user.NewService(newFakeStore(), &o)
		require.Error(t, err, "%+v", o)
	}
	_, err := user.NewService(nil, nil)
	require.Error(t, err)
	_, err = user.NewService(newFakeStore(), nil)
	require.NoError(t, err)
}

func FuzzStoredHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	for _, bad := range []string{
		"", "$", "$2a$10$x", "$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=0,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=64,t=1,p=1,x$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
	} {
		_, err := user.CheckStoredHash(bad)
		require.Error(f, err, "%q", bad)
		f.Add(bad)
	}
	f.Fuzz(func(t *testing.T, s string) {
		again, err := user.CheckStoredHash(s)
		if err != nil {
			return
		}
		twice, err := user.CheckStoredHash(again)
		require.NoError(t, err)
		require.Equal(t, again, twice)
	})
}

func BenchmarkAuthenticate(b *testing.B) {
	s, err := user.NewService(newFakeStore(), nil)
	require.NoError(b, err)
	_, _, err = s.Register(b.Context(), registration(0))
	require.NoError(b, err)
	for name, login := range map[string][2]string{
		"right": {"user0", secret}, "wrong password": {"user0", secret + "!"}, "unknown name": {"nobody", secret},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = s.Authenticate(b.Context(), login[0], login[1])
			}
		})
	}
}
