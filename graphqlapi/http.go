package graphqlapi

import (
	"cmp"
	"context"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/buddychat/buddychat/internal/gqldoc"
)

// The media types of answers. mediaPlain is for older clients: with it, every well-formed request
// is answered with status 200, even if it could not be executed.
const (
	mediaPlain   = "application/json"
	mediaGraphQL = "application/graphql-response+json"
)

const allMethods = "GET, HEAD, POST, OPTIONS"

// serveHTTP implements GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/).
func (h *Handler) serveHTTP(w http.ResponseWriter, r *http.Request, b *body) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	h.origins.answer(w, r)
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	case http.MethodOptions:
		w.Header().Set("Allow", allMethods)
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		refused := malformed(http.StatusMethodNotAllowed, "send a POST, or a GET for a query")
		refused.allow = allMethods
		writeRefusal(w, mediaPlain, refused)
		return
	}
	media := negotiate(r.Header.Values("Accept"))
	if media == "" {
		writeRefusal(w, mediaPlain, malformed(http.StatusNotAcceptable, "the Accept header excludes all media types of the answer: accept %s or %s", mediaGraphQL, mediaPlain))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), h.deadline)
	defer cancel()
	answer, err := h.answer(ctx, w, r, b)
	if err != nil {
		writeRefusal(w, media, h.refuse(ctx, err))
		return
	}
	defer answer.release()
	write(w, r, media, http.StatusOK, answer.parts()...)
}

// answer reads a request and executes its operation.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, b *body) (*response, error) {
	q, err := readRequest(r, func() ([]byte, error) { return b.readAll(w, r, h.limits) })
	if err != nil {
		return nil, err
	}
	op, err := h.prepare(ctx, q, source{
		viewer:  func(ctx context.Context) (viewer, error) { return h.authenticate(ctx, r) },
		address: h.limits.addressOf(r),
		takes:   func(kind gqldoc.Operation) error { return takesOverHTTP(kind, r.Method) },
	})
	if err != nil {
		return nil, err
	}
	return h.execute(ctx, op)
}

func takesOverHTTP(kind gqldoc.Operation, method string) error {
	switch {
	case kind == gqldoc.Subscription:
		return malformed(http.StatusBadRequest, "subscriptions need a WebSocket: open one at this URL with the subprotocol graphql-transport-ws")
	case kind == gqldoc.Mutation && method != http.MethodPost:
		refused := malformed(http.StatusMethodNotAllowed, "a mutation must be sent by POST")
		refused.allow = http.MethodPost
		return refused
	}
	return nil
}

func writeRefusal(w http.ResponseWriter, media string, refused *refusal) {
	if refused.retry != "" {
		w.Header().Set("Retry-After", refused.retry)
	}
	if refused.allow != "" {
		w.Header().Set("Allow", refused.allow)
	}
	status := refused.status
	if media == mediaPlain {
		status = refused.plain
	}
	write(w, nil, media, status, (&response{errors: refused.errors}).encode())
}

// write sends a body in parts, so that a large body is not copied into one buffer. r may be nil for
// small bodies.
func write(w http.ResponseWriter, r *http.Request, media string, status int, parts ...[]byte) {
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(status)
	var to io.Writer = w
	if size > writeChunk && r != nil && !hasWriteTimeout(r) {
		patient := newPatientWriter(w)
		defer patient.done()
		to = patient
	}
	for _, part := range parts {
		if _, err := to.Write(part); err != nil {
			return // the client has closed the connection
		}
	}
}

// A client that reads a large answer must accept each chunk within writePatience. Otherwise slow
// clients could hold the memory of large answers forever.
const (
	writeChunk    = 64 << 10
	writePatience = 2 * time.Minute
)

// hasWriteTimeout reports whether the host's server has a write timeout.
func hasWriteTimeout(r *http.Request) bool {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	return ok && server.WriteTimeout > 0
}

// A patientWriter sets a new write deadline for each chunk.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	return &patientWriter{w, http.NewResponseController(w)}
}

func (p *patientWriter) Write(b []byte) (n int, err error) {
	for err == nil && n < len(b) {
		// not every server supports it
		_ = p.control.SetWriteDeadline(time.Now().Add(writePatience))
		var written int
		written, err = p.w.Write(b[n:min(n+writeChunk, len(b))])
		n += written
	}
	return n, err
}

// done removes the deadline, so that it does not apply to the next answer on the connection.
func (p *patientWriter) done() { _ = p.control.SetWriteDeadline(time.Time{}) }

// negotiate returns the media type that the client prefers, or "" if it accepts neither: the type
// with the higher weight. For equal weights, an explicitly named type wins over a wildcard, and
// mediaGraphQL wins if both are named. Without a preference it returns mediaPlain, which all
// clients know.
func negotiate(accept []string) string {
	header := strings.TrimSpace(strings.Join(accept, ","))
	if header == "" {
		return mediaPlain
	}
	graphQL, plain := preferenceOf(mediaGraphQL, header), preferenceOf(mediaPlain, header)
	switch {
	case graphQL.weight == 0 && plain.weight == 0:
		return ""
	case graphQL.compare(plain) > 0, graphQL.compare(plain) == 0 && graphQL.precision == exactly:
		return mediaGraphQL
	}
	return mediaPlain
}

// A preference is how much a client wants a media type: the weight of the most precise range in its
// Accept header that matches.
type preference struct {
	weight    float64
	precision int
}

// Precisions of a media range, from */* to an exact type.
const (
	anything = 1 + iota
	subtypes
	exactly
)

func (p preference) compare(q preference) int {
	return cmp.Or(cmp.Compare(p.weight, q.weight), cmp.Compare(p.precision, q.precision))
}

func preferenceOf(media, accept string) (found preference) {
	for part := range strings.SplitSeq(accept, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		precision := 0
		switch name {
		case media:
			precision = exactly
		case "application/*":
			precision = subtypes
		case "*/*":
			precision = anything
		}
		if charset, ok := params["charset"]; precision <= found.precision || ok && !isUTF8(charset) {
			continue
		}
		found = preference{weight: weightOf(params), precision: precision}
	}
	return found
}

func weightOf(params map[string]string) float64 {
	q, ok := params["q"]
	if !ok {
		return 1
	}
	weight, err := strconv.ParseFloat(q, 64)
	if err != nil || !(weight >= 0 && weight <= 1) {
		return 0
	}
	return weight
}
