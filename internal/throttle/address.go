package throttle

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/buddychat/buddychat/user"
)

// Proxies says whom to believe about a client's address. The zero value believes nobody: the address is
// the connection's.
type Proxies struct {
	// Hops is how many proxies stand in front of the server, each of which appends the address that it was
	// called from to X-Forwarded-For. Whoever can reach the server past them can then claim any address.
	Hops int
	// Networks are the addresses of proxies. The client is the nearest address that is not in one of them. Where
	// they are given, Hops is not used.
	Networks []netip.Prefix
}

// ClientAddress returns the address that a request comes from. It is the zero Addr where there is none, as on
// a Unix socket.
func (p Proxies) ClientAddress(r *http.Request) netip.Addr {
	address := parseAddress(r.RemoteAddr)
	if p.Hops <= 0 && len(p.Networks) == 0 {
		return address
	}
	// From the nearest proxy's word back to the client's own, which anybody can write.
	said := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for hop, text := range slices.Backward(said) {
		if !p.trusts(address, len(said)-1-hop) {
			return address
		}
		further := parseAddress(strings.TrimSpace(text))
		if !further.IsValid() {
			return address
		}
		address = further
	}
	return address
}

// trusts says whether to believe whom an address was called from, which is so many hops from here.
func (p Proxies) trusts(address netip.Addr, hop int) bool {
	if len(p.Networks) == 0 {
		return hop < p.Hops
	}
	return slices.ContainsFunc(p.Networks, func(network netip.Prefix) bool { return network.Contains(address) })
}

// parseAddress reads an address with or without a port.
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

// AddressKey returns the key of an address: IPv4 addresses stand for themselves, IPv6 addresses for their
// /64, which is what one subscriber has. Addresses that are not known share one key.
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

// AccountKey returns the key of an account name: the same for all spellings that name one account.
func AccountKey(name string) string {
	return user.Fold(name)
}
