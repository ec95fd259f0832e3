package graphqlapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	graphqlerrors "github.com/graph-gophers/graphql-go/errors"

	"github.com/buddychat/buddychat/internal/gqldoc"
)

// maxErrors is the most errors that are listed. Every null stays, whether its error is listed or not.
const maxErrors = 64

// A responseError is an error as it stands in an answer.
type responseError struct {
	Message    string            `json:"message"`
	Locations  []gqldoc.Location `json:"locations,omitempty"`
	Path       []any             `json:"path,omitempty"`
	Extensions map[string]any    `json:"extensions"`
}

// A response is the answer to an operation that was executed, or a step of one. Data is nil where nothing was.
type response struct {
	errors     []responseError
	data       json.RawMessage
	extensions map[string]any
	budget     *budget // nil where the executor ran nothing
}

// release lets go of what the response holds of the memory for answers.
func (r *response) release() {
	if r != nil {
		r.budget.release()
	}
}

// refused returns a [*refusal] where the executor ran nothing.
func (r *response) refused() error {
	switch {
	case r.data != nil:
		return nil
	case r.failed():
		return &refusal{status: http.StatusInternalServerError, plain: http.StatusInternalServerError, errors: r.errors}
	}
	return &refusal{status: http.StatusBadRequest, plain: http.StatusOK, errors: r.errors}
}

// failed reports whether something of our own went wrong, which may be gone the next time.
func (r *response) failed() bool {
	for _, e := range r.errors {
		if e.Extensions["code"] == codeInternal {
			return true
		}
	}
	return false
}

// take returns the JSON of r, and lets go of the data that it was made of.
func (r *response) take() []byte {
	encoded := r.encode()
	r.data = nil
	return encoded
}

// encode returns the JSON of r.
func (r *response) encode() []byte { return slices.Concat(r.parts()...) }

// parts returns the JSON of r in parts. The data is one of them, and not copied.
func (r *response) parts() [][]byte {
	head := []byte{'{'}
	if len(r.errors) > 0 {
		head = append(append(head, `"errors":`...), encodeErrors(r.errors)...)
	}
	var tail []byte
	if len(r.extensions) > 0 {
		extensions, _ := json.Marshal(r.extensions) // texts alone
		tail = append(append(tail, `"extensions":`...), extensions...)
	}
	tail = append(tail, '}')
	if r.data == nil {
		if len(tail) > 1 {
			head = comma(head)
		}
		return [][]byte{head, tail}
	}
	head = append(comma(head), `"data":`...)
	if len(tail) > 1 {
		tail = append([]byte{','}, tail...)
	}
	return [][]byte{head, r.data, tail}
}

func comma(encoded []byte) []byte {
	if len(encoded) > 1 {
		return append(encoded, ',')
	}
	return encoded
}

// encodeErrors returns the JSON of a list of errors.
func encodeErrors(list []responseError) json.RawMessage {
	if len(list) == 0 {
		return nil
	}
	encoded, err := json.Marshal(list)
	if err != nil { // nothing in an error can cause it
		return json.RawMessage(`[{"message":"internal error","extensions":{"code":"INTERNAL"}}]`)
	}
	return encoded
}

// A refusal is the answer to a request that was not executed: errors, and no data.
type refusal struct {
	status int    // of HTTP
	plain  int    // of HTTP where the client wants application/json: 200 for every request that is well formed
	retry  string // the header Retry-After, "" for none
	allow  string // the header Allow, "" for none
	errors []responseError
}

func (r *refusal) Error() string { return r.errors[0].Message }

// malformed refuses what is no GraphQL request.
func malformed(status int, format string, args ...any) *refusal {
	e := responseError{Message: fmt.Sprintf(format, args...), Extensions: map[string]any{"code": codeBadUserInput}}
	return &refusal{status: status, plain: status, errors: []responseError{e}}
}

