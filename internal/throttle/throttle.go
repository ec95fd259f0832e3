// Package throttle bounds how much one client can ask for: the rate of requests, with token
// buckets, and the number of connections.
package throttle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Class is a set of buckets that share one limit. Each key has its own bucket.
type Class int

// The classes. A query or subscription is charged to either [User] or [Address], and a mutation to
// either [UserMutation] or [AddressMutation]. Fields with a class of their own are charged to that
// class as well.
const (
	// User: queries of a logged-in user; the key is the user's id.
	User Class = iota
	// Address: queries of a client that is not logged in; the key is [AddressKey].
	Address
	// UserMutation: mutations of a logged-in user. They have their own bucket, so that a client
	// that has sent many messages can still read.
	UserMutation
	// AddressMutation: mutations of a client that is not logged in.
	AddressMutation
	// LoginAddress: logins from an address.
	LoginAddress
	// LoginAccount: logins to an account from one address; the key is [PairKey] of [AccountKey] and
	// [AddressKey].
	LoginAccount
	// LoginStrangers: logins to an account from all addresses together that are not known for the
	// account; see [Limiter.TakeLogin]. The key is [AccountKey].
	LoginStrangers
	// LoginTries: logins that an address not known for the account may still try while
	// LoginStrangers is empty. The key is that of LoginAccount.
	LoginTries
	// Password: actions that a logged-in user confirms with the password. The key is the user's id.
	// It slows down password guessing by someone who has stolen a login.
	Password
	// CreateUser: registrations from an address.
	CreateUser
	// RefreshToken: token refreshes from an address.
	RefreshToken
	// AddPhoneNumber: phone numbers that a user adds. It is limited because the answer reveals
	// whether a number is taken.
	AddPhoneNumber
	// Deliveries: events that are resolved for a user, counted by their cost.
	Deliveries
	// Messages: messages that a user sends; a daily quota.
	Messages
	// Groups: groups that a user creates; a daily quota.
	Groups
	// Adds: how often one user adds another to groups; a daily quota. The key is [PairKey] of both.
	Adds
	classes
)

// Limit is a rate and a burst. The zero value stands for the default.
type Limit struct {
	// PerSecond is the rate at which the bucket refills. It must be above 0.
	PerSecond float64
	// Burst is the size of the bucket: the number allowed at once after a pause. It must be at
	// least 1.
	Burst int
}

// Unlimited is the limit that allows everything.
func Unlimited() Limit { return Limit{PerSecond: math.Inf(1)} }

func perMinute(n float64, burst int) Limit { return Limit{PerSecond: n / 60, Burst: burst} }

func perHour(n float64, burst int) Limit { return perMinute(n/60, burst) }

// PerDay returns the limit for n a day: up to n at once, refilled evenly within 24 hours.
func PerDay(n int) Limit { return Limit{PerSecond: float64(n) / (24 * 60 * 60), Burst: n} }

// PairKey returns the key of an ordered pair, such as one user who adds another. Different pairs
// have different keys.
func PairKey(a, b string) string { return strconv.Itoa(len(a)) + ":" + a + b }

func (l Limit) unlimited() bool { return math.IsInf(l.PerSecond, 1) }

