package graphqlapi_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/graphqlapi"
)

func TestListedOriginsMayCall(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) {
		s.api.Origins = []string{"https://app.example.com", "http://LOCALHOST:3000", "https://b.example.com:443", "chrome-extension://abc"}
	})
	for origin, allowed := range map[string]bool{
		"https://app.example.com":      true,
		"http://localhost:3000":        true,
		"https://b.example.com":        true,
		"http://app.example.com":       false,
		"https://app.example.com.evil": false,
		"https://evil.example.com":     false,
		"https://app.example.com:8443": false,
		"http://localhost":             false,
		"null":                         false,
		"chrome-extension://abc":       true,
		"chrome-extension://abcd":      false,
	} {
		t.Run(origin, func(t *testing.T) {
			t.Parallel()
			want := ""
			if allowed {
				want = origin
			}
			preflight := a.do(t, "OPTIONS", "", "", http.Header{
				"Origin": {origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"authorization,content-type"},
			})
			require.Equal(t, http.StatusNoContent, preflight.status)
			require.Equal(t, want, preflight.header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "Origin", preflight.header.Get("Vary"))
			require.Equal(t, allowed, preflight.header.Get("Access-Control-Allow-Methods") != "")
			require.Equal(t, allowed, preflight.header.Get("Access-Control-Allow-Headers") == "authorization,content-type")

			got := a.do(t, "POST", "", `{"query":"{ __typename }"}`, http.Header{"Origin": {origin}})
			require.Equal(t, http.StatusOK, got.status)
			require.Equal(t, want, got.header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "Origin", got.header.Get("Vary"))

			refused := a.do(t, "POST", "", `[]`, http.Header{"Origin": {origin}})
			require.Equal(t, want, refused.header.Get("Access-Control-Allow-Origin"), "pages can read errors")
		})
	}
}

func TestNoOriginIsAllowedUnlessTheHostListsIt(t *testing.T) {
	t.Parallel()
	a := serve(t)
	got := a.do(t, "POST", "", `{"query":"{ __typename }"}`, http.Header{"Origin": {a.server.URL}})
	require.Equal(t, http.StatusOK, got.status, "pages of the same host need no permission")
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, got.header.Get("Access-Control-Allow-Credentials"))
}

func TestPreflightAllowsTheRequestedHeaders(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.Origins = []string{"https://app.example.com"} })
	const usual = "Accept, Authorization, Content-Type"
	for asked, want := range map[string]string{
		"":                          usual,
		"x-apollo-operation-name":   "x-apollo-operation-name",
		"authorization, x-own-!#$%": "authorization, x-own-!#$%",
		"x-a,,x-b":                  usual,
		"x a":                       usual,
		"x-a;b":                     usual,
		strings.Repeat("x", 5_000):  usual,
	} {
		header := http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"POST"}}
		if asked != "" {
			header.Set("Access-Control-Request-Headers", asked)
		}
		got := a.do(t, "OPTIONS", "", "", header)
		require.Equal(t, want, got.header.Get("Access-Control-Allow-Headers"), asked)
		require.Equal(t, []string{"Origin", "Access-Control-Request-Headers"}, got.header.Values("Vary"))
		header.Set("Origin", "https://evil.example.com")
		require.Empty(t, a.do(t, "OPTIONS", "", "", header).header.Get("Access-Control-Allow-Headers"))
	}
}

func TestServerAnswersOnlyForItsOwnHosts(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.Hosts = []string{"chat.example.com", "127.0.0.1"} })
	document := `{"query":"{ __typename }"}`
	require.Equal(t, http.StatusOK, a.do(t, "POST", "", document, nil).status)
	conn, _, err := a.tryDial(t, http.Header{"Origin": {a.server.URL}})
	require.NoError(t, err)
	conn.init(nil)
	require.Equal(t, "connection_ack", conn.read().Type)

	// DNS rebinding: an attacker points their own host name at this address. Origin and Host then
	// match.
	ask := func(upgrade http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "http://evil.example.com/graphql?query=%7B__typename%7D", nil)
		maps.Copy(r.Header, upgrade)
		r.Header.Set("Origin", "http://evil.example.com")
		w := httptest.NewRecorder()
		a.handler.ServeHTTP(w, r)
		return w
	}
	for name, upgrade := range map[string]http.Header{
		"HTTP":   nil,
		"socket": {"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}},
	} {
		got := ask(upgrade)
		require.Equal(t, http.StatusMisdirectedRequest, got.Code, name)
		require.Contains(t, got.Body.String(), `"code":"FORBIDDEN"`, name)
		require.NotContains(t, got.Body.String(), "data", name)
	}
}

func TestNewHandlerRejectsInvalidOriginsAndHosts(t *testing.T) {
	t.Parallel()
	a := serve(t)
	for _, opts := range []graphqlapi.Options{
		{Origins: []string{"*"}}, {Origins: []string{"https://*.example.com"}}, {Origins: []string{"app.example.com"}},
		{Hosts: []string{"*.example.com"}}, {Hosts: []string{"https://chat.example.com"}},
	} {
		_, err := graphqlapi.NewHandler(a.app, &opts)
		require.ErrorContains(t, err, "graphqlapi: Options.")
	}
}
