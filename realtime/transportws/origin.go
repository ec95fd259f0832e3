package transportws

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// origins are those that may open sockets, besides the host's own.
type origins map[origin]bool

type origin struct{ scheme, host string }

func newOrigins(list []string) (origins, error) {
	allowed := origins{}
	for _, text := range list {
		from, ok := parseOrigin(text)
		if !ok {
			return nil, fmt.Errorf("transportws: %q in Options.Origins is no origin: write scheme and host, as in https://app.example.com", text)
		}
		allowed[from] = true
	}
	return allowed, nil
}

// allow reports whether the page that r comes from, if it comes from one, may open a socket.
func (o origins) allow(r *http.Request) bool {
	headers := r.Header.Values("Origin")
	if len(headers) == 0 {
		return true
	}
	from, ok := parseOrigin(headers[0])
	if !ok || len(headers) > 1 {
		return false
	}
	// A proxy in front may speak TLS where this server does not, so the scheme of the host itself is not known:
	// the page's tells which port goes without saying.
	return o[from] || from.host == plainHost(from.scheme, r.Host)
}

// parseOrigin reads an origin as browsers send it: a scheme and a host, and a port unless it is the scheme's own.
func parseOrigin(text string) (origin, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || !strings.EqualFold(text, u.Scheme+"://"+u.Host) {
		return origin{}, false
	}
	return origin{u.Scheme, plainHost(u.Scheme, u.Host)}, true
}

// plainHost writes a host in lower case and without the scheme's own port.
func plainHost(scheme, host string) string {
	host = strings.ToLower(host)
	switch scheme {
	case "http":
		return strings.TrimSuffix(host, ":80")
	case "https":
		return strings.TrimSuffix(host, ":443")
	default:
		return host
	}
}
