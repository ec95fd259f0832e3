package throttle

import (
	"slices"
	"time"
)

// knownFor is how long the limiter remembers that an account has logged in from an address.
const knownFor = 30 * 24 * time.Hour

// TakeLogin is [Limiter.Take] for a login to an account from an address. The charges in more are
// taken along with those of the login. An attacker who guesses passwords from other addresses
// cannot lock the user out:
//
//   - Each attempt is charged to the pair of account and address (LoginAccount), so it does not
//     affect the user at another address.
//   - Attempts from addresses that are not known for the account are also charged to
//     LoginStrangers, which slows down an attacker with many addresses. While LoginStrangers is
//     empty, each such address may still use its own LoginTries, so the user can log in from a new
//     address.
//   - An address from which the account has recently logged in is not charged to LoginStrangers.
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

// LoggedIn records that the account has logged in from the address. Call it only after the password
// was verified.
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
