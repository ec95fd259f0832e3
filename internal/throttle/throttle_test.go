package throttle

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A clock stands still until advance is called.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newLimiter(t testing.TB, o Options) (*Limiter, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	o.Now = c.Now
	l, err := New(&o)
	require.NoError(t, err)
	return l, c
}

func allowed(l *Limiter, charges ...Charge) bool {
	_, ok := l.Take(charges...)
	return ok
}

func TestABucketAllowsItsBurstAndThenItsRate(t *testing.T) {
	t.Parallel()
	l, clock := newLimiter(t, Options{User: Limit{PerSecond: 2, Burst: 3}})
	ann := Charge{User, "ann", 1}
	for range 3 {
		require.True(t, allowed(l, ann))
	}
	retry, ok := l.Take(ann)
	require.False(t, ok)
	require.InDelta(t, 500*time.Millisecond, retry, 2)
	require.True(t, allowed(l, Charge{User, "bob", 1}), "another key has a bucket of its own")

	clock.advance(retry)
	require.True(t, allowed(l, ann), "allowed after the returned wait")
	require.False(t, allowed(l, ann))

	clock.advance(time.Hour)
	require.True(t, allowed(l, Charge{User, "ann", 3}), "a pause refills the bucket up to the burst")
	require.False(t, allowed(l, ann), "and not beyond it")
}

func TestARefusedChargeTakesNothingFromAnyBucket(t *testing.T) {
	t.Parallel()
	l, clock := newLimiter(t, Options{
		Address:      Limit{PerSecond: 1, Burst: 10},
		LoginAccount: Limit{PerSecond: 0.1, Burst: 1},
	})
	login := []Charge{{Address, "192.0.2.1", 1}, {LoginAccount, "ann", 1}}
	require.True(t, allowed(l, login...))
	for range 100 {
		retry, ok := l.Take(login...)
		require.False(t, ok)
		require.InDelta(t, 10*time.Second, retry, 2, "the longest wait of all the buckets")
	}
	require.True(t, allowed(l, Charge{Address, "192.0.2.1", 9}), "the other bucket is unchanged")

	clock.advance(10*time.Second + 1)
	require.True(t, allowed(l, login...), "refusals do not extend the wait: no user is locked out")
}

func TestChargesToOneBucketAddUp(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Options{Address: Limit{PerSecond: 1, Burst: 5}})
	require.True(t, allowed(l, Charge{Address, "a", 2}))
	require.False(t, allowed(l, Charge{Address, "a", 2}, Charge{Address, "a", 2}))
	require.True(t, allowed(l, Charge{Address, "a", 1}, Charge{Address, "a", 2}))
}

func TestMoreThanTheBurstIsChargedAsTheBurst(t *testing.T) {
	t.Parallel()
	for name, charges := range map[string][]Charge{
		"at once":         {{User, "ann", 1000}},
		"in parts":        {{User, "ann", 4}, {User, "ann", 4}},
		"beyond integers": {{User, "ann", math.MaxInt}, {User, "ann", math.MaxInt}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, clock := newLimiter(t, Options{User: Limit{PerSecond: 1, Burst: 5}})
			require.True(t, allowed(l, charges...))
			retry, ok := l.Take(charges...)
			require.False(t, ok)
			clock.advance(retry)
			require.True(t, allowed(l, charges...))
		})
	}
}

func TestChargesOfNothingAreAlwaysAllowed(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Options{User: Limit{PerSecond: 1, Burst: 1}, Address: Unlimited()})
	require.True(t, allowed(l, Charge{User, "ann", 1}))
	require.True(t, allowed(l))
	require.True(t, allowed(l, Charge{User, "ann", 0}))
	require.True(t, allowed(l, Charge{User, "ann", -1}))
	require.False(t, allowed(l, Charge{User, "ann", 1}), "a negative charge gives nothing back")
	require.True(t, allowed(l, Charge{Address, "a", 1_000_000}))

	var off *Limiter
	require.True(t, allowed(off, Charge{LoginAddress, "a", 1_000_000}))
}

func TestDefaultBurstsAreAllowed(t *testing.T) {
	t.Parallel()
	l, err := New(nil)
	require.NoError(t, err)
	for class, burst := range map[Class]int{
		User: 400, Address: 100, LoginAddress: 20, LoginAccount: 10, Password: 10, CreateUser: 20, RefreshToken: 60,
		LoginStrangers: 20, LoginTries: 3, UserMutation: 200, AddressMutation: 100, AddPhoneNumber: 20, Deliveries: 200_000, Messages: 20_000, Groups: 200, Adds: 50,
	} {
		require.True(t, allowed(l, Charge{class, "k", burst - 1}), class)
		require.True(t, allowed(l, Charge{class, "k", 1}), class)
		require.False(t, allowed(l, Charge{class, "k", burst}), class)
	}
}

func TestADailyQuotaRefillsInADay(t *testing.T) {
	t.Parallel()
	l, clock := newLimiter(t, Options{Groups: PerDay(24)})
	require.True(t, allowed(l, Charge{Groups, "ann", 24}))
	retry, ok := l.Take(Charge{Groups, "ann", 1})
	require.False(t, ok)
	require.InDelta(t, time.Hour, retry, float64(time.Second))
	clock.advance(24 * time.Hour)
	require.True(t, allowed(l, Charge{Groups, "ann", 24}))
	require.False(t, allowed(l, Charge{Groups, "ann", 1}))
}

