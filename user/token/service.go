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

// Service issues, checks and revokes tokens. Every token that it refuses, for whatever reason, is the
// same [storage.ErrUnauthenticated]; a missing one ("") is [storage.ErrInvalid]. It is safe for
// concurrent use, and keeps nothing in memory: any node takes the tokens of any other with its keys.
type Service struct {
	store  Store
	signer *signer
	opts   Options
}

// Key signs access tokens (HMAC with SHA-256).
type Key struct {
	// ID stands in the tokens that the key signed; 1 to 64 bytes, another for each key.
	ID string
	// Secret is at least 32 random bytes.
	Secret []byte
}

const (
	minSecret = 32
	maxKeyID  = 64
)

// Options of a [Service]. Keys must be there; the zero value of everything else is ready to use.
type Options struct {
	// Keys are those whose tokens are taken. The first signs. To replace it put the new one before
	// it, on every node after every node knows it, and drop the old one after AccessTTL.
	Keys []Key
	// Issuer and Audience stand in the tokens and are asked of them; "" is "buddychat".
	Issuer, Audience string
	// AccessTTL is how long an access token lives, counted from the whole second; 0 is 50 minutes,
	// the least is a second. Clocks of nodes may differ by 10 seconds: a token that says that it
	// was made later than that from now is refused.
	AccessTTL time.Duration
	// RefreshTTL is how long a refresh token lives unused; 0 is 7 days, the least is a second.
	RefreshTTL time.Duration
	// SessionTTL is how long a session lives, however often it is refreshed; 0 is 90 days, or the longer of
	// AccessTTL and RefreshTTL where that is more; the least is a second. None of its tokens outlives it.
	SessionTTL time.Duration
	// Grace is how long after its first use a refresh token can be used again, by a client that
	// lost the answer or by a second tab; 0 is 30 seconds, negative is never. Each use answers a
	// token of its own.
	Grace time.Duration
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// NewService returns a service over a store. It keeps its own copy of the options.
func NewService(store Store, o *Options) (*Service, error) {
	if store == nil || o == nil {
		return nil, errors.New("token: a store and options with a key are needed")
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
		return errors.New("no key to sign with")
	}
	seen := map[string]bool{}
	for i, k := range o.Keys {
		switch {
		case k.ID == "" || len(k.ID) > maxKeyID:
			return fmt.Errorf("key %d: the ID has %d bytes: want 1 to %d", i, len(k.ID), maxKeyID)
		case seen[k.ID]:
			return fmt.Errorf("key %d: there is another with the ID %q", i, k.ID)
		case len(k.Secret) < minSecret:
			return fmt.Errorf("key %q: the secret has %d bytes: want %d or more", k.ID, len(k.Secret), minSecret)
		}
		seen[k.ID] = true
	}
	for name, d := range map[string]time.Duration{"AccessTTL": o.AccessTTL, "RefreshTTL": o.RefreshTTL, "SessionTTL": o.SessionTTL} {
		if d < time.Second {
			return fmt.Errorf("%s is %v: want a second or more", name, d)
		}
	}
	return nil
}

// Pair is what a login answers: a token to show, and one to get the next pair with.
type Pair struct {
	Access string
	// Claims are what the access token says.
	Claims  Claims
	Refresh string
	// RefreshExpires is the moment from which Refresh is refused, cut to whole seconds.
	RefreshExpires time.Time
}

// Login begins a session of a user whose password, or whatever stands for it, was checked. The user
// is as [user.Service.Authenticate], Register or Get answered it: where the account is gone since,
// or has another password, no session begins, and the error is the [storage.ErrUnauthenticated] of
// a wrong password.
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

// Refresh spends a refresh token for a new pair of the same session. Users are asked for the name
// of the token's owner. A token that was spent before ends its session, but for the time of
// [Options.Grace].
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
	// The store knows no absolute end of a session: a token that it let pass may be too late all the same.
	if !now.Before(s.ends(session)) {
		if err := s.store.EndSession(ctx, session.User, session.ID); err != nil {
			return Pair{}, err
		}
		return Pair{}, Refused()
	}
	profiles, err := users.Lookup(ctx, session.User)
	if err != nil {
		return Pair{}, err // the client may repeat the call within the grace
	}
	owner, ok := profiles[session.User]
	if !ok {
		return Pair{}, Refused()
	}
	return s.pair(session, owner.Username, now, next, s.refreshExpires(session, now))
}

// Verify returns what an access token says, if it is one of ours, has not expired, and its session
// is its user's and has not ended. A token of ours that has expired is [storage.ErrTokenExpired].
// Verify asks the store once for each token that could be good, so that ending a session ends its
// access tokens at once.
func (s *Service) Verify(ctx context.Context, access string) (Claims, error) {
	if access == "" {
		return Claims{}, storage.Invalid("token", "token is missing: give the access token to verify")
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

// Revoke ends the session of a refresh token, spent or not, and returns the moment at which it did.
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

// End ends one session of the user, or with id "" all of them. Ending what has ended is no error.
func (s *Service) End(ctx context.Context, u user.ID, id string) error {
	return s.store.EndSession(ctx, u, id)
}

// Purge removes up to limit refresh tokens that have expired, and up to limit sessions all of whose
// tokens have, access tokens too. It returns how many it removed: call it now and then until that
// is 0. An application that runs [github.com/buddychat/buddychat.App.Run] need not.
func (s *Service) Purge(ctx context.Context, limit int) (int, error) {
	return s.store.PurgeSessions(ctx, s.now(), limit)
}

// now is the moment of an act. The stores keep microseconds.
func (s *Service) now() time.Time { return s.opts.Now().UTC().Truncate(time.Microsecond) }

// ends returns the moment at which a session is over, whatever it does.
func (s *Service) ends(session Session) time.Time { return session.Began.Add(s.opts.SessionTTL) }

func (s *Service) refreshExpires(session Session, now time.Time) time.Time {
	return earlier(now.Add(s.opts.RefreshTTL), s.ends(session))
}

// until returns the moment from which none of the tokens is good that are made now.
func (s *Service) until(now time.Time) time.Time {
	return now.Add(max(s.opts.AccessTTL, s.opts.RefreshTTL))
}

// pair makes the answer to a login or refresh.
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

// A refresh token is 32 random bytes in base64url.
const refreshBytes = 32

func newRefresh() string {
	b := make([]byte, refreshBytes)
	rand.Read(b) // never fails: without entropy it ends the process
	return base64.RawURLEncoding.EncodeToString(b)
}

// checkRefresh refuses what is no refresh token before anything is done with it.
func checkRefresh(refresh string) error {
	switch len(refresh) {
	case 0:
		return storage.Invalid("refreshToken", "refreshToken is missing: give the one of your last login or refresh")
	case base64.RawURLEncoding.EncodedLen(refreshBytes):
		return nil
	}
	return Refused()
}

// hashOf is what is stored of a refresh token. A fast hash does: nobody guesses 32 random bytes.
func hashOf(refresh string) []byte {
	sum := sha256.Sum256([]byte(refresh))
	return sum[:]
}

// refusal gives a refusal of the store the words of all others.
func refusal(err error) error {
	if errors.Is(err, storage.ErrUnauthenticated) {
		return Refused()
	}
	return err
}
