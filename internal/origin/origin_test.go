package origin

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSameHostMatchesWebPagesOfTheHost(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		host, origin string
		want         bool
	}{
		{"chat.example.com", "https://chat.example.com", true},
		{"chat.example.com", "http://chat.example.com", true},
		{"chat.example.com", "HTTPS://chat.example.com", true},
		{"Chat.example.com", "https://chat.Example.com", true},
		{"chat.example.com:443", "https://chat.example.com", true},
		{"chat.example.com", "https://chat.example.com:443", true},
		{"chat.example.com:8080", "http://chat.example.com:8080", true},
		{"[::1]:8080", "http://[::1]:8080", true},
		{"chat.example.com:8080", "http://chat.example.com", false},
		{"chat.example.com", "https://chat.example.com:8443", false},
		{"chat.example.com:80", "https://chat.example.com", false},
		{"chat.example.com", "ftp://chat.example.com", false},
		{"chat.example.com", "javascript://chat.example.com", false},
		{"chat.example.com", "chrome-extension://chat.example.com", false},
		{"chat.example.com", "file://chat.example.com", false},
		{"chat.example.com", "ws://chat.example.com", false},
		{"chat.example.com", "://chat.example.com", false},
		{"chat.example.com", "//chat.example.com", false},
		{"chat.example.com", "https://evil.org/https://chat.example.com", false},
		{"chat.example.com", "https://user@chat.example.com", false},
		{"chat.example.com", "https://chat.example.com/", false},
		{"chat.example.com", "https://chat.example.com?", false},
		{"chat.example.com", "https://chat.example.com#", false},
		{"chat.example.com", "https://chat.example.com.evil.org", false},
		{"chat.example.com", "https://evil.org, https://chat.example.com", false},
		{"chat.example.com", "chat.example.com", false},
		{"chat.example.com", "https://%zz", false},
		{"chat.example.com", "null", false},
		{"chat.example.com", "", false},
		{"", "null", false},
		{"", "https://", false},
		{":443", "https://:443", false},
	} {
		require.Equal(t, test.want, SameHost(test.origin, test.host), "%s from %q", test.host, test.origin)
	}
}

func TestListedOriginsMatchExactlyForAnyScheme(t *testing.T) {
	t.Parallel()
	l, err := NewList([]string{
		"https://app.example.com", "http://LOCALHOST:3000", "https://b.example.com:443", "capacitor://localhost",
		"chrome-extension://abcdefghijklmnop", "app://.", "file://",
	})
	require.NoError(t, err)
	for origin, want := range map[string]bool{
		"https://app.example.com":              true,
		"https://app.example.com:443":          true,
		"http://localhost:3000":                true,
		"https://b.example.com":                true,
		"capacitor://localhost":                true,
		"chrome-extension://abcdefghijklmnop":  true,
		"app://.":                              true,
		"file://":                              true,
		"http://app.example.com":               false,
		"https://app.example.com:8443":         false,
		"https://evil.app.example.com":         false,
		"https://app.example.com.evil.org":     false,
		"http://localhost":                     false,
		"ionic://localhost":                    false,
		"capacitor://localhost:80":             false,
		"chrome-extension://abcdefghijklmnopq": false,
		"file://elsewhere":                     false,
		"file:///":                             false,
		"null":                                 false,
		"":                                     false,
	} {
		require.Equal(t, want, l.Has(origin), "%q", origin)
	}
	require.False(t, List{}.Has("https://app.example.com"))
}

func TestNewListRejectsInvalidOrigins(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"*", "https://*", "https://*.example.com", "chrome-extension://*", "*://app.example.com", "https://app.example.com:*",
		"", "null", "app.example.com", "https://", "https://app.example.com/", "https://app.example.com/app", "https://a b", "1a://b",
		"https://u@app.example.com", "https://app.example.com?x", "https://app.example.com#x", "://app.example.com",
	} {
		_, err := NewList([]string{"https://app.example.com", text})
		require.ErrorContains(t, err, `"`+text+`"`)
	}
}

func TestHostsMatchesOnlyListedNames(t *testing.T) {
	t.Parallel()
	h, err := NewHosts([]string{"Chat.example.com", "localhost:8080", "[::1]"})
	require.NoError(t, err)
	for host, want := range map[string]bool{
		"chat.example.com":          true,
		"CHAT.example.com.":         true,
		"chat.example.com:8443":     true,
		"localhost:8080":            true,
		"[::1]":                     true,
		"[::1]:8080":                true,
		"localhost":                 false,
		"localhost:8081":            false,
		"evil.example.com":          false,
		"chat.example.com.evil.org": false,
		"[::2]:8080":                false,
		"":                          false,
		":8080":                     false,
	} {
		require.Equal(t, want, h.Has(host), "%q", host)
	}
	require.True(t, Hosts{}.Has("whatever"))
	for _, name := range []string{"", "*", "*.example.com", "https://chat.example.com", "chat.example.com/", "a b", "a,b", "u@a", ":80", "a:x"} {
		_, err := NewHosts([]string{name})
		require.Error(t, err, "%q", name)
	}
}

func FuzzOrigin(f *testing.F) {
	f.Add("https://chat.example.com", "chat.example.com")
	f.Add("chrome-extension://a", "a")
	f.Fuzz(func(t *testing.T, header, host string) {
		if SameHost(header, host) {
			o, ok := parse(header)
			require.True(t, ok && o.isWeb() && o.host != "", "%q %q", header, host)
		}
		if l, err := NewList([]string{header}); err == nil {
			require.True(t, l.Has(header))
		}
		if h, err := NewHosts([]string{host}); err == nil {
			require.True(t, h.Has(host), "%q", host)
		}
	})
}
