package token

import (
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/buddychat/buddychat/user"
)

// maxAccess is the maximum length of an access token in bytes. Ours have a few hundred.
const maxAccess = 4 << 10

// maxSkew is how far the clock of the node that issued a token may be ahead of ours. It applies to
// nbf and iat. A token expires by the clock of the node that checks it, without tolerance.
const maxSkew = 10 * time.Second

// accessType is the media type of access tokens (RFC 9068). It keeps other JWTs from being
// accepted.
const accessType = "at+jwt"

// Claims are the claims of an access token. Times are whole seconds in UTC.
type Claims struct {
	UserID   user.ID
	Username string
	// Session is the id of the token's [Session].
	Session string
	// OrigIat is the time of the login. Refreshing does not change it.
	OrigIat time.Time
	// IssuedAt is the time of the login or refresh that issued the token. The token is refused from
	// Expires on.
	IssuedAt, Expires time.Time
	Issuer, Audience  string
}

// Payload returns the claims as JSON values: username, sub, sid, iss and aud, and exp, iat and
// origIat in Unix seconds.
func (c Claims) Payload() map[string]any {
	return map[string]any{
		"username": c.Username,
		"sub":      string(c.UserID),
		"sid":      c.Session,
		"iss":      c.Issuer,
		"aud":      c.Audience,
		"exp":      c.Expires.Unix(),
		"iat":      c.IssuedAt.Unix(),
		"origIat":  c.OrigIat.Unix(),
	}
}

// wireClaims is the JSON of an access token's claims.
type wireClaims struct {
	Username string `json:"username"`
	Sub      string `json:"sub"`
	Sid      string `json:"sid"`
	Iss      string `json:"iss"`
	Aud      string `json:"aud"`
	Exp      int64  `json:"exp"`
	// Our tokens have no nbf, but one with an nbf is checked.
	Nbf     int64 `json:"nbf,omitempty"`
	Iat     int64 `json:"iat"`
	OrigIat int64 `json:"origIat"`
}

var _ jwt.Claims = (*wireClaims)(nil)

func (w *wireClaims) GetExpirationTime() (*jwt.NumericDate, error) {
	if w.Exp == 0 {
		return nil, nil // there is none
	}
	return jwt.NewNumericDate(time.Unix(w.Exp, 0)), nil
}

func (w *wireClaims) GetIssuedAt() (*jwt.NumericDate, error) {
	return jwt.NewNumericDate(time.Unix(w.Iat, 0)), nil
}

// GetNotBefore implements [jwt.Claims]. [wireClaims.fromFuture] checks nbf.
func (w *wireClaims) GetNotBefore() (*jwt.NumericDate, error) { return nil, nil }

// fromFuture reports whether a token is not valid yet. It compares seconds, because a [time.Time]
// overflows for very large numbers of seconds.
func (w *wireClaims) fromFuture(now time.Time) bool {
	latest := now.Add(maxSkew).Unix()
	return w.Nbf > latest || w.Iat > latest || w.OrigIat > latest
}

func (w *wireClaims) GetIssuer() (string, error)             { return w.Iss, nil }
func (w *wireClaims) GetSubject() (string, error)            { return w.Sub, nil }
func (w *wireClaims) GetAudience() (jwt.ClaimStrings, error) { return jwt.ClaimStrings{w.Aud}, nil }

// signer signs access tokens with the first key, and checks tokens of every key.
type signer struct {
	first  Key
	keys   map[string][]byte
	parser *jwt.Parser
	now    func() time.Time
}

func newSigner(o Options) *signer {
	s := &signer{first: o.Keys[0], keys: make(map[string][]byte, len(o.Keys)), now: o.Now}
	for _, k := range o.Keys {
		s.keys[k.ID] = k.Secret
	}
	s.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(o.Issuer),
		jwt.WithAudience(o.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(o.Now),
		jwt.WithStrictDecoding(),
	)
	return s
}

func (s *signer) sign(c Claims) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, &wireClaims{
		Username: c.Username,
		Sub:      string(c.UserID),
		Sid:      c.Session,
		Iss:      c.Issuer,
		Aud:      c.Audience,
		Exp:      c.Expires.Unix(),
		Iat:      c.IssuedAt.Unix(),
		OrigIat:  c.OrigIat.Unix(),
	})
	t.Header["typ"] = accessType
	t.Header["kid"] = s.first.ID
	signed, err := t.SignedString(s.first.Secret)
	if err != nil {
		return "", fmt.Errorf("sign an access token: %w", err)
	}
	return signed, nil
}

// parse checks an access token and returns its claims. It must be signed with one of the keys, have
// our issuer and audience, not be from the future, and not be expired. The errors are for logs
// only.
func (s *signer) parse(access string) (Claims, error) {
	if len(access) > maxAccess {
		return Claims{}, errors.New("the token is too long")
	}
	var w wireClaims
	if _, err := s.parser.ParseWithClaims(access, &w, s.key); err != nil {
		return Claims{}, err
	}
	if w.fromFuture(s.now()) {
		return Claims{}, errors.New("the token is from the future")
	}
	if w.Sub == "" || w.Sid == "" {
		return Claims{}, errors.New("the token names no user or no session")
	}
	return Claims{
		UserID:   user.ID(w.Sub),
		Username: w.Username,
		Session:  w.Sid,
		Issuer:   w.Iss,
		Audience: w.Aud,
		Expires:  time.Unix(w.Exp, 0).UTC(),
		IssuedAt: time.Unix(w.Iat, 0).UTC(),
		OrigIat:  time.Unix(w.OrigIat, 0).UTC(),
	}, nil
}

// key returns the key that signed a token. It refuses tokens of another type, and tokens with
// critical extensions, of which we support none.
func (s *signer) key(t *jwt.Token) (any, error) {
	if t.Header["typ"] != accessType {
		return nil, errors.New("not an access token")
	}
	if _, critical := t.Header["crit"]; critical {
		return nil, errors.New("the token has extensions that must be understood, and we know none (RFC 7515, section 4.1.11)")
	}
	kid, _ := t.Header["kid"].(string)
	secret, ok := s.keys[kid]
	if !ok {
		return nil, errors.New("no key of this id")
	}
	return secret, nil
}
