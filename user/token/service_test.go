package token_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

func TestALoginReturnsAValidAccessToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.login(t)
	second := f.clock.at.Truncate(time.Second)
	require.Equal(t, token.Claims{
		UserID: "7", Username: "ada", Session: p.Claims.Session, Issuer: "buddychat", Audience: "buddychat",
		OrigIat: second, IssuedAt: second, Expires: second.Add(50 * time.Minute),
	}, p.Claims)
	require.Equal(t, second.Add(7*24*time.Hour), p.RefreshExpires)
	require.Len(t, p.Refresh, 43)

	got, err := f.Verify(t.Context(), p.Access)
	require.NoError(t, err)
	require.Equal(t, p.Claims, got)
}

func TestPayloadReturnsTheClaimsOfTheToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.login(t)
	seconds := float64(f.clock.at.Unix())
	want := map[string]any{
		"username": "ada", "sub": "7", "sid": p.Claims.Session, "iss": "buddychat", "aud": "buddychat",
		"iat": seconds, "origIat": seconds, "exp": seconds + 3000,
	}
	encoded, err := json.Marshal(p.Claims.Payload())
	require.NoError(t, err)
	var payload, inToken map[string]any
	require.NoError(t, json.Unmarshal(encoded, &payload))
	require.NoError(t, json.Unmarshal(segment(t, p.Access, 1), &inToken))
	require.Equal(t, want, payload)
	require.Equal(t, want, inToken)
}

func TestOnlyTheHashOfARefreshTokenIsStored(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.login(t)
	sum := sha256.Sum256([]byte(p.Refresh))
	require.Contains(t, f.store.refresh, string(sum[:]))
	require.Len(t, f.store.refresh, 1)
}

func TestEachLoginHasItsOwnSessionAndTokens(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.login(t), f.login(t)
	require.NotEqual(t, a.Claims.Session, b.Claims.Session)
	require.NotEqual(t, a.Refresh, b.Refresh)
	require.NotEqual(t, a.Access, b.Access)
}

func TestAnAccessTokenExpiresAtItsExactSecond(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *token.Options) { o.AccessTTL = time.Minute })
	p := f.login(t)
	f.clock.at = p.Claims.Expires.Add(-time.Nanosecond)
	_, err := f.Verify(t.Context(), p.Access)
	require.NoError(t, err)
	f.clock.at = p.Claims.Expires
	_, err = f.Verify(t.Context(), p.Access)
	requireRefused(t, err)
	require.ErrorIs(t, err, storage.ErrTokenExpired)
}

func TestRefreshingRotatesTheTokenAndKeepsTheLoginTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.login(t)
	f.clock.advance(time.Hour)
	second, err := f.Refresh(t.Context(), first.Refresh, directory{"7": "ada.renamed"})
	require.NoError(t, err)
	require.NotEqual(t, first.Refresh, second.Refresh)
	require.Equal(t, first.Claims.Session, second.Claims.Session)
	require.Equal(t, first.Claims.OrigIat, second.Claims.OrigIat)
	require.Equal(t, f.clock.at.Truncate(time.Second), second.Claims.IssuedAt)
	require.Equal(t, "ada.renamed", second.Claims.Username)
	require.Equal(t, first.RefreshExpires.Add(time.Hour), second.RefreshExpires)
	got, err := f.Verify(t.Context(), second.Access)
	require.NoError(t, err)
	require.Equal(t, second.Claims, got)
}

func TestReuseOfASpentTokenEndsTheSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.login(t)
	second, err := f.Refresh(t.Context(), first.Refresh, people)
	require.NoError(t, err)
	f.clock.advance(30 * time.Second)
	_, err = f.Refresh(t.Context(), first.Refresh, people)
	requireRefused(t, err)
	_, err = f.Refresh(t.Context(), second.Refresh, people)
	requireRefused(t, err)
	for _, access := range []string{first.Access, second.Access} {
		_, err = f.Verify(t.Context(), access)
		requireRefused(t, err)
	}
}

func TestAClientThatLostTheAnswerCanRetryWithinTheGracePeriod(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.login(t)
	_, err := f.Refresh(t.Context(), first.Refresh, people)
	require.NoError(t, err)
	f.clock.advance(29 * time.Second)
	again, err := f.Refresh(t.Context(), first.Refresh, people)
	require.NoError(t, err)
	_, err = f.Refresh(t.Context(), again.Refresh, people)
	require.NoError(t, err)
	_, err = f.Refresh(t.Context(), first.Refresh, people) // although a successor was used
	require.NoError(t, err)
	f.clock.advance(time.Second)
	_, err = f.Refresh(t.Context(), first.Refresh, people)
	requireRefused(t, err)

	strict := newFixture(t, func(o *token.Options) { o.Grace = -1 })
	first = strict.login(t)
	_, err = strict.Refresh(t.Context(), first.Refresh, people)
	require.NoError(t, err)
	_, err = strict.Refresh(t.Context(), first.Refresh, people)
	requireRefused(t, err)
}

