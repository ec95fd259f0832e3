package user_test

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// fakeStore is a minimal user.Store in memory.
type fakeStore struct {
	mu       sync.Mutex
	accounts map[user.ID]*fakeAccount
	last     int64
	// beforeSet and beforeErase, if not nil, run at the start of every SetPassword and
	// EraseVerified.
	beforeSet, beforeErase func()
	err                    error // if set, every method returns it
}

type fakeAccount struct {
	user.User
	hash   string
	phones []user.Phone
	ended  int // how often all sessions ended
}

func newFakeStore() *fakeStore { return &fakeStore{accounts: map[user.ID]*fakeAccount{}} }

func (f *fakeStore) lock() (unlock func()) {
	f.mu.Lock()
	return f.mu.Unlock
}

func (f *fakeStore) find(id user.ID) (*fakeAccount, error) {
	if f.err != nil {
		return nil, f.err
	}
	a, ok := f.accounts[id]
	if !ok {
		return nil, storage.NotFound()
	}
	return a, nil
}

func (f *fakeStore) next() int64 { f.last++; return f.last }

func (f *fakeStore) CreateUser(_ context.Context, a user.Account) (user.User, user.Phone, error) {
	defer f.lock()()
	if f.err != nil {
		return user.User{}, user.Phone{}, f.err
	}
	for _, other := range f.accounts {
		switch {
		case user.Fold(other.Username) == user.Fold(a.Username):
			return user.User{}, user.Phone{}, user.UsernameTaken()
		case user.FoldEmail(other.Email) == user.FoldEmail(a.Email):
			return user.User{}, user.Phone{}, user.EmailTaken()
		}
	}
	if f.phoneTaken(a.Phone) {
		return user.User{}, user.Phone{}, user.PhoneTaken()
	}
	n := f.next()
	a.Phone.ID = f.next()
	u := user.User{Number: n, Email: a.Email, PasswordVersion: 1, Profile: user.Profile{
		ID: user.ID(strconv.FormatInt(n, 10)), Username: a.Username, FirstName: a.FirstName, LastName: a.LastName,
		Joined: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC),
	}}
	f.accounts[u.ID] = &fakeAccount{User: u, hash: a.PasswordHash, phones: []user.Phone{a.Phone}}
	return u, a.Phone, nil
}

func (f *fakeStore) phoneTaken(p user.Phone) bool {
	for _, a := range f.accounts {
		for _, other := range a.phones {
			if other.Number == p.Number && other.CountryCode == p.CountryCode {
				return true
			}
		}
	}
	return false
}

func (f *fakeStore) Users(_ context.Context, ids ...user.ID) (map[user.ID]user.User, error) {
	defer f.lock()()
	found := map[user.ID]user.User{}
	for _, id := range ids {
		if a, ok := f.accounts[id]; ok {
			found[id] = a.User
		}
	}
	return found, f.err
}

func (f *fakeStore) CredentialsByName(_ context.Context, username string) (user.Credentials, error) {
	defer f.lock()()
	for _, a := range f.accounts {
		if user.Fold(a.Username) == user.Fold(username) {
			return user.Credentials{User: a.User, PasswordHash: a.hash}, f.err
		}
	}
	return user.Credentials{}, cmp.Or(f.err, storage.NotFound())
}

func (f *fakeStore) Credentials(_ context.Context, id user.ID) (user.Credentials, error) {
	defer f.lock()()
	a, err := f.find(id)
	if err != nil {
		return user.Credentials{}, err
	}
	return user.Credentials{User: a.User, PasswordHash: a.hash}, nil
}

func (f *fakeStore) UpdateUser(_ context.Context, id user.ID, u user.Update) (user.User, error) {
	defer f.lock()()
	a, err := f.find(id)
	if err != nil {
		return user.User{}, err
	}
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&a.FirstName, u.FirstName)
	set(&a.LastName, u.LastName)
	set(&a.Bio, u.Bio)
	set(&a.Picture, u.Picture)
	return a.User, nil
}

func (f *fakeStore) ReplaceHash(_ context.Context, id user.ID, old, hash string) error {
	defer f.lock()()
	a, err := f.find(id)
	if err == nil && a.hash == old {
		a.hash = hash
	}
	return err
}

func (f *fakeStore) SetPassword(_ context.Context, id user.ID, old, hash string) error {
	if f.beforeSet != nil {
		f.beforeSet()
	}
	defer f.lock()()
	a, err := f.find(id)
	if err != nil {
		return err
	}
	if a.hash != old {
		return user.PasswordChanged()
	}
	a.hash = hash
	a.PasswordVersion++
	a.ended++
	return nil
}

