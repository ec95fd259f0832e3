package throttle

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func tries(l *Limiter, account, address string, n int) (passed int) {
	for range n {
		if _, ok := l.TakeLogin(account, address); ok {
			passed++
		}
	}
	return passed
}

func TestGuessesFromOneAddressDoNotLockOutAnother(t *testing.T) {
	t.Parallel()
	l, clock := newLimiter(t, Options{})
	guessed := 0
	for second := range 3600 {
		guessed += tries(l, "ann", "192.0.2.66", 4)
		if second%600 == 599 {
			_, ok := l.TakeLogin("ann", fmt.Sprintf("198.51.100.%d", second/600))
			require.True(t, ok, "a new address, after %d s of guessing", second)
		}
		clock.advance(time.Second)
	}
	require.InDelta(t, 10*60+10, guessed, 2, "and guessing is slow")
	_, ok := l.TakeLogin("bob", "192.0.2.67")
	require.True(t, ok)
}

func TestGuessesFromManyAddressesAreSlowAndLockNoUserOut(t *testing.T) {
	t.Parallel()
	l, clock := newLimiter(t, Options{})
	const home, addresses = "198.51.100.1", 50
	_, ok := l.TakeLogin("ann", home)
	require.True(t, ok)
	l.LoggedIn("Ann", home)
	guessed := 0
	for range 60 {
		for a := range addresses {
			guessed += tries(l, "ann", fmt.Sprint("192.0.2.", a), 4)
		}
		clock.advance(time.Second)
	}
	// Each address has 3 tries and one more a minute. Together they have 20, and 10 more a minute.
	// Without LoginStrangers each address alone would have 20.
	require.LessOrEqual(t, guessed, addresses*4+30)
	require.Equal(t, 10, tries(l, "ANN", home, 12), "a known address is not affected")
	require.InDelta(t, 4, tries(l, "ann", "198.51.100.2", 12), 1, "a new address has a few tries, and what the others left")
	retry, ok := l.TakeLogin("ann", "198.51.100.2")
	require.False(t, ok)
	require.LessOrEqual(t, retry, 6*time.Second+1, "the sooner of the two buckets")

	clock.advance(10 * time.Minute)
	require.Equal(t, 10, tries(l, "ann", "198.51.100.3", 12), "after the attack")
}

func TestARefusedLoginTakesNoTokens(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Options{Address: Limit{PerSecond: 1, Burst: 30}, LoginAccount: Limit{PerSecond: 1, Burst: 1}})
	for i := range 10 {
		_, ok := l.TakeLogin("ann", "a", Charge{Address, "a", 1})
		require.Equal(t, i == 0, ok)
	}
	require.True(t, allowed(l, Charge{Address, "a", 29}))
	require.True(t, allowed(l, Charge{LoginStrangers, "ann", 19}))
	require.True(t, allowed(l, Charge{LoginTries, PairKey("ann", "a"), 3}))
}

func TestAddressIsForgottenAfterThirtyDaysWithoutALogin(t *testing.T) {
	t.Parallel()
	l, clock := newLimiter(t, Options{LoginStrangers: Limit{PerSecond: 1e-9, Burst: 1}, LoginTries: Limit{PerSecond: 1e-9, Burst: 1}})
	l.LoggedIn("ann", "home")
	clock.advance(knownFor - time.Second)
	require.Equal(t, 10, tries(l, "ann", "home", 12))
	l.LoggedIn("ann", "home")
	clock.advance(knownFor - time.Second)
	require.Equal(t, 10, tries(l, "ann", "home", 12))
	clock.advance(time.Hour)
	require.Equal(t, 2, tries(l, "ann", "home", 12))
	require.Zero(t, tries(l, "ann", "home", 1), "the address is known again only after a login")

	var off *Limiter
	off.LoggedIn("ann", "home")
	require.Equal(t, 100, tries(off, "ann", "home", 100))
}