func TestTwoTabsCanRefreshAtTheSameTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first := f.login(t)
	tabs := make([]token.Pair, 2)
	var err error
	for i := range tabs {
		tabs[i], err = f.Refresh(t.Context(), first.Refresh, people)
		require.NoError(t, err)
	}
	require.NotEqual(t, tabs[0].Refresh, tabs[1].Refresh)
	for range 3 {
		for i := range tabs {
			f.clock.advance(time.Hour)
			tabs[i], err = f.Refresh(t.Context(), tabs[i].Refresh, people)
			require.NoError(t, err)
			_, err = f.Verify(t.Context(), tabs[i].Access)
			require.NoError(t, err)
		}
	}
}

func TestARefreshTokenExpires(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *token.Options) { o.RefreshTTL = time.Hour })
	p := f.login(t)
	f.clock.advance(time.Hour)
	_, err := f.Refresh(t.Context(), p.Refresh, people)
	requireRefused(t, err)
}

func TestASessionEndsEvenIfItIsRefreshed(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *token.Options) { o.SessionTTL, o.RefreshTTL, o.AccessTTL = 10*time.Hour, 4*time.Hour, time.Hour })
	p := f.login(t)
	ends := f.clock.at.Add(10 * time.Hour).Truncate(time.Second)
	var err error
	for range 3 { // at 3, 6 and 9 hours
		f.clock.advance(3 * time.Hour)
		p, err = f.Refresh(t.Context(), p.Refresh, people)
		require.NoError(t, err)
	}
	require.Equal(t, ends, p.RefreshExpires)
	require.Equal(t, ends, p.Claims.Expires)
	f.clock.advance(time.Hour)
	_, err = f.Refresh(t.Context(), p.Refresh, people)
	requireRefused(t, err)
	require.True(t, f.store.sessions[p.Claims.Session].ended)
}

func TestNoTokenOutlivesItsSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *token.Options) { o.SessionTTL = time.Minute })
	p := f.login(t)
	ends := f.clock.at.Add(time.Minute).Truncate(time.Second)
	require.Equal(t, ends, p.Claims.Expires)
	require.Equal(t, ends, p.RefreshExpires)
}

func TestTheDefaultSessionTTLIsNotShorterThanTheTokenTTLs(t *testing.T) {
	t.Parallel()
	const year = 365 * 24 * time.Hour
	f := newFixture(t, func(o *token.Options) { o.AccessTTL, o.RefreshTTL = year, 2*year })
	p := f.login(t)
	require.Equal(t, p.Claims.IssuedAt.Add(year), p.Claims.Expires)
	require.Equal(t, f.clock.at.Add(2*year).Truncate(time.Second), p.RefreshExpires)
}

func TestRevokingEndsOnlyItsOwnSessionImmediately(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	gone, stays := f.login(t), f.login(t)
	f.clock.advance(time.Minute)
	at, err := f.Revoke(t.Context(), gone.Refresh)
	require.NoError(t, err)
	require.Equal(t, f.clock.at.Truncate(time.Microsecond), at)
	_, err = f.Verify(t.Context(), gone.Access)
	requireRefused(t, err)
	_, err = f.Refresh(t.Context(), gone.Refresh, people)
	requireRefused(t, err)
	_, err = f.Revoke(t.Context(), gone.Refresh)
	requireRefused(t, err)
	_, err = f.Verify(t.Context(), stays.Access)
	require.NoError(t, err)
}

func TestAllSessionsOfAUserEndTogether(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	a, b := f.login(t), f.login(t)
	require.NoError(t, f.End(t.Context(), ada.ID, a.Claims.Session))
	_, err := f.Verify(t.Context(), a.Access)
	requireRefused(t, err)
	_, err = f.Verify(t.Context(), b.Access)
	require.NoError(t, err)
	require.NoError(t, f.End(t.Context(), ada.ID, ""))
	_, err = f.Verify(t.Context(), b.Access)
	requireRefused(t, err)
}

func TestAUserWhoWasErasedGetsNoToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.login(t)
	_, err := f.Refresh(t.Context(), p.Refresh, directory{})
	requireRefused(t, err)
	delete(f.store.passwords, ada.ID)
	_, err = f.Login(t.Context(), ada)
	require.ErrorIs(t, err, storage.ErrUnauthenticated)
}

func TestALoginFailsWhenThePasswordIsReplacedDuringIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.store.passwords[ada.ID]++
	_, err := f.Login(t.Context(), ada)
	require.ErrorIs(t, err, storage.ErrUnauthenticated)
	require.Equal(t, storage.Message(user.WrongLogin()), storage.Message(err))
	require.Empty(t, f.store.sessions)

	now := ada
	now.PasswordVersion++
	_, err = f.Login(t.Context(), now)
	require.NoError(t, err)
}

