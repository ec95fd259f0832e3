package transportws

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyPagesOfTheSameHostAndListedOriginsOpenSockets(t *testing.T) {
	t.Parallel()
	server, err := NewServer(nil, &Options{Origins: []string{"https://app.example.com", "chrome-extension://abc"}})
	require.NoError(t, err)
	for _, test := range []struct {
		origin []string
		want   bool
	}{
		{nil, true}, // not from a page
		{[]string{"https://chat.example.com"}, true},
		{[]string{"http://chat.example.com"}, true},
		{[]string{"https://app.example.com"}, true},
		{[]string{"chrome-extension://abc"}, true},
		{[]string{"chrome-extension://chat.example.com"}, false},
		{[]string{"ftp://chat.example.com"}, false},
		{[]string{"javascript://chat.example.com"}, false},
		{[]string{"http://app.example.com"}, false},
		{[]string{"null"}, false},
		{[]string{""}, false},
		{[]string{"https://chat.example.com", "https://evil.org"}, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.Header["Origin"] = "chat.example.com", test.origin
		require.Equal(t, test.want, server.allows(r), "%q", test.origin)
	}
}

func TestInvalidOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]Options{
		"a wildcard":         {Origins: []string{"*"}},
		"a pattern":          {Origins: []string{"https://*.example.com"}},
		"a host":             {Origins: []string{"app.example.com"}},
		"a path":             {Origins: []string{"https://app.example.com/app"}},
		"a negative limit":   {MaxOperations: -1},
		"a negative timeout": {InitTimeout: -1},
	} {
		_, err := NewServer(nil, &opts)
		require.Error(t, err, name)
	}
}
