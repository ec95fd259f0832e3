package graphqlapi

import (
	"net/http"
	"strings"
)

// origins are those whose pages may read answers, besides the host's own, for which browsers ask nobody. The server of sockets
// holds to the same list, and refuses what is no origin when it is made.
type origins map[string]bool

func newOrigins(list []string) origins {
	allowed := origins{}
	for _, text := range list {
		allowed[canonicalOrigin(text)] = true
	}
	return allowed
}

// canonicalOrigin writes an origin as browsers do: in lower case, and without the port that goes without saying.
func canonicalOrigin(text string) string {
	text = strings.ToLower(text)
	if host, ok := strings.CutPrefix(text, "http://"); ok {
		return "http://" + strings.TrimSuffix(host, ":80")
	}
	if host, ok := strings.CutPrefix(text, "https://"); ok {
		return "https://" + strings.TrimSuffix(host, ":443")
	}
	return text
}

// answer tells the browser which page may read the answer to r, by the CORS protocol (https://fetch.spec.whatwg.org/#http-cors-protocol).
// The origin is named, never "*", so that a host that authenticates by cookies works as well.
func (o origins) answer(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !o[origin] {
		return
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return
	}
	header.Set("Access-Control-Allow-Methods", "GET, POST")
	header.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type")
	header.Set("Access-Control-Max-Age", "7200")
}
