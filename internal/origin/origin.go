// Package origin says which pages of browsers may call a server, and by which names the server may be called.
package origin

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
)

// An origin is where a page comes from: a scheme and a host, with a port unless it is the scheme's default port.
type origin struct{ scheme, host string }

// List has the origins whose pages may call from another host. The zero value has none.
type List struct{ listed map[origin]bool }

// NewList reads origins as browsers send them: scheme://host[:port], of any scheme. The error says which one is none.
func NewList(origins []string) (List, error) {
	l := List{listed: map[origin]bool{}}
	for _, text := range origins {
		if strings.Contains(text, "*") {
			return List{}, fmt.Errorf("the origin %q is a pattern: list every origin by itself, as in https://app.example.com", text)
		}
		o, ok := parse(text)
		if !ok {
			return List{}, fmt.Errorf("%q is no origin: write scheme and host, as in https://app.example.com", text)
		}
		l.listed[o] = true
	}
	return l, nil
}

// Has reports whether the origin in a header is in the list.
func (l List) Has(header string) bool {
	o, ok := parse(header)
	return ok && l.listed[o]
}

// SameHost reports whether the origin in a header is a page of that host, the one of a Host header, over HTTP or HTTPS. A proxy
// may speak HTTPS where the server does not, so either will do; the scheme of the page tells its default port.
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
		return o, true // the scheme's own business, empty too: pages in files have "file://"
	}
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Host != host {
		return origin{}, false
	}
	o.host = plainHost(o.scheme, host)
	return o, true
}

// isScheme follows RFC 3986, section 3.1.
func isScheme(text string) bool {
	for i, r := range strings.ToLower(text) {
		letter := r >= 'a' && r <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", r)) {
			return false
		}
	}
	return text != ""
}

// plainHost writes a host in lower case and without the scheme's default port.
func plainHost(scheme, host string) string {
	host = strings.ToLower(host)
	if scheme == "http" {
		return strings.TrimSuffix(host, ":80")
	}
	return strings.TrimSuffix(host, ":443")
}

// Hosts are the names by which a server may be called. The zero value lets every name pass.
type Hosts struct{ names map[string]bool }

// NewHosts reads names as they stand in a Host header: a host, with a port or, for every port, without. The error says which
// one is none.
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
			return Hosts{}, fmt.Errorf("%q is no host: write a name, with a port or without, as in chat.example.com", name)
		}
		h.names[canonicalHost(name)] = true
	}
	return h, nil
}

// Has reports whether a Host header has one of the names.
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

// canonicalHost is in lower case, and without the dot at the end of an absolute name.
func canonicalHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }
