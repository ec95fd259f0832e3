// Package throttle bounds how much one client can ask for: by rate, with token buckets, and by the
// number of connections it holds.
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

// Class is a set of buckets with one limit.
type Class int

// The classes. A query or subscription is charged to one of [User] and [Address], a mutation to one of
// [UserMutation] and [AddressMutation], and, for each field that has a class of its own, to that class
// as well.
const (
	// User: queries of a logged-in user; the key is the user's id.
	User Class = iota
	// Address: queries of a client that is not logged in; the key is [AddressKey].
	Address
	// UserMutation: mutations of a logged-in user. They leave the bucket for queries alone, so that a
	// client that has sent a lot can still read.
	UserMutation
	// AddressMutation: mutations of a client that is not logged in.
	AddressMutation
	// LoginAddress: logins from an address.
	LoginAddress
	// LoginAccount: logins to an account from one address; the key is [PairKey] of [AccountKey] and
	// [AddressKey].
	LoginAccount
	// LoginStrangers: logins to an account from all addresses together that it does not know; see
	// [Limiter.TakeLogin].
	LoginStrangers
	// LoginTries: what an address that the account does not know has left while LoginStrangers is
	// empty; the key is that of LoginAccount.
	LoginTries
	// Password: acts that a logged-in user confirms with the password; the key is the user's id. It keeps whoever got hold of a
	// login from guessing on.
	Password
	// CreateUser: registrations from an address.
	CreateUser
	// RefreshToken: token refreshes from an address.
	RefreshToken
	// AddPhoneNumber: phone numbers that a user adds. The answer tells whether a number is taken.
	AddPhoneNumber
	// Deliveries: the events that are resolved for a user, by their cost.
	Deliveries
	// Messages: the messages that a user sends; a quota by day.
	Messages
	// Groups: the groups that a user creates; a quota by day.
	Groups
	// Adds: how often one user adds one other to groups; a quota by day. The key is [PairKey].
	Adds
	classes
)

// Limit is a rate and the burst that it allows. The zero value stands for the default.
type Limit struct {
	// PerSecond is how many are allowed in the long run, more than none.
	PerSecond float64
	// Burst is how many are allowed at once after a pause, at least one.
	Burst int
}

// Unlimited is the limit that allows everything.
func Unlimited() Limit { return Limit{PerSecond: math.Inf(1)} }

func perMinute(n float64, burst int) Limit { return Limit{PerSecond: n / 60, Burst: burst} }

func perHour(n float64, burst int) Limit { return perMinute(n/60, burst) }

// PerDay is the quota of n a day: n at once, and as many again in the course of each day.
func PerDay(n int) Limit { return Limit{PerSecond: float64(n) / (24 * 60 * 60), Burst: n} }

// PairKey is the key for what one user does to another.
func PairKey(a, b string) string { return strconv.Itoa(len(a)) + ":" + a + b }

func (l Limit) unlimited() bool { return math.IsInf(l.PerSecond, 1) }

// Options for [New]. The zero value is valid.
type Options struct {
	// User defaults to 50 a second with a burst of 200.
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
	// Keys is how many buckets each class remembers; 100,000. The least recently used is forgotten first, and is full
	// when its key comes back. A bucket takes about 300 bytes.
	Keys int
	// Now is the clock; [time.Now].
	Now func() time.Time
}

// limits returns the limit of each class, defaults filled in.
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
		User:         {PerSecond: 50, Burst: 200},
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

	// One lock, so that several buckets are looked at and charged as one act. It is held for well under a microsecond.
	mu      sync.Mutex
	buckets [classes]*simplelru.LRU[string, *rate.Limiter]
	// known has when each pair of account and address last logged in.
	known *simplelru.LRU[string, time.Time]
}

// New returns a limiter whose buckets are full. The error says which option is wrong.
func New(options *Options) (*Limiter, error) {
	var o Options
	if options != nil {
		o = *options
	}
	if o.Keys < 0 {
		return nil, errors.New("throttle: Keys must not be negative")
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
	// N is the number of root fields. What is more than the burst is charged as the burst, so that it can
	// pass at all.
	N int
}

// Take charges all of the buckets, or none: where one of them has too little, nothing is taken and the
// result is false, with the time after which the same charges would pass if nobody else took any
// (for a header, see [RetryAfter]).
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
			retry = max(retry, wait+1) // what was rounded away
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

// Reserve charges a bucket at once, beyond what is in it where that is too little, and returns how long to wait
// until the charge is covered. Whoever waits that long keeps to the limit, each of many in turn.
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

// merge returns one charge for each bucket, without those that cost nothing.
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

// duration is in whole nanoseconds, rounded down as the buckets themselves do it, and about a century at most.
func duration(seconds float64) time.Duration {
	const longest = 100 * 365 * 24 * time.Hour
	return time.Duration(min(seconds*float64(time.Second), float64(longest)))
}

// bounded keeps what a client chose from filling the memory: a long key stands for itself by its hash.
func bounded(key string) string {
	if len(key) <= 2*sha256.Size {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return string(sum[:])
}

// RetryAfter returns a duration as the Retry-After header wants it: whole seconds, rounded up, at least one.
func RetryAfter(d time.Duration) string {
	return strconv.FormatInt(int64(max(math.Ceil(d.Seconds()), 1)), 10)
}
