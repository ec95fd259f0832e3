package graphqlapi_test

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQueriesReportWhyTheTokenWasIgnored(t *testing.T) {
	t.Parallel()
	var now atomic.Int64
	a := serve(t, func(s *setup) {
		s.app.Tokens.Now = func() time.Time { return time.Now().Add(time.Duration(now.Load())) }
	})
	alice := a.register(t, "alice")
	ended := a.login(t, alice.User)
	require.NoError(t, a.app.Tokens.End(t.Context(), ended.ID, ended.session))
	good := alice.token
	forged := good[:len(good)-8] + "AAAAAAAA"
	check := func(access, document string, want any) {
		t.Helper()
		got := a.ask(t, access, document, nil)
		require.Equal(t, http.StatusOK, got.status)
		require.Contains(t, got.body, "data", "it works: %s", got.text)
		if want == nil {
			require.NotContains(t, got.body, "extensions")
			return
		}
		require.Equal(t, map[string]any{"authentication": want}, got.body["extensions"])
	}
	const public = `{ users { totalCount } me { id } }`
	check("", public, nil)
	check(good, public, nil)
	for _, access := range []string{"nonsense", forged, ended.token} {
		check(access, public, "invalid")
		check(access, `{ chats { totalCount } me { id } }`, "invalid")
		check(access, `mutation { verifyToken(token: "`+good+`") { payload } }`, nil)
	}
	now.Store(int64(time.Hour))
	check(good, public, "expired")
	check(good, `query { __typename }`, "expired")
	check(forged, public, "invalid")
	check(good, `mutation { refreshToken(refreshToken: "`+alice.refresh+`") { token } }`, nil)
	got := a.do(t, "GET", "?query="+url.QueryEscape(public), "", http.Header{"Authorization": {"JWT " + good}})
	require.Equal(t, map[string]any{"authentication": "expired"}, got.body["extensions"])
	conn := a.dial(t, nil)
	conn.init(map[string]any{"token": good})
	code, _ := conn.closed()
	require.Equal(t, 4403, code)
}
