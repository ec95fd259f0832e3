package graphqlapi

import (
	"net/http"
	"strings"

	"github.com/buddychat/buddychat/internal/origin"
)

// origins is the list of origins whose pages may read answers. Pages of the same host always may;
// browsers do not ask for them. The WebSocket server uses the same list.
type origins struct{ origin.List }

// usualHeaders are the headers that are allowed if a preflight request names none.
const usualHeaders = "Accept, Authorization, Content-Type"

// maxAskedHeaders bounds the list of header names in a preflight request, in bytes.
const maxAskedHeaders = 4 << 10

// answer adds the headers of the CORS protocol, also for preflight requests
// (https://fetch.spec.whatwg.org/#http-cors-protocol). It names the origin instead of "*", so that
// hosts can authenticate by cookies. It allows all headers that a preflight asks for, because the
// origin is trusted and clients may send their own headers.
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

// areNames reports whether list consists of header names (RFC 9110, section 5.6.2) and has at most
// maxAskedHeaders bytes.
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
