package token_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/user/token"
)

func segment(t testing.TB, access string, n int) []byte {
	t.Helper()
	parts := strings.Split(access, ".")
	require.Len(t, parts, 3)
	b, err := base64.RawURLEncoding.DecodeString(parts[n])
	require.NoError(t, err)
	return b
}

// forge returns a JWT with this header and these claims, signed with HMAC-SHA256 even if the header
// names another algorithm.
func forge(t testing.TB, header, claims any, secret []byte) string {
	t.Helper()
	encode := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := encode(header) + "." + encode(claims)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

type object = map[string]any

// with returns a copy of o with one entry replaced, or removed if value is nil.
func with(o object, name string, value any) object {
	o = maps.Clone(o)
	if o[name] = value; value == nil {
		delete(o, name)
	}
	return o
}

func TestOnlyAccessTokensOfThisServiceAreAccepted(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *token.Options) { o.Keys = []token.Key{keyA, keyB} })
	p := f.login(t)
	header := object{"alg": "HS256", "typ": "at+jwt", "kid": "a"}
	claims := p.Claims.Payload()
	_, err := f.Verify(t.Context(), forge(t, header, claims, keyA.Secret))
	require.NoError(t, err, "an unchanged forgery must be valid, or the other cases prove nothing")

	now := f.clock.at.Unix()
	for name, good := range map[string]object{
		"not before a moment that is past":       with(claims, "nbf", now-1),
		"made now on a clock that is 10 s ahead": with(with(claims, "iat", now+10), "nbf", now+10),
	} {
		_, err := f.Verify(t.Context(), forge(t, header, good, keyA.Secret))
		require.NoError(t, err, name)
	}

	parts := strings.Split(p.Access, ".")
	for name, access := range map[string]string{
		"no algorithm":                forge(t, with(header, "alg", nil), claims, keyA.Secret),
		"alg none":                    strings.TrimRight(forge(t, with(header, "alg", "none"), claims, nil), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"),
		"alg none, signed":            forge(t, with(header, "alg", "none"), claims, keyA.Secret),
		"alg HS512":                   forge(t, with(header, "alg", "HS512"), claims, keyA.Secret),
		"alg RS256":                   forge(t, with(header, "alg", "RS256"), claims, keyA.Secret),
		"alg in lower case":           forge(t, with(header, "alg", "hs256"), claims, keyA.Secret),
		"no type":                     forge(t, with(header, "typ", nil), claims, keyA.Secret),
		"type JWT":                    forge(t, with(header, "typ", "JWT"), claims, keyA.Secret),
		"no key id":                   forge(t, with(header, "kid", nil), claims, keyA.Secret),
		"an unknown key id":           forge(t, with(header, "kid", "c"), claims, keyA.Secret),
		"a key id of no text":         forge(t, with(header, "kid", 1), claims, keyA.Secret),
		"another's key":               forge(t, header, claims, keyB.Secret),
		"an empty secret":             forge(t, header, claims, nil),
		"a foreign secret":            forge(t, header, claims, []byte("00000000000000000000000000000000")),
		"another issuer":              forge(t, header, with(claims, "iss", "elsewhere"), keyA.Secret),
		"no issuer":                   forge(t, header, with(claims, "iss", nil), keyA.Secret),
		"another audience":            forge(t, header, with(claims, "aud", "elsewhere"), keyA.Secret),
		"no audience":                 forge(t, header, with(claims, "aud", nil), keyA.Secret),
		"no expiry":                   forge(t, header, with(claims, "exp", nil), keyA.Secret),
		"expiry 0":                    forge(t, header, with(claims, "exp", 0), keyA.Secret),
		"an expiry that is past":      forge(t, header, with(claims, "exp", f.clock.at.Unix()-1), keyA.Secret),
		"an expiry of no number":      forge(t, header, with(claims, "exp", "never"), keyA.Secret),
		"an expiry out of range":      forge(t, header, with(claims, "exp", 1e300), keyA.Secret),
		"not before a later moment":   forge(t, header, with(claims, "nbf", now+11), keyA.Secret),
		"not before the end of time":  forge(t, header, with(claims, "nbf", int64(math.MaxInt64)), keyA.Secret),
		"not before no number":        forge(t, header, with(claims, "nbf", "now"), keyA.Secret),
		"made later":                  forge(t, header, with(claims, "iat", now+11), keyA.Secret),
		"made at the end of time":     forge(t, header, with(claims, "iat", int64(math.MaxInt64)), keyA.Secret),
		"a login that is later":       forge(t, header, with(claims, "origIat", now+11), keyA.Secret),
		"an unknown extension":        forge(t, with(header, "crit", []string{"b64"}), claims, keyA.Secret),
		"extensions that are none":    forge(t, with(header, "crit", []string{}), claims, keyA.Secret),
		"extensions of no list":       forge(t, with(header, "crit", "exp"), claims, keyA.Secret),
		"the user of another session": forge(t, header, with(claims, "sub", "8"), keyA.Secret),
		"no user":                     forge(t, header, with(claims, "sub", nil), keyA.Secret),
		"no session":                  forge(t, header, with(claims, "sid", nil), keyA.Secret),
		"an unknown session":          forge(t, header, with(claims, "sid", "00000000-0000-0000-0000-000000000000"), keyA.Secret),
		"no claims":                   forge(t, header, nil, keyA.Secret),
		"claims of another shape":     forge(t, header, []int{1}, keyA.Secret),
		"over 4 KiB":                  forge(t, header, with(claims, "pad", strings.Repeat("x", 4096)), keyA.Secret),
		"no signature":                parts[0] + "." + parts[1] + ".",
		"two parts":                   parts[0] + "." + parts[1],
		"four parts":                  p.Access + ".x",
		"another payload":             parts[0] + "." + strings.Split(forge(t, header, with(claims, "sub", "8"), keyB.Secret), ".")[1] + "." + parts[2],
		"padding":                     p.Access + "=",
		"a space before":              " " + p.Access,
		"a refresh token":             p.Refresh,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Verify(t.Context(), access)
			requireRefused(t, err)
		})
	}
}