// refuse makes a refusal of what stopped an operation before it was executed.
func (h *Handler) refuse(ctx context.Context, err error) *refusal {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r
	}
	if invalid, ok := errors.AsType[*gqldoc.Error](err); ok {
		return refuseInvalid(invalid)
	}
	if errors.Is(err, gqldoc.ErrTooComplex) {
		return wellFormed(http.StatusBadRequest, &wireError{code: codeTooComplex, message: err.Error()})
	}
	made := asWire(wire(err))
	if made.code == codeInternal {
		h.logFailure(ctx, nil, made.cause)
	}
	w := h.overdue(ctx, made)
	switch w.code {
	case codeInternal:
		return &refusal{status: http.StatusInternalServerError, plain: http.StatusInternalServerError, errors: []responseError{listed(w)}}
	case codeUnauthenticated:
		return wellFormed(http.StatusUnauthorized, w)
	case codeForbidden:
		return wellFormed(http.StatusForbidden, w)
	}
	return wellFormed(http.StatusBadRequest, w)
}

// refuseInvalid refuses a document, or its variables.
func refuseInvalid(found ...*gqldoc.Error) *refusal {
	r := &refusal{status: http.StatusBadRequest, plain: http.StatusOK}
	for _, e := range found {
		r.errors = append(r.errors, responseError{
			Message:    e.Message,
			Locations:  e.Locations,
			Extensions: map[string]any{"code": codeBadUserInput},
		})
	}
	return r
}

func wellFormed(status int, w *wireError) *refusal {
	return &refusal{status: status, plain: http.StatusOK, errors: []responseError{listed(w)}}
}

func listed(w *wireError) responseError {
	return responseError{Message: w.message, Extensions: w.Extensions()}
}

// asWire returns err as one for a client, or an INTERNAL error of it.
func asWire(err error) *wireError {
	if w, ok := errors.AsType[*wireError](err); ok {
		return w
	}
	return internal(err)
}

// overdue says of an internal error what it was, where it was the deadline.
func (h *Handler) overdue(ctx context.Context, w *wireError) *wireError {
	if w.code == codeInternal && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &wireError{code: codeInternal, message: fmt.Sprintf("this took longer than %v: ask for less, or try again", h.deadline)}
	}
	return w
}

// newResponse makes an answer of what the executor returned. Errors without a code are of its own making: those about the
// document are told in its words, the others are for the log.
func (h *Handler) newResponse(ctx context.Context, data json.RawMessage, found []*graphqlerrors.QueryError) *response {
	r := &response{data: data}
	broken := false
	logged := map[*wireError]bool{} // siblings that were loaded together share one error
	for _, e := range found {
		listed, failure := h.responseError(ctx, e)
		if failure != nil {
			broken = true
			if !logged[failure] && len(logged) < maxLoggedFailures {
				logged[failure] = true
				h.logFailure(ctx, e.Path, failure.cause)
			}
		}
		if len(r.errors) < maxErrors {
			r.errors = append(r.errors, listed)
		}
	}
	// A panic may have left a hole in the data.
	if broken && data != nil && !json.Valid(data) {
		r.data = json.RawMessage("null")
	}
	return r
}

// responseError returns an error of the executor as it stands in an answer, and for the log what failed, where it is INTERNAL.
func (h *Handler) responseError(ctx context.Context, e *graphqlerrors.QueryError) (listed responseError, failure *wireError) {
	listed = responseError{Message: e.Message, Path: e.Path, Extensions: e.Extensions}
	code, coded := e.Extensions["code"]
	switch {
	case coded && code != codeInternal:
		return listed, nil
	case e.Rule != "":
		listed.Message = gqldoc.OfExecutor(e.Rule, e.Message)
		listed.Extensions = map[string]any{"code": codeBadUserInput}
		return listed, nil
	}
	failure, ok := e.ResolverError.(*wireError) //nolint:errorlint // it is the outermost: see wireError
	if !ok || failure.cause == nil {
		failure = internal(errors.New("the executor failed: " + e.Message))
	}
	w := h.overdue(ctx, failure)
	listed.Message, listed.Extensions = w.message, w.Extensions()
	return listed, failure
}
