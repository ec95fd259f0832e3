// Package token issues and checks the tokens that built-in accounts log in with: short-lived access
// tokens, which are signed (JWT), and long-lived refresh tokens. A refresh token is random, is
// stored only as a hash, and is replaced at every use (RFC 9700, section 4.14).
package token

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/user"
)

// Session begins with a login and continues with every refresh. Its refresh tokens form one family.
type Session struct {
	ID   string // a UUID
	User user.ID
	// Began is the time of the login.
	Began time.Time
}

// Login is what a store needs to begin a session.
type Login struct {
	Session Session
	// PasswordVersion is that of the account when the password was checked.
	PasswordVersion int64
	// Refresh is the SHA-256 hash of the first refresh token. It is refused from Expires on.
	Refresh []byte
	Expires time.Time
	// Until is the time from which both the access token and the refresh token of the login have
	// expired.
	Until time.Time
}

// Rotation is what a store needs to replace a refresh token.
type Rotation struct {
	// Spent and Next are the SHA-256 hashes of the token that is used and of its successor.
	Spent, Next []byte
	// Now is the time of the use. The successor is refused from Expires on.
	Now, Expires time.Time
	// Until is the time from which all tokens issued by this use have expired.
	Until time.Time
	// Grace is how long after its first use a token can be used again, by a client that lost the
	// answer or by a second tab; 0 means never.
	Grace time.Duration
}

// Allows reports whether a token may be used now that was first used at firstSpent; the zero time
// means never. If it may not, its session must end.
func (r Rotation) Allows(firstSpent time.Time) bool {
	return firstSpent.IsZero() || r.Grace > 0 && r.Now.Sub(firstSpent) < r.Grace
}

// Store keeps sessions. Every method is atomic and safe for concurrent use. A method that ends a
// session also writes a [github.com/buddychat/buddychat/realtime.SessionEnded] event in the same
// transaction.
type Store interface {
	// CreateSession stores a session and its first refresh token. If the account does not exist, or
	// has another PasswordVersion by now, it returns [storage.ErrUnauthenticated]. The check and
	// the creation are one atomic step: no session based on an old password begins after
	// [user.Store.SetPassword] has ended the others.
	CreateSession(ctx context.Context, l Login) error
	// SessionActive reports whether the session exists, belongs to this user and has not ended.
	SessionActive(ctx context.Context, u user.ID, id string) (bool, error)
	// RotateRefresh replaces a refresh token by its successor. A token that is unknown, expired or
	// of an ended session is [storage.ErrUnauthenticated]. So is a used one that [Rotation.Allows]
	// refuses. That also ends the session, and the end is committed although the call fails. A
	// token that is used again within the grace period gets another successor. The successors are
	// independent: using one does not affect the others.
	RotateRefresh(ctx context.Context, r Rotation) (Session, error)
	// RevokeRefresh ends the session of a refresh token, used or not. A token that is unknown,
	// expired or of an ended session is [storage.ErrUnauthenticated].
	RevokeRefresh(ctx context.Context, refresh []byte, now time.Time) (Session, error)
	// EndSession ends one session of the user, or all of them if id is "". A session that has
	// already ended is no error. For a session that only the application knows, EndSession only
	// writes the event.
	EndSession(ctx context.Context, u user.ID, id string) error
	// PurgeSessions removes refresh tokens that expired before the given time. It also removes
	// sessions without any token left whose every Until is before that time. It removes at most
	// limit of each and returns the total. It returns 0 if nothing is left to remove, or if limit
	// is not positive. The store's Purge does the same with the store's clock.
	PurgeSessions(ctx context.Context, expired time.Time, limit int) (int, error)
}