func TestAnAccessTokenIsValidOnlyForTheUserOfItsSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.login(t)
	in := f.store.sessions[p.Claims.Session]
	in.User = "8"
	_, err := f.Verify(t.Context(), p.Access)
	requireRefused(t, err)
	in.User = ada.ID
	_, err = f.Verify(t.Context(), p.Access)
	require.NoError(t, err)
}

func TestAMalformedTokenIsRefusedWithoutAskingTheStore(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	calls := map[string]func(string) error{
		"token":        func(s string) error { _, err := f.Verify(t.Context(), s); return err },
		"refreshToken": func(s string) error { _, err := f.Refresh(t.Context(), s, people); return err },
		"revoke":       func(s string) error { _, err := f.Revoke(t.Context(), s); return err },
	}
	for name, call := range calls {
		err := call("")
		require.ErrorIs(t, err, storage.ErrInvalid)
		if name == "revoke" {
			name = "refreshToken"
		}
		require.Equal(t, name, storage.Field(err))
		require.NotEmpty(t, storage.Message(err))
		for _, bad := range []string{"x", " ", strings.Repeat("x", 42), strings.Repeat("x", 44), strings.Repeat("x", 1<<20), "\x00", "\xff"} {
			requireRefused(t, call(bad))
		}
	}
	require.Zero(t, f.store.asked)
	_, err := f.Refresh(t.Context(), strings.Repeat("x", 43), people)
	requireRefused(t, err)
	require.Equal(t, 1, f.store.asked)
}

// brokenDirectory is a directory whose database cannot be reached.
type brokenDirectory struct{ err error }

func (d brokenDirectory) Lookup(context.Context, ...user.ID) (map[user.ID]user.Profile, error) {
	return nil, d.err
}

func TestAStoreFailureIsNotReportedAsAnInvalidToken(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	p := f.login(t)
	away := errors.New("the database is away")

	_, err := f.Refresh(t.Context(), p.Refresh, brokenDirectory{away})
	require.ErrorIs(t, err, away)
	_, err = f.Refresh(t.Context(), p.Refresh, people) // the client can retry the call
	require.NoError(t, err)

	f.store.err = away
	_, err = f.Verify(t.Context(), p.Access)
	require.ErrorIs(t, err, away)
	_, err = f.Refresh(t.Context(), p.Refresh, people)
	require.ErrorIs(t, err, away)
	_, err = f.Revoke(t.Context(), p.Refresh)
	require.ErrorIs(t, err, away)
	_, err = f.Login(t.Context(), ada)
	require.ErrorIs(t, err, away)
}

func TestExpiredTokensArePurged(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *token.Options) { o.RefreshTTL = time.Hour })
	f.login(t)
	f.login(t)
	f.clock.advance(time.Hour + time.Second)
	stays := f.login(t)
	for _, want := range []int{1, 1, 0} {
		n, err := f.Purge(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	_, err := f.Refresh(t.Context(), stays.Refresh, people)
	require.NoError(t, err)
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	t.Parallel()
	long := token.Key{ID: strings.Repeat("k", 65), Secret: keyA.Secret}
	for name, o := range map[string]*token.Options{
		"nothing":                  nil,
		"no key":                   {},
		"a key without an id":      {Keys: []token.Key{{Secret: keyA.Secret}}},
		"a key with a long id":     {Keys: []token.Key{long}},
		"a short secret":           {Keys: []token.Key{{ID: "a", Secret: keyA.Secret[:31]}}},
		"two keys of one id":       {Keys: []token.Key{keyA, keyA}},
		"a second key that is bad": {Keys: []token.Key{keyA, {ID: "b"}}},
		"a negative life":          {Keys: []token.Key{keyA}, AccessTTL: -time.Minute},
		"a life under a second":    {Keys: []token.Key{keyA}, RefreshTTL: time.Millisecond},
		"a session of no length":   {Keys: []token.Key{keyA}, SessionTTL: 1},
	} {
		_, err := token.NewService(newFakeStore(), o)
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), string(keyA.Secret[:31]), "the error must not contain the secret")
	}
	_, err := token.NewService(nil, &token.Options{Keys: []token.Key{keyA}})
	require.Error(t, err)
}

func TestTheServiceKeepsItsOwnCopyOfTheKeys(t *testing.T) {
	t.Parallel()
	secret := []byte(strings.Repeat("s", 32))
	keys := []token.Key{{ID: "a", Secret: secret}}
	f := newFixture(t, func(o *token.Options) { o.Keys = keys })
	p := f.login(t)
	clear(secret)
	clear(keys)
	_, err := f.Verify(t.Context(), p.Access)
	require.NoError(t, err)
	_, err = f.Verify(t.Context(), f.login(t).Access)
	require.NoError(t, err)
}
