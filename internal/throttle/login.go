package throttle

import (
	"slices"
	"time"
)

// knownFor is for how long an account knows an address that it has logged in from.
const knownFor = 30 * 24 * time.Hour

// TakeLogin is [Limiter.Take] for a login to an account from an address, with whatever else the
// request is charged. Nobody can keep a user out by guessing at the password from elsewhere:
//
//   - A guess is charged to the pair of account and address, so that the user, at another address, does not notice it.
//   - It is charged to LoginStrangers as well, which slows a guesser who has many addresses. While that is empty each
//     address has LoginTries of its own, by which the user gets in from a new one.
//   - An address from which the account has logged in lately is not charged to LoginStrangers.
func (l *Limiter) TakeLogin(account, address string, more ...Charge) (retry time.Duration, ok bool) {
	if l == nil {
		return 0, true
	}
	account = AccountKey(account)
	pair := PairKey(account, address)
	charges := append(slices.Clone(more), Charge{LoginAddress, address, 1}, Charge{LoginAccount, pair, 1})
	if l.knows(pair) {
		return l.Take(charges...)
	}
	retry, ok = l.Take(append(charges, Charge{LoginStrangers, account, 1})...)
	if ok {
		return 0, true
	}
	soonest := retry
	retry, ok = l.Take(append(charges, Charge{LoginTries, pair, 1})...)
	return min(retry, soonest), ok
}

// LoggedIn says that the account has logged in from the address. Only a right password may lead
// here.
func (l *Limiter) LoggedIn(account, address string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known.Add(bounded(PairKey(AccountKey(account), address)), l.now())
}

func (l *Limiter) knows(pair string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, ok := l.known.Get(bounded(pair))
	return ok && l.now().Sub(last) < knownFor
}
