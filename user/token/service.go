package token

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Service issues, checks and revokes tokens. A missing token ("") is [storage.ErrInvalid]; every
// other token that is refused is the same [storage.ErrUnauthenticated], for any reason. It is safe
// for concurrent use. It keeps no tokens in memory: a token of one node is accepted by every node
// with the same keys.
type Service struct {
	store  Store
	signer *signer
	opts   Options
}

// Key signs access tokens (HMAC with SHA-256).
type Key struct {
	// ID is stored in the tokens that the key signed. It has 1 to 64 bytes and differs for each
	// key.
	ID string
	// Secret is at least 32 random bytes.
	Secret []byte
}

const (
	minSecret = 32
	maxKeyID  = 64
)

// Options configures a [Service]. Keys are required; the zero value of every other field is ready
// to use.
type Options struct {
	// Keys are the keys whose tokens are accepted. The first one signs. To replace it, add the new
	// key after it on every node. Then move the new key to the front on every node. Drop the old
	// key when AccessTTL has passed since.
	Keys []Key
	// Issuer and Audience are set in every token and required of it; "" means "buddychat".
	Issuer, Audience string
	// AccessTTL is how long an access token is valid, counted from a whole second; 0 means 50
	// minutes, and the minimum is a second. The clocks of nodes may differ by 10 seconds: a token
	// that was issued later than 10 seconds from now is refused.
	AccessTTL time.Duration
	// RefreshTTL is how long a refresh token is valid if it is not used; 0 means 7 days, and the
	// minimum is a second.
	RefreshTTL time.Duration
	// SessionTTL is how long a session lasts, even if it is refreshed; the minimum is a second. 0
	// means 90 days, or the longer of AccessTTL and RefreshTTL if that is more. No token is valid
	// for longer than its session.
	SessionTTL time.Duration
	// Grace is how long after its first use a refresh token can be used again, by a client that
	// lost the answer or by a second tab. 0 means 30 seconds, and a negative value means never.
	// Each use returns a new refresh token.
	Grace time.Duration
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// NewService returns a service on a store. It copies the options.
func NewService(store Store, o *Options) (*Service, error) {
	if store == nil || o == nil {
		return nil, errors.New("token: the store or the options are nil: pass a store, and options with a key")
	}
	opts := o.withDefaults()
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	return &Service{store: store, signer: newSigner(opts), opts: opts}, nil
}

// WithStore returns the same service on another store, such as one that is bound to a transaction.
func (s *Service) WithStore(store Store) *Service {
	other := *s
	other.store = store
	return &other
}

func (o Options) withDefaults() Options {
	orElse := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	orElse(&o.AccessTTL, 50*time.Minute)
	orElse(&o.RefreshTTL, 7*24*time.Hour)
	orElse(&o.SessionTTL, max(90*24*time.Hour, o.AccessTTL, o.RefreshTTL))
	orElse(&o.Grace, 30*time.Second)
	o.Grace = max(o.Grace, 0)
	if o.Issuer == "" {
		o.Issuer = "buddychat"
	}
	if o.Audience == "" {
		o.Audience = "buddychat"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	keys := make([]Key, len(o.Keys))
	for i, k := range o.Keys {
		keys[i] = Key{ID: k.ID, Secret: bytes.Clone(k.Secret)}
	}
	o.Keys = keys
	return o
}

func (o Options) check() error {
	if len(o.Keys) == 0 {
		return errors.New("there is no key to sign with: set Keys")
	}
	seen := map[string]bool{}
	for i, k := range o.Keys {
		switch {
		case k.ID == "" || len(k.ID) > maxKeyID:
			return fmt.Errorf("key %d: the ID has %d bytes; 1 to %d are allowed", i, len(k.ID), maxKeyID)
		case seen[k.ID]:
			return fmt.Errorf("key %d: another key has the same ID %q", i, k.ID)
		case len(k.Secret) < minSecret:
			return fmt.Errorf("key %q: the secret has %d bytes; at least %d are required", k.ID, len(k.Secret), minSecret)
		}
		seen[k.ID] = true
	}
	for name, d := range map[string]time.Duration{"AccessTTL": o.AccessTTL, "RefreshTTL": o.RefreshTTL, "SessionTTL": o.SessionTTL} {
		if d < time.Second {
			return fmt.Errorf("%s is %v; at least a second is required", name, d)
		}
	}
	return nil
}

// Pair is the result of a login or refresh: an access token, and a refresh token that buys the next
// pair.
type Pair struct {
	Access string
	// Claims are the claims of the access token.
	Claims  Claims
	Refresh string
	// RefreshExpires is the time from which Refresh is refused, truncated to whole seconds.
	RefreshExpires time.Time
}

// Login starts a session of a user whose password, or other proof of identity, was checked. Pass
// the user as [user.Service.Authenticate], Register or Get returned it. If the account was erased
// or its password was replaced since, no session starts, and Login returns the same
// [storage.ErrUnauthenticated] as for a wrong password.
func (s *Service) Login(ctx context.Context, u user.User) (Pair, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Pair{}, fmt.Errorf("name a session: %w", err)
	}
	now := s.now()
	session := Session{ID: id.String(), User: u.ID, Began: now}
	refresh := newRefresh()
	expires := s.refreshExpires(session, now)
	err = s.store.CreateSession(ctx, Login{
		Session: session, PasswordVersion: u.PasswordVersion, Refresh: hashOf(refresh), Expires: expires,
		Until: s.until(now),
	})
	if errors.Is(err, storage.ErrUnauthenticated) {
		return Pair{}, user.WrongLogin()
	}
	if err != nil {
		return Pair{}, err
	}
	return s.pair(session, u.Username, now, refresh, expires)
}

// Refresh exchanges a refresh token for a new pair of the same session. It looks up the name of the
// token's owner in users. A token that was used before ends its session, unless [Options.Grace]
// allows another use.
func (s *Service) Refresh(ctx context.Context, refresh string, users user.Directory) (Pair, error) {
	if err := checkRefresh(refresh); err != nil {
		return Pair{}, err
	}
	now := s.now()
	next := newRefresh()
	session, err := s.store.RotateRefresh(ctx, Rotation{
		Spent: hashOf(refresh), Next: hashOf(next),
		Now: now, Expires: now.Add(s.opts.RefreshTTL), Until: s.until(now), Grace: s.opts.Grace,
	})
	if err != nil {
		return Pair{}, refusal(err)
	}
	// The store does not know SessionTTL, so a token that it accepted may still be too late.
	if !now.Before(s.ends(session)) {
		if err := s.store.EndSession(ctx, session.User, session.ID); err != nil {
			return Pair{}, err
		}
		return Pair{}, Refused()
	}
	profiles, err := users.Lookup(ctx, session.User)
	if err != nil {
		// The client can retry the call within the grace period.
		return Pair{}, err
	}
	owner, ok := profiles[session.User]
	if !ok {
		return Pair{}, Refused()
	}
	return s.pair(session, owner.Username, now, next, s.refreshExpires(session, now))
}

// Verify returns the claims of an access token. The token must be signed with one of the keys and
// not expired, and its session must be its user's and not ended. An expired token of this service
// is [storage.ErrTokenExpired]. For each token that is valid so far, Verify queries the store once,
// so that ending a session ends its access tokens immediately.
func (s *Service) Verify(ctx context.Context, access string) (Claims, error) {
	if access == "" {
		return Claims{}, storage.Invalid("token", "token is missing: pass the access token to verify")
	}
	claims, err := s.signer.parse(access)
	if errors.Is(err, jwt.ErrTokenExpired) {
		return Claims{}, Expired()
	}
	if err != nil {
		return Claims{}, Refused()
	}
	active, err := s.store.SessionActive(ctx, claims.UserID, claims.Session)
	if err != nil {
		return Claims{}, refusal(err)
	}
	if !active {
		return Claims{}, Refused()
	}
	return claims, nil
}

// Revoke ends the session of a refresh token, used or not, and returns the time at which it ended.
func (s *Service) Revoke(ctx context.Context, refresh string) (time.Time, error) {
	if err := checkRefresh(refresh); err != nil {
		return time.Time{}, err
	}
	now := s.now()
	if _, err := s.store.RevokeRefresh(ctx, hashOf(refresh), now); err != nil {
		return time.Time{}, refusal(err)
	}
	return now, nil
}

// End ends one session of the user, or all of them if id is "". A session that has already ended is
// no error.
func (s *Service) End(ctx context.Context, u user.ID, id string) error {
	return s.store.EndSession(ctx, u, id)
}

// Purge removes at most limit expired refresh tokens, and at most limit sessions whose tokens have
// all expired, including access tokens. It returns how many of both it removed. Call it regularly,
// each time until it returns 0. An application that runs [github.com/buddychat/buddychat.App.Run]
// need not call it.
func (s *Service) Purge(ctx context.Context, limit int) (int, error) {
	return s.store.PurgeSessions(ctx, s.now(), limit)
}

// now returns the current time in microseconds, the precision of the stores.
func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// ends returns the time at which SessionTTL ends a session.
func (s *Service) ends(session Session) time.Time { return session.Began.Add(s.opts.SessionTTL) }

func (s *Service) refreshExpires(session Session, now time.Time) time.Time {
	return earlier(now.Add(s.opts.RefreshTTL), s.ends(session))
}

// until returns the time from which every token issued now has expired.
func (s *Service) until(now time.Time) time.Time {
	return now.Add(max(s.opts.AccessTTL, s.opts.RefreshTTL))
}

// pair makes the result of a login or refresh.
func (s *Service) pair(session Session, username string, now time.Time, refresh string, expires time.Time) (Pair, error) {
	issued := now.Truncate(time.Second)
	claims := Claims{
		UserID:   session.User,
		Username: username,
		Session:  session.ID,
		OrigIat:  session.Began.UTC().Truncate(time.Second),
		IssuedAt: issued,
		Expires:  earlier(issued.Add(s.opts.AccessTTL), s.ends(session)).UTC().Truncate(time.Second),
		Issuer:   s.opts.Issuer,
		Audience: s.opts.Audience,
	}
	access, err := s.signer.sign(claims)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Access: access, Claims: claims, Refresh: refresh, RefreshExpires: expires.UTC().Truncate(time.Second)}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// refreshBytes is the number of random bytes of a refresh token, which is their base64url.
const refreshBytes = 32

func newRefresh() string {
	b := make([]byte, refreshBytes)
	// Read never fails: without entropy it ends the process.
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// checkRefresh refuses anything that cannot be a refresh token, without asking the store.
func checkRefresh(refresh string) error {
	switch len(refresh) {
	case 0:
		return storage.Invalid("refreshToken", "refreshToken is missing: pass the one from your last login or refresh")
	case base64.RawURLEncoding.EncodedLen(refreshBytes):
		return nil
	}
	return Refused()
}

// hashOf returns what is stored of a refresh token. A fast hash is enough, because 32 random bytes
// cannot be guessed.
func hashOf(refresh string) []byte {
	sum := sha256.Sum256([]byte(refresh))
	return sum[:]
}

// refusal replaces an [storage.ErrUnauthenticated] of the store by [Refused], so that all have the
// same text.
func refusal(err error) error {
	if errors.Is(err, storage.ErrUnauthenticated) {
		return Refused()
	}
	return err
}
