package graphqlapi

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzRequestBody(f *testing.F) {
	for _, seed := range []string{
		`{"query":"{ __typename }","variables":{"a":[1,{"b":null}]},"operationName":"Q","extensions":{}}`,
		`{"query":null}`, `[{"query":"{a}"}]`, `{"query":"\ud800"}`, `{"variables":1e999}`, `{"query":"","query":1}`, `nul`, `{}{}`, "", "\x00", "{\"query\":\"\xff\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		checkRequest(t, r)
	})
}

func FuzzRequestURL(f *testing.F) {
	for _, seed := range []string{"query=%7B__typename%7D", "query=a&variables=%7B%7D&extensions=null", "query=%ff", "%zz", "a;b", "variables=1", "query=a&query=b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/graphql", nil)
		r.URL = &url.URL{Path: "/graphql", RawQuery: query}
		checkRequest(t, r)
	})
}

// checkRequest requires that a request is read completely, or refused as the client's mistake.
func checkRequest(t *testing.T, r *http.Request) {
	q, err := readRequest(r, func() ([]byte, error) { return io.ReadAll(r.Body) })
	if err == nil {
		require.True(t, utf8.ValidString(q.query))
		require.True(t, utf8.ValidString(q.operationName))
		return
	}
	var refused *refusal
	require.ErrorAs(t, err, &refused)
	require.GreaterOrEqual(t, refused.status, 400)
	require.Less(t, refused.status, 500)
	require.Equal(t, refused.status, refused.plain)
	require.Len(t, refused.errors, 1)
}
