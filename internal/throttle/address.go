package throttle

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/buddychat/buddychat/user"
)

// Proxies says which proxies to trust for the address of a client. The zero value trusts none: the
// address is that of the connection.
type Proxies struct {
	// Hops is the number of proxies in front of the server. Each of them must append the address of
	// its own caller to X-Forwarded-For. A client that can bypass the proxies can then claim any
	// address.
	Hops int
	// Networks contain the addresses of the proxies. The client is the nearest address outside all
	// networks. If Networks is set, Hops is ignored.
	Networks []netip.Prefix
}

// ClientAddress returns the address of the client that sent a request. It is the zero Addr if the
// address is unknown, for example on a Unix socket.
func (p Proxies) ClientAddress(r *http.Request) netip.Addr {
	address := parseAddress(r.RemoteAddr)
	if p.Hops <= 0 && len(p.Networks) == 0 {
		return address
	}
	// The nearest proxy appends last. The first entries come from the client, which can send
	// anything.
	forwarded := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for hop, text := range slices.Backward(forwarded) {
		if !p.trusts(address, len(forwarded)-1-hop) {
			return address
		}
		previous := parseAddress(strings.TrimSpace(text))
		if !previous.IsValid() {
			return address
		}
		address = previous
	}
	return address
}

// trusts reports whether address, hop hops away from the server, is a proxy whose X-Forwarded-For
// entry can be trusted.
func (p Proxies) trusts(address netip.Addr, hop int) bool {
	if len(p.Networks) == 0 {
		return hop < p.Hops
	}
	return slices.ContainsFunc(p.Networks, func(network netip.Prefix) bool { return network.Contains(address) })
}

// parseAddress parses an address with or without a port. It returns the zero Addr if text is
// neither.
func parseAddress(text string) netip.Addr {
	if withPort, err := netip.ParseAddrPort(text); err == nil {
		return withPort.Addr().Unmap().WithZone("")
	}
	address, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}

// AddressKey returns the bucket key of an address: the address itself for IPv4, and the /64 prefix
// for IPv6, because one subscriber usually owns a whole /64. All unknown addresses share one key.
func AddressKey(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a.String()
	}
	prefix, err := a.Prefix(64)
	if err != nil {
		return a.String()
	}
	return prefix.String()
}

// AccountKey returns the bucket key of an account name. It is the same for all spellings of the
// name that log in to the same account.
func AccountKey(name string) string {
	return user.Fold(name)
}
