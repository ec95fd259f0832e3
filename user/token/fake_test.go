package token_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// fakeStore is a token.Store in memory.
type fakeStore struct {
	mu        sync.Mutex
	sessions  map[string]*fakeSession
	refresh   map[string]*fakeRefresh // by hash
	passwords map[user.ID]int64       // the version of each account's password
	asked     int                     // number of calls
	err       error                   // if set, every method returns it
}

type fakeSession struct {
	token.Session
	ended bool
}

type fakeRefresh struct {
	session        *fakeSession
	expires, spent time.Time
}

func newFakeStore() *fakeStore {
	return &fakeStore{sessions: map[string]*fakeSession{}, refresh: map[string]*fakeRefresh{}, passwords: map[user.ID]int64{ada.ID: 1}}
}

func (f *fakeStore) begin() (unlock func(), err error) {
	f.mu.Lock()
	f.asked++
	return f.mu.Unlock, f.err
}

func (f *fakeStore) CreateSession(_ context.Context, l token.Login) error {
	unlock, err := f.begin()
	defer unlock()
	if err != nil {
		return err
	}
	if version, ok := f.passwords[l.Session.User]; !ok || version != l.PasswordVersion {
		return token.Refused()
	}
	session := &fakeSession{Session: l.Session}
	f.sessions[l.Session.ID] = session
	f.refresh[string(l.Refresh)] = &fakeRefresh{session: session, expires: l.Expires}
	return nil
}

func (f *fakeStore) SessionActive(_ context.Context, u user.ID, id string) (bool, error) {
	unlock, err := f.begin()
	defer unlock()
	s, ok := f.sessions[id]
	return ok && s.User == u && !s.ended, err
}

// find returns a refresh token that can be spent or revoked.
func (f *fakeStore) find(hash []byte, now time.Time) (*fakeRefresh, error) {
	r, ok := f.refresh[string(hash)]
	if !ok || !now.Before(r.expires) || r.session.ended {
		return nil, storage.Unauthenticated("the store's own text, which the service must replace")
	}
	return r, nil
}

func (f *fakeStore) RotateRefresh(_ context.Context, r token.Rotation) (token.Session, error) {
	unlock, err := f.begin()
	defer unlock()
	if err != nil {
		return token.Session{}, err
	}
	spent, err := f.find(r.Spent, r.Now)
	if err != nil {
		return token.Session{}, err
	}
	if !r.Allows(spent.spent) {
		spent.session.ended = true
		return token.Session{}, storage.Unauthenticated("spent before")
	}
	if spent.spent.IsZero() {
		spent.spent = r.Now
	}
	f.refresh[string(r.Next)] = &fakeRefresh{session: spent.session, expires: r.Expires}
	return spent.session.Session, nil
}

func (f *fakeStore) RevokeRefresh(_ context.Context, refresh []byte, now time.Time) (token.Session, error) {
	unlock, err := f.begin()
	defer unlock()
	if err != nil {
		return token.Session{}, err
	}
	r, err := f.find(refresh, now)
	if err != nil {
		return token.Session{}, err
	}
	r.session.ended = true
	return r.session.Session, nil
}

func (f *fakeStore) EndSession(_ context.Context, u user.ID, id string) error {
	unlock, err := f.begin()
	defer unlock()
	for _, s := range f.sessions {
		if s.User == u && (id == "" || s.ID == id) {
			s.ended = true
		}
	}
	return err
}

func (f *fakeStore) PurgeSessions(_ context.Context, expired time.Time, limit int) (int, error) {
	unlock, err := f.begin()
	defer unlock()
	n := 0
	for hash, r := range f.refresh {
		if n < limit && r.expires.Before(expired) {
			delete(f.refresh, hash)
			n++
		}
	}
	return n, err
}

// directory maps user ids to usernames.
type directory map[user.ID]string

func (d directory) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		if name, ok := d[id]; ok {
			found[id] = user.Profile{ID: id, Username: name}
		}
	}
	return found, nil
}

// clock stands still until a test advances it.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func newClock() *clock {
	return &clock{time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)}
}

var (
	ada    = user.User{Profile: user.Profile{ID: "7", Username: "ada"}, Number: 7, PasswordVersion: 1}
	people = directory{"7": "ada"}
	keyA   = token.Key{ID: "a", Secret: []byte("0123456789abcdef0123456789abcdef")}
	keyB   = token.Key{ID: "b", Secret: []byte("fedcba9876543210fedcba9876543210")}
)

// fixture is a service on a fake store, with a clock that the test advances.
type fixture struct {
	*token.Service
	store *fakeStore
	clock *clock
}

func newFixture(t testing.TB, change ...func(*token.Options)) fixture {
	t.Helper()
	f := fixture{store: newFakeStore(), clock: newClock()}
	f.Service = f.service(t, change...)
	return f
}

// service returns another service on the same store and clock.
func (f fixture) service(t testing.TB, change ...func(*token.Options)) *token.Service {
	t.Helper()
	o := token.Options{Keys: []token.Key{keyA}, Now: f.clock.now}
	for _, c := range change {
		c(&o)
	}
	s, err := token.NewService(f.store, &o)
	require.NoError(t, err)
	return s
}

func (f fixture) login(t testing.TB) token.Pair {
	t.Helper()
	p, err := f.Login(t.Context(), ada)
	require.NoError(t, err)
	return p
}

// requireRefused requires the error that every invalid token gets.
func requireRefused(t testing.TB, err error) {
	t.Helper()
	require.ErrorIs(t, err, storage.ErrUnauthenticated)
	require.Equal(t, "the token is invalid or no longer valid: log in again", storage.Message(err))
}
