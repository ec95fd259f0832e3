package graphqlapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOtherOriginsMayCallWhereTheyAreListed(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) {
		s.api.Origins = []string{"https://app.example.com", "http://LOCALHOST:3000", "https://b.example.com:443"}
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
			require.Equal(t, allowed, preflight.header.Get("Access-Control-Allow-Headers") != "")

			got := a.do(t, "POST", "", `{"query":"{ __typename }"}`, http.Header{"Origin": {origin}})
			require.Equal(t, http.StatusOK, got.status)
			require.Equal(t, want, got.header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, "Origin", got.header.Get("Vary"))

			refused := a.do(t, "POST", "", `[]`, http.Header{"Origin": {origin}})
			require.Equal(t, want, refused.header.Get("Access-Control-Allow-Origin"), "a page reads errors, too")
		})
	}
}

func TestNoOriginIsAllowedUnlessTheHostListsIt(t *testing.T) {
	t.Parallel()
	a := serve(t)
	got := a.do(t, "POST", "", `{"query":"{ __typename }"}`, http.Header{"Origin": {a.server.URL}})
	require.Equal(t, http.StatusOK, got.status, "the host's own page asks for no permission")
	require.Empty(t, got.header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, got.header.Get("Access-Control-Allow-Credentials"))
}
