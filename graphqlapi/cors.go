package graphqlapi

import (
	"net/http"
	"strings"

	"github.com/buddychat/buddychat/internal/origin"
)

// origins are those whose pages may read answers, besides the host's own, for which browsers ask nobody. The server of sockets
// holds to the same list.
type origins struct{ origin.List }

// The headers that are allowed where a preflight names none.
const usualHeaders = "Accept, Authorization, Content-Type"

// maxAskedHeaders is the most bytes of header names that a preflight may ask for.
const maxAskedHeaders = 4 << 10

// answer adds what the Fetch standard asks for of a server whose answers pages of other origins read, the preflight included
// (https://fetch.spec.whatwg.org/#http-cors-protocol). The origin is named, never "*", so that a host that authenticates by
// cookies works as well. The headers that a preflight asks for are allowed: the origin is trusted, and clients have headers
// of their own.
func (o origins) answer(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Add("Vary", "Origin")
	from := r.Header.Get("Origin")
	if from == "" || !o.Has(from) {
		return
	}
	header.Set("Access-Control-Allow-Origin", from)
	header.Set("Access-Control-Allow-Credentials", "true")
	header.Set("Access-Control-Expose-Headers", "Retry-After")
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return
	}
	header.Add("Vary", "Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Methods", "GET, POST")
	header.Set("Access-Control-Allow-Headers", usualHeaders)
	if asked := strings.Join(r.Header.Values("Access-Control-Request-Headers"), ", "); asked != "" && areNames(asked) {
		header.Set("Access-Control-Allow-Headers", asked)
	}
	header.Set("Access-Control-Max-Age", "7200")
}

// areNames reports whether a text is a list of header names (RFC 9110, section 5.6.2) of a size that somebody can mean.
func areNames(list string) bool {
	if len(list) > maxAskedHeaders {
		return false
	}
	for name := range strings.SplitSeq(list, ",") {
		name = strings.Trim(name, " \t")
		if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r) }) {
			return false
		}
	}
	return true
}
