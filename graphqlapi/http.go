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

// The media types of answers. The plain one is for clients that know no other: under it every request that is well formed is
// answered by 200, whether it could be executed or not.
const (
	mediaPlain   = "application/json"
	mediaGraphQL = "application/graphql-response+json"
)

const allMethods = "GET, HEAD, POST, OPTIONS"

// serveHTTP is GraphQL over HTTP (https://graphql.github.io/graphql-over-http/draft/).
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
		writeRefusal(w, mediaPlain, malformed(http.StatusNotAcceptable, "the answer is %s or %s: accept one of them", mediaGraphQL, mediaPlain))
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

// answer executes the operation of a request.
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
		return malformed(http.StatusBadRequest, "subscriptions come over a WebSocket: open one at this address, with the subprotocol graphql-transport-ws")
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

// write answers with a body that comes in parts, so that a large one need not be joined. The request may be nil
// where the body is small.
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
			return // a client that does not wait for the answer has none
		}
	}
}

// A client that reads a large answer must take each chunk of it within the patience, so that nobody holds
// large answers for ever.
const (
	writeChunk    = 64 << 10
	writePatience = 2 * time.Minute
)

// hasWriteTimeout reports whether the host has set a timeout of its own.
func hasWriteTimeout(r *http.Request) bool {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	return ok && server.WriteTimeout > 0
}

// A patientWriter gives each chunk its own time to be written.
type patientWriter struct {
	w       io.Writer
	control *http.ResponseController
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	return &patientWriter{w, http.NewResponseController(w)}
}

func (p *patientWriter) Write(b []byte) (n int, err error) {
	for err == nil && n < len(b) {
		_ = p.control.SetWriteDeadline(time.Now().Add(writePatience)) // not every server has one
		var written int
		written, err = p.w.Write(b[n:min(n+writeChunk, len(b))])
		n += written
	}
	return n, err
}

// done lifts the deadline for the next answer on the connection.
func (p *patientWriter) done() { _ = p.control.SetWriteDeadline(time.Time{}) }

// negotiate returns the media type that the client would rather have, "" where it takes neither: the one of the higher weight; of
// equal ones the one that it names over one that it only does not exclude, and of two that it names the newer. A client that says
// nothing, or anything, gets the plain one, which every client knows.
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

// A preference is what a client thinks of a media type: the weight, by the most precise range of its Accept header that has it.
type preference struct {
	weight    float64
	precision int
}

// The precisions of a media range.
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