func TestReservationsAreServedInOrder(t *testing.T) {
	t.Parallel()
	l, clock := newLimiter(t, Options{Deliveries: Limit{PerSecond: 10, Burst: 20}})
	reserve := func(n int) time.Duration { return l.Reserve(Charge{Deliveries, "ann", n}) }
	require.Zero(t, reserve(20))
	require.InDelta(t, time.Second, reserve(10), 2)
	require.InDelta(t, 3*time.Second, reserve(1000), 2, "a charge above the burst counts as the burst")
	require.Zero(t, l.Reserve(Charge{Deliveries, "bob", 5}))
	clock.advance(3 * time.Second)
	require.InDelta(t, time.Second, reserve(10), 2)

	var off *Limiter
	require.Zero(t, off.Reserve(Charge{Deliveries, "ann", 1e9}))
}

func TestDifferentPairsHaveDifferentKeys(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for _, pair := range [][2]string{{"1", "23"}, {"12", "3"}, {"3", "12"}, {"", "123"}, {"123", ""}, {"1:1", "2"}, {"1", ":12"}} {
		keys[PairKey(pair[0], pair[1])] = true
	}
	require.Len(t, keys, 7)
}

func TestTheNumberOfBucketsIsBounded(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Options{User: Limit{PerSecond: 1, Burst: 1}, Keys: 2})
	require.True(t, allowed(l, Charge{User, "busy", 1}))
	for i := range 1000 {
		require.True(t, allowed(l, Charge{User, fmt.Sprint(i), 1}))
		require.False(t, allowed(l, Charge{User, "busy", 1}), "a key in use is not dropped")
	}
	require.Equal(t, 2, l.buckets[User].Len())
}

func TestLongKeysTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Options{LoginAccount: Limit{PerSecond: 1, Burst: 1}})
	long := strings.Repeat("x", 100_000)
	require.True(t, allowed(l, Charge{LoginAccount, long + "a", 1}))
	require.True(t, allowed(l, Charge{LoginAccount, long + "b", 1}), "long keys with the same beginning differ")
	require.False(t, allowed(l, Charge{LoginAccount, long + "a", 1}))
	for _, key := range l.buckets[LoginAccount].Keys() {
		require.LessOrEqual(t, len(key), 64)
	}
}

func TestWrongOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]Options{
		"no rate":       {User: Limit{Burst: 1}},
		"negative rate": {User: Limit{PerSecond: -1, Burst: 1}},
		"not a number":  {User: Limit{PerSecond: math.NaN(), Burst: 1}},
		"no burst":      {LoginAccount: Limit{PerSecond: 1}},
		"negative keys": {Keys: -1},
	} {
		_, err := New(&o)
		require.Error(t, err, name)
	}
}

func TestConcurrentCallersGetNoMoreThanTheBurst(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Options{
		User:    Limit{PerSecond: 1, Burst: 50},
		Address: Limit{PerSecond: 1, Burst: 70},
	})
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 40 {
				if allowed(l, Charge{Address, "a", 1}, Charge{User, "ann", 1}) {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 50, passed.Load())
	require.True(t, allowed(l, Charge{Address, "a", 20}), "refused charges took nothing")
	require.False(t, allowed(l, Charge{Address, "a", 1}))
}

// In any period, for any sequence of charges, at most the burst plus rate times duration passes.
func TestNoSequenceOfChargesExceedsTheRate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		limit := Limit{PerSecond: rapid.Float64Range(0.01, 100).Draw(rt, "rate"), Burst: rapid.IntRange(1, 50).Draw(rt, "burst")}
		l, clock := newLimiter(t, Options{User: limit})
		began, passed := clock.Now(), 0
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			clock.advance(time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(rt, "pause")))
			n := rapid.IntRange(1, limit.Burst).Draw(rt, "n")
			retry, ok := l.Take(Charge{User, "ann", n})
			if !ok {
				clock.advance(retry)
				_, ok = l.Take(Charge{User, "ann", n})
				require.True(rt, ok, "refused after waiting as long as told")
			}
			passed += n
			most := float64(limit.Burst) + limit.PerSecond*clock.Now().Sub(began).Seconds()
			require.LessOrEqual(rt, float64(passed), most+1e-6)
		}
	})
}

func TestRetryAfterIsInWholeSeconds(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0:                           "1",
		1:                           "1",
		time.Second:                 "1",
		time.Second + 1:             "2",
		90 * time.Second:            "90",
		100 * 365 * 24 * time.Hour:  "3153600000",
		1500 * time.Millisecond:     "2",
		59*time.Second + 999_999_99: "60",
	} {
		require.Equal(t, want, RetryAfter(d), d)
	}
}

func TestAVerySlowRateStillReturnsAWait(t *testing.T) {
	t.Parallel()
	l, _ := newLimiter(t, Options{User: Limit{PerSecond: math.SmallestNonzeroFloat64, Burst: 1}})
	require.True(t, allowed(l, Charge{User, "ann", 1}))
	retry, ok := l.Take(Charge{User, "ann", 1})
	require.False(t, ok)
	require.Positive(t, retry)
}

func BenchmarkTake(b *testing.B) {
	l, err := New(&Options{User: Limit{PerSecond: 1e9, Burst: 1e9}})
	require.NoError(b, err)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Take(Charge{User, "ann", 1})
		}
	})
}
