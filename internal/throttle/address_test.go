package throttle

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func prefixes(texts ...string) []netip.Prefix {
	var networks []netip.Prefix
	for _, text := range texts {
		networks = append(networks, netip.MustParsePrefix(text))
	}
	return networks
}

func TestClientAddressTrustsOnlyConfiguredProxies(t *testing.T) {
	t.Parallel()
	private := Proxies{Networks: prefixes("10.0.0.0/8", "fd00::/8")}
	for name, c := range map[string]struct {
		proxies   Proxies
		remote    string
		forwarded []string
		want      string
	}{
		"no proxy is trusted by default":     {Proxies{}, "192.0.2.1:5", []string{"198.51.100.7"}, "192.0.2.1"},
		"IPv6":                               {Proxies{}, "[2001:db8::1%eth0]:5", nil, "2001:db8::1"},
		"IPv4 inside IPv6":                   {Proxies{}, "[::ffff:192.0.2.1]:5", nil, "192.0.2.1"},
		"one hop":                            {Proxies{Hops: 1}, "10.0.0.1:5", []string{"198.51.100.7"}, "198.51.100.7"},
		"one hop, after a forged entry":      {Proxies{Hops: 1}, "10.0.0.1:5", []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7"},
		"two hops over two header lines":     {Proxies{Hops: 2}, "10.0.0.1:5", []string{"1.1.1.1, 198.51.100.7", "10.0.0.2"}, "198.51.100.7"},
		"fewer entries than hops":            {Proxies{Hops: 3}, "10.0.0.1:5", []string{"198.51.100.7"}, "198.51.100.7"},
		"no header":                          {Proxies{Hops: 1}, "10.0.0.1:5", nil, "10.0.0.1"},
		"an entry with a port":               {Proxies{Hops: 1}, "10.0.0.1:5", []string{"198.51.100.7:4711"}, "198.51.100.7"},
		"an IPv6 entry":                      {Proxies{Hops: 1}, "10.0.0.1:5", []string{"2001:db8::1"}, "2001:db8::1"},
		"an IPv6 entry with a port":          {Proxies{Hops: 1}, "10.0.0.1:5", []string{"[2001:db8::1]:80"}, "2001:db8::1"},
		"an IPv6 entry in brackets":          {Proxies{Hops: 1}, "10.0.0.1:5", []string{"[2001:db8::1]"}, "2001:db8::1"},
		"an entry that is not an address":    {Proxies{Hops: 2}, "10.0.0.1:5", []string{"unknown, 10.0.0.2"}, "10.0.0.2"},
		"a trusted network":                  {private, "10.0.0.1:5", []string{"1.1.1.1, 198.51.100.7, 10.0.0.2"}, "198.51.100.7"},
		"a trusted IPv6 network":             {private, "[fd00::1]:5", []string{"198.51.100.7"}, "198.51.100.7"},
		"an untrusted client with a header":  {private, "203.0.113.9:5", []string{"198.51.100.7"}, "203.0.113.9"},
		"every address is trusted":           {private, "10.0.0.1:5", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"networks override hops":             {Proxies{Hops: 5, Networks: private.Networks}, "10.0.0.1:5", []string{"1.1.1.1, 198.51.100.7"}, "198.51.100.7"},
		"a Unix socket and a trusted header": {Proxies{Hops: 1}, "@", []string{"198.51.100.7"}, "198.51.100.7"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{RemoteAddr: c.remote, Header: http.Header{}}
			for _, line := range c.forwarded {
				r.Header.Add("X-Forwarded-For", line)
			}
			require.Equal(t, c.want, c.proxies.ClientAddress(r).String())
		})
	}
}

func TestUnknownAddressesAreZero(t *testing.T) {
	t.Parallel()
	for _, remote := range []string{"", "@", "pipe", "1.2.3:4", "300.1.1.1:1"} {
		require.False(t, Proxies{}.ClientAddress(&http.Request{RemoteAddr: remote}).IsValid(), remote)
	}
}

func TestAddressesOfOneSubscriberShareAKey(t *testing.T) {
	t.Parallel()
	key := func(text string) string { return AddressKey(netip.MustParseAddr(text)) }
	require.Equal(t, key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"))
	require.NotEqual(t, key("2001:db8:1:2::1"), key("2001:db8:1:3::1"))
	require.Equal(t, key("192.0.2.1"), key("::ffff:192.0.2.1"))
	require.NotEqual(t, key("192.0.2.1"), key("192.0.2.2"))
	require.Equal(t, key("fe80::1%eth0"), key("fe80::2%eth1"))
	require.NotEmpty(t, AddressKey(netip.Addr{}), "unknown addresses share one bucket")
}

func TestSpellingsOfOneAccountShareAKey(t *testing.T) {
	t.Parallel()
	require.Equal(t, AccountKey("ann.müller"), AccountKey("Ann.MÜLLER"))
	require.Equal(t, AccountKey("ann"), AccountKey("ａｎｎ"))
	require.NotEqual(t, AccountKey("ann"), AccountKey("anne"))
}

func FuzzClientAddress(f *testing.F) {
	f.Add("10.0.0.1:5", "1.1.1.1, 198.51.100.7", 1)
	f.Add("@", "[::1]:80,,unknown", 2)
	f.Fuzz(func(t *testing.T, remote, forwarded string, hops int) {
		r := &http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		direct := Proxies{}.ClientAddress(r)
		plain := &http.Request{RemoteAddr: remote}
		require.Equal(t, Proxies{}.ClientAddress(plain), direct, "without trusted proxies the header is ignored")
		address := Proxies{Hops: hops}.ClientAddress(r)
		require.NotEmpty(t, AddressKey(address))
		if address.IsValid() {
			require.Equal(t, AddressKey(address), AddressKey(netip.MustParseAddr(address.String())))
		}
	})
}
