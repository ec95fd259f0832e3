package storagetest

import (
	"context"
	"crypto/sha256"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

func sessionTests() []test {
	return []test{
		{"a session is active after the login", sessionBegins},
		{"a session is active only for its own user", sessionIsItsUsers},
		{"a login to an erased account is refused", sessionNeedsAccount},
		{"a login is refused if the password was replaced after the check", sessionNeedsCheckedPassword},
		{"a refresh token is exchanged for the next", refreshRotates},
		{"an unknown or expired token is refused and ends no session", refreshIsRefused},
		{"using a token again after the grace period ends the session", refreshIsReused},
		{"a token can be used again within the grace period, even if a successor was used", refreshHasGrace},
		{"the successors of one token are independent", refreshSiblings},
		{"a session can be revoked with any of its tokens", refreshIsRevoked},
		{"a user ends one session or all of them", sessionsEnd},
		{"sessions that expired are purged in batches", sessionsArePurged},
		{"a session outlives its refresh tokens while an access token is valid", sessionOutlivesRefresh},
		{"an access token stays valid even if refresh tokens expire earlier", accessOutlivesRefresh},
		{"Purge removes expired sessions and tokens", purgeRemovesSessions},
	}
}

// A session of the tests is identified by the word of which its first refresh token is made.

const (
	lifetime = 7 * 24 * time.Hour
	grace    = 30 * time.Second
)

func sessionID(name string) string { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String() }

// newLogin returns a login of a user whose password was never changed.
func (f *fixture) newLogin(u user.ID, refresh string) token.Login {
	now := f.tick()
	return token.Login{
		Session:         token.Session{ID: sessionID(refresh), User: u, Began: now},
		PasswordVersion: 1, Refresh: hashed(refresh), Expires: now.Add(lifetime), Until: now.Add(lifetime),
	}
}

func (f *fixture) login(u user.ID, refresh string) token.Session {
	f.t.Helper()
	l := f.newLogin(u, refresh)
	f.NoError(f.store.CreateSession(f.ctx, l))
	return l.Session
}

func (f *fixture) active(want bool, in token.Session) {
	f.t.Helper()
	got, err := f.store.SessionActive(f.ctx, in.User, in.ID)
	f.NoError(err)
	f.Equal(want, got, "whether %s is active", in.ID)
}

func hashed(refresh string) []byte {
	sum := sha256.Sum256([]byte(refresh))
	return sum[:]
}

// rotation uses a token a second from now.
func (f *fixture) rotation(spent, next string) token.Rotation {
	now := f.tick()
	return token.Rotation{Spent: hashed(spent), Next: hashed(next), Now: now, Expires: now.Add(lifetime), Until: now.Add(lifetime), Grace: grace}
}

func (f *fixture) rotate(spent, next string) {
	f.t.Helper()
	_, err := f.store.RotateRefresh(f.ctx, f.rotation(spent, next))
	f.NoError(err)
}

// endsSession checks that an act records only the end of a session, or of all if the id is "".
func (f *fixture) endsSession(u user.ID, session string, act func()) {
	f.t.Helper()
	f.Equal([]realtime.Record{{Operation: realtime.SessionEnded, Recipient: u, Actor: u, Session: session}}, f.recorded(act))
}

// reuse uses a token that must end its session.
func (f *fixture) reuse(in token.Session, spent string) {
	f.t.Helper()
	f.endsSession(in.User, in.ID, func() {
		_, err := f.store.RotateRefresh(f.ctx, f.rotation(spent, "the spoils of "+spent))
		f.ErrorIs(err, storage.ErrUnauthenticated)
	})
	f.active(false, in)
	f.refused(storage.ErrUnauthenticated, func() error {
		_, err := f.store.RotateRefresh(f.ctx, f.rotation("the spoils of "+spent, "more"))
		return err
	})
}

func sessionBegins(f *fixture) {
	u := f.account("anna")
	var in token.Session
	f.silent(func() { in = f.login(u.ID, "one") })
	f.active(true, in)
	f.active(false, token.Session{ID: sessionID("another"), User: u.ID})
	f.active(false, token.Session{User: u.ID})
}

func sessionIsItsUsers(f *fixture) {
	u, other := f.account("anna"), f.account("other")
	in := f.login(u.ID, "one")
	for _, id := range []user.ID{other.ID, "0" + u.ID, "no number", ""} {
		f.active(false, token.Session{ID: in.ID, User: id})
	}
	f.active(true, in)
}

func sessionNeedsCheckedPassword(f *fixture) {
	u := f.account("anna")
	checked := f.newLogin(u.ID, "one")
	f.NoError(f.store.ReplaceHash(f.ctx, u.ID, "hash of anna", "better"))
	f.NoError(f.store.CreateSession(f.ctx, checked), "a better hash of the same password")
	f.active(true, checked.Session)

	checked = f.newLogin(u.ID, "two")
	f.NoError(f.store.SetPassword(f.ctx, u.ID, "better", "new"))
	f.refused(storage.ErrUnauthenticated, func() error { return f.store.CreateSession(f.ctx, checked) })
	f.active(false, checked.Session)
	_, err := f.store.RotateRefresh(f.ctx, f.rotation("two", "next"))
	f.ErrorIs(err, storage.ErrUnauthenticated)

	c, err := f.store.Credentials(f.ctx, u.ID)
	f.NoError(err)
	again := f.newLogin(u.ID, "three")
	again.PasswordVersion = c.User.PasswordVersion
	f.NoError(f.store.CreateSession(f.ctx, again))
	f.active(true, again.Session)
	for _, version := range []int64{0, c.User.PasswordVersion + 1} {
		again.PasswordVersion = version
		f.refused(storage.ErrUnauthenticated, func() error { return f.store.CreateSession(f.ctx, again) })
	}
}

func sessionNeedsAccount(f *fixture) {
	u := f.account("anna")
	f.erase(u.ID)
	for _, id := range []user.ID{u.ID, "987654321", "no number"} {
		f.refused(storage.ErrUnauthenticated, func() error {
			return f.store.CreateSession(f.ctx, f.newLogin(id, "one"))
		})
		f.active(false, token.Session{ID: sessionID("one"), User: id})
	}
}

func refreshRotates(f *fixture) {
	u := f.account("anna")
	want := f.login(u.ID, "0")
	f.silent(func() {
		for _, step := range []struct{ spent, next string }{{"0", "1"}, {"1", "2"}, {"2", "3"}} {
			f.clock.advance(lifetime / 2) // longer in all than any one token lives
			got, err := f.store.RotateRefresh(f.ctx, f.rotation(step.spent, step.next))
			f.NoError(err)
			f.Equal(want, got)
		}
	})
	f.active(true, want)
}

func refreshIsRefused(f *fixture) {
	in := f.login(f.account("anna").ID, "one")
	f.refused(storage.ErrUnauthenticated, func() error {
		_, err := f.store.RotateRefresh(f.ctx, f.rotation("unknown", "next"))
		return err
	})
	f.refused(storage.ErrUnauthenticated, func() error {
		_, err := f.store.RevokeRefresh(f.ctx, hashed("unknown"), f.tick())
		return err
	})
	f.clock.advance(lifetime)
	f.refused(storage.ErrUnauthenticated, func() error {
		_, err := f.store.RotateRefresh(f.ctx, f.rotation("one", "next"))
		return err
	})
	f.refused(storage.ErrUnauthenticated, func() error {
		_, err := f.store.RevokeRefresh(f.ctx, hashed("one"), f.tick())
		return err
	})
	f.active(true, in)
}

func refreshIsReused(f *fixture) {
	u := f.account("anna")
	in, other := f.login(u.ID, "one"), f.login(u.ID, "other")
	r := f.rotation("one", "two")
	_, err := f.store.RotateRefresh(f.ctx, r)
	f.NoError(err)
	f.clock.advance(grace - time.Second)
	f.reuse(in, "one") // exactly the grace later
	f.active(true, other)
	for _, t := range []string{"one", "two"} {
		f.refused(storage.ErrUnauthenticated, func() error {
			_, err := f.store.RotateRefresh(f.ctx, f.rotation(t, "three"))
			return err
		})
	}
	f.rotate("other", "another")
}

func refreshHasGrace(f *fixture) {
	u := f.account("anna")
	in := f.login(u.ID, "one")
	f.silent(func() {
		f.rotate("one", "lost")
		f.clock.advance(grace - 4*time.Second)
		f.rotate("one", "found")
		f.rotate("found", "two")
		f.rotate("one", "of a second tab") // though a successor was used
	})
	f.active(true, in)
	f.reuse(in, "one") // exactly the grace after its first use

	in = f.login(u.ID, "eins")
	f.rotate("eins", "verloren")
	f.clock.advance(grace / 2)
	f.rotate("eins", "noch einmal")
	f.clock.advance(grace / 2)
	f.reuse(in, "eins") // the grace is counted from the first use

	in = f.login(u.ID, "uno")
	strict := f.rotation("uno", "due")
	strict.Grace = 0
	_, err := f.store.RotateRefresh(f.ctx, strict)
	f.NoError(err)
	// on a node whose clock is slow
	strict.Now, strict.Next = strict.Now.Add(-time.Second), hashed("tre")
	_, err = f.store.RotateRefresh(f.ctx, strict)
	f.ErrorIs(err, storage.ErrUnauthenticated, "without a grace")
	f.active(false, in)
}

func refreshSiblings(f *fixture) {
	u := f.account("anna")
	in := f.login(u.ID, "one")
	f.silent(func() {
		f.rotate("one", "left")
		f.rotate("one", "right")
		f.rotate("left", "left 2")
		f.clock.advance(lifetime / 2) // long after the grace of any of them
		f.rotate("right", "right 2")
		f.rotate("left 2", "left 3")
		f.rotate("right 2", "right 3")
		f.rotate("left 3", "left 4")
		f.rotate("right 3", "right 4")
	})
	f.active(true, in)
	f.clock.advance(grace)
	f.reuse(in, "left 3") // a theft in one branch ends all
	for _, t := range []string{"left 4", "right 4"} {
		f.refused(storage.ErrUnauthenticated, func() error {
			_, err := f.store.RotateRefresh(f.ctx, f.rotation(t, "next"))
			return err
		})
	}
}

func refreshIsRevoked(f *fixture) {
	u := f.account("anna")
	for name, revoked := range map[string]string{"spent": "one", "fresh": "two"} {
		in := f.login(u.ID, name+"one")
		f.rotate(name+"one", name+"two")
		f.endsSession(u.ID, in.ID, func() {
			got, err := f.store.RevokeRefresh(f.ctx, hashed(name+revoked), f.tick())
			f.NoError(err)
			f.Equal(in, got)
		})
		f.active(false, in)
		for _, t := range []string{"one", "two"} {
			f.refused(storage.ErrUnauthenticated, func() error {
				_, err := f.store.RevokeRefresh(f.ctx, hashed(name+t), f.tick())
				return err
			})
		}
	}
}

func sessionsEnd(f *fixture) {
	u, other := f.account("anna"), f.account("other")
	one, two, three := f.login(u.ID, "one"), f.login(u.ID, "two"), f.login(u.ID, "three")
	others := f.login(other.ID, "others")
	end := func(u user.ID, id string) func() {
		return func() {
			f.tick()
			f.NoError(f.store.EndSession(f.ctx, u, id))
		}
	}
	f.endsSession(u.ID, one.ID, end(u.ID, one.ID))
	f.active(false, one)
	f.active(true, two)
	end(u.ID, one.ID)() // once more is no error

	end(other.ID, two.ID)()
	f.active(true, two) // it is not the other's to end

	f.endsSession(u.ID, "", end(u.ID, ""))
	f.active(false, two)
	f.active(false, three)
	f.active(true, others)

	f.endsSession("a user of the application", "a session of the application", end("a user of the application", "a session of the application"))
	f.endsSession("a user of the application", "", end("a user of the application", ""))
}

// purgeSessions purges until nothing is left, and returns how many rows each call removed.
func (f *fixture) purgeSessions(expired time.Time, limit int) (removed []int) {
	f.t.Helper()
	for {
		n, err := f.store.PurgeSessions(f.ctx, expired, limit)
		f.NoError(err)
		if n == 0 {
			return removed
		}
		removed = append(removed, n)
	}
}

func sessionsArePurged(f *fixture) {
	u := f.account("anna")
	old := f.login(u.ID, "old")
	f.rotate("old", "old, too")
	f.clock.advance(lifetime)
	young := f.login(u.ID, "young")
	f.rotate("young", "young, too")
	f.Equal([]int{1, 2}, f.purgeSessions(f.tick(), 1), "a token, and then the other with the session; nothing of the younger one")
	f.active(false, old)
	f.active(true, young)
	f.rotate("young, too", "next")

	for _, limit := range []int{0, -1, math.MinInt} {
		n, err := f.store.PurgeSessions(f.ctx, f.clock.advance(2*lifetime), limit)
		f.NoError(err)
		f.Zero(n, "at most %d rows", limit)
	}
	f.Equal([]int{4}, f.purgeSessions(f.clock.advance(0), math.MaxInt), "three tokens and a session")
	f.active(false, young)
}

func sessionOutlivesRefresh(f *fixture) {
	u := f.account("anna")
	l := f.newLogin(u.ID, "one")
	l.Expires = l.Session.Began.Add(time.Minute)
	l.Until = l.Session.Began.Add(time.Hour)
	f.NoError(f.store.CreateSession(f.ctx, l))
	f.Equal([]int{1}, f.purgeSessions(l.Expires.Add(time.Second), 100), "the refresh token")
	f.Empty(f.purgeSessions(l.Until, 100), "not before the moment")
	f.active(true, l.Session)
	f.Equal([]int{1}, f.purgeSessions(l.Until.Add(time.Microsecond), 100))
	f.active(false, l.Session)

	l = f.newLogin(u.ID, "two")
	l.Until = l.Session.Began.Add(time.Hour)
	f.NoError(f.store.CreateSession(f.ctx, l))
	later := f.rotation("two", "three")
	later.Expires, later.Until = later.Now.Add(time.Minute), l.Until.Add(time.Hour)
	_, err := f.store.RotateRefresh(f.ctx, later)
	f.NoError(err)
	sooner := f.rotation("three", "four")
	sooner.Expires, sooner.Until = sooner.Now.Add(time.Minute), l.Until
	_, err = f.store.RotateRefresh(f.ctx, sooner)
	f.NoError(err)
	f.purgeSessions(later.Until, 100)
	f.active(true, l.Session) // the longest Until counts
	f.purgeSessions(l.Expires.Add(-time.Second), 100)
	f.active(true, l.Session) // its first refresh token, spent, is not expired yet
	f.purgeSessions(l.Expires.Add(time.Second), 100)
	f.active(false, l.Session)
}

func accessOutlivesRefresh(f *fixture) {
	u := f.account("anna")
	tokens, err := token.NewService(f.store, &token.Options{
		Keys:      []token.Key{{ID: "test", Secret: make([]byte, 32)}},
		AccessTTL: time.Hour, RefreshTTL: time.Minute, Now: f.clock.read,
	})
	f.NoError(err)
	login, err := tokens.Login(f.ctx, u)
	f.NoError(err)
	f.clock.advance(30 * time.Second)
	later, err := tokens.Refresh(f.ctx, login.Refresh, users{u.ID: u.Profile})
	f.NoError(err)
	good := func(p token.Pair) {
		f.purge(time.Hour, 100)
		_, err = tokens.Verify(f.ctx, p.Access)
		f.NoError(err)
	}
	f.clock.advance(2 * time.Minute)
	good(login)
	f.clock.advance(login.Claims.Expires.Sub(f.clock.read()) - time.Second)
	good(login)
	f.clock.advance(later.Claims.Expires.Sub(f.clock.read()) - time.Second)
	good(later)
	f.clock.advance(2 * time.Second)
	_, err = tokens.Verify(f.ctx, later.Access)
	f.ErrorIs(err, storage.ErrUnauthenticated)
}

// users is a directory of only these users.
type users map[user.ID]user.Profile

func (u users) Lookup(context.Context, ...user.ID) (map[user.ID]user.Profile, error) { return u, nil }

func purgeRemovesSessions(f *fixture) {
	u := f.account("anna")
	old := f.login(u.ID, "old")
	f.rotate("old", "old, too")
	f.clock.advance(lifetime)
	young := f.login(u.ID, "young")
	f.tick()
	f.purge(time.Hour, 100)
	f.active(false, old)
	f.active(true, young)
	f.Empty(f.purgeSessions(f.clock.advance(0), 100), "nothing is left to do")
	f.rotate("young", "next")
}