// Options for [New]. The zero value is valid.
type Options struct {
	// User defaults to 50 a second with a burst of 400, which lets twenty pages of one user open at
	// once.
	User Limit
	// Address defaults to 20 a second with a burst of 100.
	Address Limit
	// UserMutation defaults to 50 a second with a burst of 200.
	UserMutation Limit
	// AddressMutation defaults to 20 a second with a burst of 100.
	AddressMutation Limit
	// LoginAddress defaults to 10 a minute with a burst of 20.
	LoginAddress Limit
	// LoginAccount defaults to 10 a minute with a burst of 10.
	LoginAccount Limit
	// LoginStrangers defaults to 10 a minute with a burst of 20.
	LoginStrangers Limit
	// LoginTries defaults to 1 a minute with a burst of 3.
	LoginTries Limit
	// Password defaults to 10 a minute with a burst of 10.
	Password Limit
	// CreateUser defaults to 10 a minute with a burst of 20.
	CreateUser Limit
	// RefreshToken defaults to 60 a minute with a burst of 60.
	RefreshToken Limit
	// AddPhoneNumber defaults to 20 an hour with a burst of 20.
	AddPhoneNumber Limit
	// Deliveries defaults to 100,000 a second with a burst of 200,000.
	Deliveries Limit
	// Messages defaults to 20,000 a day.
	Messages Limit
	// Groups defaults to 200 a day.
	Groups Limit
	// Adds defaults to 50 a day.
	Adds Limit
	// Keys is how many buckets each class keeps; 0 is 100,000. The least recently used bucket is
	// dropped first, and is full when its key comes back. A bucket takes about 300 bytes.
	Keys int
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// limits returns the limit of each class, with defaults filled in.
func (o Options) limits() [classes]Limit {
	limits := [classes]Limit{
		User:         o.User,
		Address:      o.Address,
		LoginAddress: o.LoginAddress,
		LoginAccount: o.LoginAccount,
		Password:     o.Password,
		CreateUser:   o.CreateUser,
		RefreshToken: o.RefreshToken,

		UserMutation:    o.UserMutation,
		AddressMutation: o.AddressMutation,
		AddPhoneNumber:  o.AddPhoneNumber,
		LoginStrangers:  o.LoginStrangers,
		LoginTries:      o.LoginTries,
		Deliveries:      o.Deliveries,
		Messages:        o.Messages,
		Groups:          o.Groups,
		Adds:            o.Adds,
	}
	for class, standard := range [classes]Limit{
		User:         {PerSecond: 50, Burst: 400},
		Address:      {PerSecond: 20, Burst: 100},
		LoginAddress: perMinute(10, 20),
		LoginAccount: perMinute(10, 10),
		Password:     perMinute(10, 10),
		CreateUser:   perMinute(10, 20),
		RefreshToken: perMinute(60, 60),

		UserMutation:    {PerSecond: 50, Burst: 200},
		AddressMutation: {PerSecond: 20, Burst: 100},
		AddPhoneNumber:  perHour(20, 20),
		LoginStrangers:  perMinute(10, 20),
		LoginTries:      perMinute(1, 3),
		Deliveries:      {PerSecond: 100_000, Burst: 200_000},
		Messages:        PerDay(20_000),
		Groups:          PerDay(200),
		Adds:            PerDay(50),
	} {
		if limits[class] == (Limit{}) {
			limits[class] = standard
		}
	}
	return limits
}

// Limiter holds the buckets. A nil *Limiter allows everything. It is safe for concurrent use.
type Limiter struct {
	now    func() time.Time
	limits [classes]Limit

	// One lock, so that Take checks and charges several buckets atomically. It is held for well
	// under a microsecond.
	mu      sync.Mutex
	buckets [classes]*simplelru.LRU[string, *rate.Limiter]
	// known holds the time of the last login for each pair of account and address.
	known *simplelru.LRU[string, time.Time]
}

// New returns a limiter whose buckets are full. It returns an error if an option is invalid.
func New(options *Options) (*Limiter, error) {
	var o Options
	if options != nil {
		o = *options
	}
	if o.Keys < 0 {
		return nil, errors.New("throttle: Options.Keys is negative: use 0 for the default")
	}
	if o.Keys == 0 {
		o.Keys = 100_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Limiter{now: o.Now, limits: o.limits()}
	for class, limit := range l.limits {
		if !limit.unlimited() && (!(limit.PerSecond > 0) || limit.Burst < 1) {
			return nil, fmt.Errorf("throttle: a limit must have a rate above 0 and a burst of at least 1, not %v and %d", limit.PerSecond, limit.Burst)
		}
		buckets, err := simplelru.NewLRU[string, *rate.Limiter](o.Keys, nil)
		if err != nil {
			return nil, fmt.Errorf("throttle: %w", err)
		}
		l.buckets[class] = buckets
	}
	known, err := simplelru.NewLRU[string, time.Time](o.Keys, nil)
	if err != nil {
		return nil, fmt.Errorf("throttle: %w", err)
	}
	l.known = known
	return l, nil
}

// Charge asks for N tokens of one bucket.
type Charge struct {
	Class Class
	Key   string
	// N is the number of tokens. If N exceeds the burst, the burst is charged; otherwise the charge
	// could never succeed.
	N int
}

// Take charges all of the buckets or none. If any bucket has too few tokens, it takes nothing and
// returns false and the time to wait: after retry the same charges succeed, unless other requests
// take the tokens first. See [RetryAfter] for the header.
func (l *Limiter) Take(charges ...Charge) (retry time.Duration, ok bool) {
	if l == nil {
		return 0, true
	}
	charges = l.merge(charges)
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, c := range charges {
		missing := float64(c.N) - l.bucket(c).TokensAt(now)
		if wait := duration(missing / l.limits[c.Class].PerSecond); wait > 0 {
			retry = max(retry, wait+1) // +1 because duration rounds down
		}
	}
	if retry > 0 {
		return retry, false
	}
	for _, c := range charges {
		l.bucket(c).AllowN(now, c.N)
	}
	return 0, true
}

// Reserve charges a bucket immediately, even below zero, and returns how long to wait until the
// charge is covered. Callers that wait that long stay within the limit, and are served in order.
func (l *Limiter) Reserve(charge Charge) (wait time.Duration) {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	for _, c := range l.merge([]Charge{charge}) {
		wait = l.bucket(c).ReserveN(now, c.N).DelayFrom(now)
	}
	return wait
}

// merge returns one charge for each bucket, and drops charges that cost nothing.
func (l *Limiter) merge(charges []Charge) []Charge {
	merged := make([]Charge, 0, len(charges))
next:
	for _, c := range charges {
		if c.N <= 0 || l.limits[c.Class].unlimited() {
			continue
		}
		c.Key = bounded(c.Key)
		burst := l.limits[c.Class].Burst
		for i := range merged {
			if m := &merged[i]; m.Class == c.Class && m.Key == c.Key {
				m.N = min(m.N+min(c.N, burst), burst)
				continue next
			}
		}
		c.N = min(c.N, burst)
		merged = append(merged, c)
	}
	return merged
}

func (l *Limiter) bucket(c Charge) *rate.Limiter {
	buckets := l.buckets[c.Class]
	if bucket, ok := buckets.Get(c.Key); ok {
		return bucket
	}
	limit := l.limits[c.Class]
	bucket := rate.NewLimiter(rate.Limit(limit.PerSecond), limit.Burst)
	buckets.Add(c.Key, bucket)
	return bucket
}

// duration rounds down to whole nanoseconds, as [rate.Limiter] does, and returns at most 100 years.
func duration(seconds float64) time.Duration {
	const longest = 100 * 365 * 24 * time.Hour
	return time.Duration(min(seconds*float64(time.Second), float64(longest)))
}

// bounded replaces a long key by its hash, so that clients cannot fill the memory with long keys.
func bounded(key string) string {
	if len(key) <= 2*sha256.Size {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return string(sum[:])
}

// RetryAfter formats a duration for the Retry-After header: whole seconds, rounded up, at least 1.
func RetryAfter(d time.Duration) string {
	return strconv.FormatInt(int64(max(math.Ceil(d.Seconds()), 1)), 10)
}