func TestKeysCanBeReplacedWithoutEndingSessions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	keys := func(k ...token.Key) func(*token.Options) { return func(o *token.Options) { o.Keys = k } }
	both, onlyNew := f.service(t, keys(keyB, keyA)), f.service(t, keys(keyB))

	old := f.login(t)
	_, err := both.Verify(t.Context(), old.Access)
	require.NoError(t, err)
	fresh, err := both.Refresh(t.Context(), old.Refresh, people)
	require.NoError(t, err)
	require.Contains(t, string(segment(t, fresh.Access, 0)), `"kid":"b"`)
	_, err = onlyNew.Verify(t.Context(), fresh.Access)
	require.NoError(t, err)
	_, err = onlyNew.Verify(t.Context(), old.Access)
	requireRefused(t, err)
}

func TestATokenOfAnotherIssuerOrAudienceWithTheSameKeyIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, change := range []func(*token.Options){
		func(o *token.Options) { o.Issuer = "elsewhere" },
		func(o *token.Options) { o.Audience = "elsewhere" },
	} {
		other := f.service(t, change)
		p, err := other.Login(t.Context(), ada)
		require.NoError(t, err)
		_, err = other.Verify(t.Context(), p.Access)
		require.NoError(t, err)
		_, err = f.Verify(t.Context(), p.Access)
		requireRefused(t, err)
	}
}

func FuzzVerify(f *testing.F) {
	x := newFixture(f)
	p := x.login(f)
	header := object{"alg": "HS256", "typ": "at+jwt", "kid": "a"}
	f.Add(p.Access)
	f.Add("")
	f.Add("..")
	f.Add("a.b.c")
	f.Add(forge(f, header, p.Claims.Payload(), keyB.Secret))
	f.Add(forge(f, with(header, "alg", "none"), p.Claims.Payload(), nil))
	f.Add(forge(f, header, nil, keyA.Secret))
	f.Fuzz(func(t *testing.T, access string) {
		claims, err := x.Verify(t.Context(), access)
		switch access {
		case p.Access:
			require.NoError(t, err)
			require.Equal(t, p.Claims, claims)
		case "":
			require.Error(t, err)
		default:
			requireRefused(t, err)
			require.Zero(t, claims)
		}
	})
}

// FuzzSignedClaims checks that claims with a valid signature, which another service with the same
// key could make, are accepted or refused but never crash the parser.
func FuzzSignedClaims(f *testing.F) {
	x := newFixture(f)
	payload, err := json.Marshal(x.login(f).Claims.Payload())
	require.NoError(f, err)
	for _, claims := range []string{string(payload), "null", "{}", "[]", `{"exp":9223372036854775807}`, `{"exp":-1}`, `{"aud":["buddychat"]}`} {
		f.Add(claims)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		text := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"at+jwt","kid":"a"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims))
		mac := hmac.New(sha256.New, keyA.Secret)
		mac.Write([]byte(text))
		got, err := x.Verify(t.Context(), fmt.Sprintf("%s.%s", text, base64.RawURLEncoding.EncodeToString(mac.Sum(nil))))
		if err != nil {
			requireRefused(t, err)
			return
		}
		require.NotEmpty(t, got.UserID)
		require.True(t, got.Expires.After(x.clock.at))
	})
}

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	p := f.login(b)
	for b.Loop() {
		_, _ = f.Verify(b.Context(), p.Access)
	}
}
