package transportws

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyTheHostsOwnAndListedOriginsAreLetIn(t *testing.T) {
	t.Parallel()
	list, err := newOrigins([]string{"https://app.example.com", "http://localhost:3000", "capacitor://localhost"})
	require.NoError(t, err)
	for _, test := range []struct {
		host   string
		origin []string
		want   bool
	}{
		{"chat.example.com", nil, true}, // no page
		{"chat.example.com", []string{"https://chat.example.com"}, true},
		{"chat.example.com", []string{"http://chat.example.com"}, true},
		{"Chat.example.com", []string{"https://chat.Example.com"}, true},
		{"chat.example.com:443", []string{"https://chat.example.com"}, true},
		{"chat.example.com:8080", []string{"http://chat.example.com:8080"}, true},
		{"[::1]:8080", []string{"http://[::1]:8080"}, true},
		{"chat.example.com:8080", []string{"http://chat.example.com"}, false},
		{"chat.example.com", []string{"https://chat.example.com:8443"}, false},
		{"chat.example.com", []string{"https://app.example.com"}, true},
		{"chat.example.com", []string{"https://app.example.com:443"}, true},
		{"chat.example.com", []string{"http://app.example.com"}, false},
		{"chat.example.com", []string{"https://app.example.com:8443"}, false},
		{"chat.example.com", []string{"https://evil.app.example.com"}, false},
		{"chat.example.com", []string{"https://app.example.com.evil.org"}, false},
		{"chat.example.com", []string{"http://localhost:3000"}, true},
		{"chat.example.com", []string{"http://localhost"}, false},
		{"chat.example.com", []string{"capacitor://localhost"}, true},
		{"chat.example.com", []string{"https://evil.org/https://chat.example.com"}, false},
		{"chat.example.com", []string{"https://user@chat.example.com"}, false},
		{"chat.example.com", []string{"https://chat.example.com/"}, false},
		{"chat.example.com", []string{"chat.example.com"}, false},
		{"chat.example.com", []string{"null"}, false},
		{"chat.example.com", []string{""}, false},
		{"", []string{"null"}, false},
		{"chat.example.com", []string{"https://%zz"}, false},
		{"chat.example.com", []string{"https://chat.example.com", "https://evil.org"}, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host, r.Header["Origin"] = test.host, test.origin
		require.Equal(t, test.want, list.allow(r), "%s from %q", test.host, test.origin)
	}
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]Options{
		"a wildcard":         {Origins: []string{"*"}},
		"a host":             {Origins: []string{"app.example.com"}},
		"a path":             {Origins: []string{"https://app.example.com/app"}},
		"a negative limit":   {MaxOperations: -1},
		"a negative timeout": {InitTimeout: -1},
	} {
		_, err := NewServer(nil, &opts)
		require.Error(t, err, name)
	}
}

func TestUpgradesAreRecognised(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		connection, upgrade string
		want                bool
	}{
		{"Upgrade", "websocket", true},
		{"keep-alive, upgrade", "WebSocket", true},
		{"keep-alive", "websocket", false},
		{"Upgrade", "h2c", false},
		{"", "", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Connection", test.connection)
		r.Header.Set("Upgrade", test.upgrade)
		require.Equal(t, test.want, IsUpgrade(r), "%+v", test)
	}
}
