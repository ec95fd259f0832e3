// Package token issues and checks what the built-in users log in with: short-lived access tokens, which
// are signed (JWT), and long-lived refresh tokens, which are random, stored only as a hash, and
// replaced at every use (RFC 9700, section 4.14).
package token

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/user"
)

// Session is what begins with a login and lives on through its refresh tokens, which form one family.
type Session struct {
	ID   string // a UUID
	User user.ID
	// Began is the moment of the login.
	Began time.Time
}

// Login asks a store to begin a session.
type Login struct {
	Session Session
	// PasswordVersion is that of the user's account when the password was checked.
	PasswordVersion int64
	// Refresh is the SHA-256 hash of the first refresh token, Expires the moment from which it is
	// refused.
	Refresh []byte
	Expires time.Time
	// Until is the moment from which no token of the login is good, neither the access nor the
	// refresh token.
	Until time.Time
}

// Rotation asks a store to replace a refresh token.
type Rotation struct {
	// Spent and Next are the SHA-256 hashes of the token that is used and of the one to follow it.
	Spent, Next []byte
	// Now is the moment of the use, Expires that until which the next token can be used.
	Now, Expires time.Time
	// Until is the moment from which none of the tokens is good that the use answers.
	Until time.Time
	// Grace is how long after its first use a token can be spent again, by a client that lost the
	// answer or by a second tab; 0 is never.
	Grace time.Duration
}

// Allows reports whether a token that was first spent at this moment, or with the zero time never,
// may be spent now. Where it may not, its session ends.
func (r Rotation) Allows(firstSpent time.Time) bool {
	return firstSpent.IsZero() || r.Grace > 0 && r.Now.Sub(firstSpent) < r.Grace
}

// Store keeps sessions. Every method is one atomic act, safe for concurrent use. What ends a session
// writes a [github.com/buddychat/buddychat/realtime.SessionEnded] event in the same act.
type Store interface {
	// CreateSession stores a session and its first refresh token. An account that is not there, or
	// has another PasswordVersion by now, is [storage.ErrUnauthenticated]. The check and the
	// session are one act: no session that a replaced password allowed begins after
	// [user.Store.SetPassword] has ended the others.
	CreateSession(ctx context.Context, l Login) error
	// SessionActive reports whether this user has the session and it has not ended.
	SessionActive(ctx context.Context, u user.ID, id string) (bool, error)
	// RotateRefresh spends one refresh token for the next. A token that is unknown, expired or of
	// an ended session is [storage.ErrUnauthenticated]. So is one that [Rotation.Allows] refuses
	// because it was spent before: it ends the session, and that is kept although the call fails. A
	// token that is spent again within the grace gets one more successor. Successors know nothing
	// of each other: each is spent by itself.
	RotateRefresh(ctx context.Context, r Rotation) (Session, error)
	// RevokeRefresh ends the session of a refresh token, spent or not. A token that is unknown, expired or
	// of an ended session is [storage.ErrUnauthenticated].
	RevokeRefresh(ctx context.Context, refresh []byte, now time.Time) (Session, error)
	// EndSession ends one session of the user, or with id "" all of them. Ending what has ended is no error.
	// It works for sessions that only the host knows, too: then it only writes the event.
	EndSession(ctx context.Context, u user.ID, id string) error
	// PurgeSessions removes refresh tokens that expired before the moment, and sessions of which no
	// token is left and whose every Until lies before it, at most limit of each. It returns how
	// many tokens and sessions it removed; 0 says that nothing is left, or that limit is not
	// positive. The store's Purge does the same, with its own clock.
	PurgeSessions(ctx context.Context, expired time.Time, limit int) (int, error)
}