func (f *fakeStore) AddPhone(_ context.Context, id user.ID, p user.Phone, limit int) (user.Phone, error) {
	defer f.lock()()
	a, err := f.find(id)
	if err != nil {
		return user.Phone{}, err
	}
	if f.phoneTaken(p) || len(a.phones) >= limit {
		return user.Phone{}, storage.Conflict("this phone number is taken, or one too many")
	}
	p.ID = f.next()
	a.phones = append(a.phones, p)
	return p, nil
}

func (f *fakeStore) RemovePhone(_ context.Context, id user.ID, phone int64) error {
	defer f.lock()()
	a, err := f.find(id)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(a.phones, func(p user.Phone) bool { return p.ID == phone })
	if i < 0 {
		return storage.NotFound()
	}
	a.phones = slices.Delete(a.phones, i, i+1)
	return nil
}

func (f *fakeStore) Phones(_ context.Context, ids ...user.ID) (map[user.ID][]user.Phone, error) {
	defer f.lock()()
	found := map[user.ID][]user.Phone{}
	for _, id := range ids {
		if a, ok := f.accounts[id]; ok {
			found[id] = slices.Clone(a.phones)
		}
	}
	return found, f.err
}

func (f *fakeStore) EraseUser(_ context.Context, id user.ID) error {
	defer f.lock()()
	delete(f.accounts, id)
	return f.err
}

func (f *fakeStore) EraseVerified(_ context.Context, id user.ID, passwordVersion int64) error {
	if f.beforeErase != nil {
		f.beforeErase()
	}
	defer f.lock()()
	a, err := f.find(id)
	if err != nil {
		return err
	}
	if a.PasswordVersion != passwordVersion {
		return user.PasswordChanged()
	}
	delete(f.accounts, id)
	return nil
}

func (f *fakeStore) matching(q user.Filter) []user.User {
	is := func(value, want string) bool { return want == "" || user.Fold(value) == user.Fold(want) }
	var users []user.User
	for _, a := range f.accounts {
		names := []string{user.Fold(a.Username), user.Fold(a.FirstName), user.Fold(a.LastName)}
		found := slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, user.Fold(q.Search)) })
		if is(a.Username, q.Username) && is(a.FirstName, q.FirstName) && is(a.LastName, q.LastName) && found {
			users = append(users, a.User)
		}
	}
	slices.SortFunc(users, func(a, b user.User) int { return cmp.Compare(a.Number, b.Number) })
	return users
}

func (f *fakeStore) ListUsers(_ context.Context, q user.Filter, r storage.Range) ([]user.User, error) {
	defer f.lock()()
	byNumber := func(a, b storage.Key) int { return cmp.Compare(a.Major, b.Major) }
	return storage.Select(r, f.matching(q), user.User.Key, byNumber), f.err
}

func (f *fakeStore) CountUsers(_ context.Context, q user.Filter) (int, error) {
	defer f.lock()()
	return len(f.matching(q)), f.err
}

// cheap are hash parameters for tests that do not depend on the cost of a hash.
var cheap = user.HashParams{Memory: 64, Iterations: 1}

const secret = "correct-horse-battery"

func newService(t testing.TB, o *user.Options) (*user.Service, *fakeStore) {
	t.Helper()
	store := newFakeStore()
	return serviceOn(t, store, o), store
}

func serviceOn(t testing.TB, store user.Store, o *user.Options) *user.Service {
	t.Helper()
	opts := user.Options{}
	if o != nil {
		opts = *o
	}
	if opts.Hash == (user.HashParams{}) {
		opts.Hash = cheap
	}
	s, err := user.NewService(store, &opts)
	require.NoError(t, err)
	return s
}

// registration returns the registration of the n-th test user.
func registration(n int) user.Registration {
	return user.Registration{
		Username: "user" + strconv.Itoa(n), Email: "user" + strconv.Itoa(n) + "@example.com", Password: secret,
		FirstName: "Ada", LastName: "Lovelace",
		Phone: user.Phone{Number: strconv.Itoa(10_000_000 + n), CountryCode: "44"},
	}
}

func register(t testing.TB, s *user.Service, n int) user.User {
	t.Helper()
	u, _, err := s.Register(t.Context(), registration(n))
	require.NoError(t, err)
	return u
}

// requireInvalid requires err to be a [storage.ErrInvalid] about field, with a text for the user.
func requireInvalid(t testing.TB, err error, field string) {
	t.Helper()
	require.ErrorIs(t, err, storage.ErrInvalid)
	require.Equal(t, field, storage.Field(err))
	require.NotEmpty(t, storage.Message(err))
}
