// Package origin checks the Origin and Host headers of requests: which web pages may call a server,
// and under which host names the server answers.
package origin

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// An origin is where a page was loaded from: a scheme and a host. The host includes the port unless
// it is the scheme's default port.
type origin struct{ scheme, host string }

// List is the set of origins whose pages may call from another host. The zero value is empty.
type List struct{ listed map[origin]bool }

// NewList parses origins as browsers send them: scheme://host[:port], with any scheme. The error
// names the first invalid entry.
func NewList(origins []string) (List, error) {
	l := List{listed: map[origin]bool{}}
	for _, text := range origins {
		if strings.Contains(text, "*") {
			return List{}, fmt.Errorf("the origin %q is a pattern: list each origin separately, for example https://app.example.com", text)
		}
		o, ok := parse(text)
		if !ok {
			return List{}, fmt.Errorf("%q is not an origin: write scheme and host, for example https://app.example.com", text)
		}
		l.listed[o] = true
	}
	return l, nil
}

// Has reports whether the list contains the origin in an Origin header.
func (l List) Has(header string) bool {
	o, ok := parse(header)
	return ok && l.listed[o]
}

// SameHost reports whether the Origin header names a page on the given host, the value of a Host
// header, over HTTP or HTTPS. Both schemes match, because a proxy may accept HTTPS for a server
// that speaks HTTP. The page's scheme determines its default port.
func SameHost(header, host string) bool {
	o, ok := parse(header)
	return ok && o.isWeb() && o.host == plainHost(o.scheme, host)
}

func (o origin) isWeb() bool { return o.scheme == "http" || o.scheme == "https" }

func parse(text string) (origin, bool) {
	scheme, host, ok := strings.Cut(text, "://")
	if !ok || !isScheme(scheme) || strings.ContainsAny(host, "/?#@*\\ \t\r\n") {
		return origin{}, false
	}
	o := origin{strings.ToLower(scheme), host}
	if !o.isWeb() {
		// Other schemes have their own rules; the host may be empty, as in "file://".
		return o, true
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Host != host {
		return origin{}, false
	}
	o.host = plainHost(o.scheme, host)
	return o, true
}

// isScheme reports whether text is a URL scheme as defined in RFC 3986, section 3.1.
func isScheme(text string) bool {
	for i, r := range strings.ToLower(text) {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", r)) {
			return false
		}
	}
	return text != ""
}

// plainHost returns the host in lower case and without the scheme's default port.
func plainHost(scheme, host string) string {
	host = strings.ToLower(host)
	if scheme == "http" {
		return strings.TrimSuffix(host, ":80")
	}
	return strings.TrimSuffix(host, ":443")
}

// Hosts is the set of host names under which a server answers. The zero value contains every name.
type Hosts struct{ names map[string]bool }

// NewHosts parses names as they appear in a Host header. A name with a port matches only that port;
// a name without one matches every port. With no names, the result contains every name. The error
// names the first invalid entry.
func NewHosts(names []string) (Hosts, error) {
	if len(names) == 0 {
		return Hosts{}, nil
	}
	h := Hosts{names: make(map[string]bool, len(names))}
	for _, name := range names {
		u, err := url.Parse("http://" + name)
		if err == nil && (u.Host != name || u.Hostname() == "" || strings.ContainsAny(name, "*, ")) {
			err = errors.New("not a host")
		}
		if err != nil {
			return Hosts{}, fmt.Errorf("%q is not a host: write a name with or without a port, for example chat.example.com", name)
		}
		h.names[canonicalHost(name)] = true
	}
	return h, nil
}

// Has reports whether the set contains the name in a Host header.
func (h Hosts) Has(host string) bool {
	if h.names == nil {
		return true
	}
	host = canonicalHost(host)
	if h.names[host] {
		return true
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		return false
	}
	if strings.Contains(name, ":") { // IPv6
		name = "[" + name + "]"
	}
	return h.names[canonicalHost(name)]
}

// canonicalHost returns the host in lower case and without the trailing dot of an absolute name.
func canonicalHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }
