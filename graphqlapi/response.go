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

// maxErrors bounds the errors that an answer lists. Further errors are dropped, but their fields
// are still null.
const maxErrors = 64

// A responseError is an error as clients see it in an answer.
type responseError struct {
	Message    string            `json:"message"`
	Locations  []gqldoc.Location `json:"locations,omitempty"`
	Path       []any             `json:"path,omitempty"`
	Extensions map[string]any    `json:"extensions"`
}

// A response is the answer to an executed operation, or to one step of it. Data is nil if nothing
// was executed.
type response struct {
	errors     []responseError
	data       json.RawMessage
	extensions map[string]any
	budget     *budget // nil if the executor ran nothing
}

// release releases the memory that the response holds of its budget.
func (r *response) release() {
	if r != nil {
		r.budget.release()
	}
}

// refused returns a [*refusal] if nothing was executed.
func (r *response) refused() error {
	switch {
	case r.data != nil:
		return nil
	case r.failed():
		return &refusal{status: http.StatusInternalServerError, plain: http.StatusInternalServerError, errors: r.errors}
	}
	return &refusal{status: http.StatusBadRequest, plain: http.StatusOK, errors: r.errors}
}

// failed reports whether the response has an INTERNAL error, which a retry may avoid.
func (r *response) failed() bool {
	for _, e := range r.errors {
		if e.Extensions["code"] == codeInternal {
			return true
		}
	}
	return false
}

// take returns the JSON of r and drops the data that it was made from.
func (r *response) take() []byte {
	encoded := r.encode()
	r.data = nil
	return encoded
}

// encode returns the JSON of r.
func (r *response) encode() []byte { return slices.Concat(r.parts()...) }

// parts returns the JSON of r in parts, without copying the data.
func (r *response) parts() [][]byte {
	head := []byte{'{'}
	if len(r.errors) > 0 {
		head = append(append(head, `"errors":`...), encodeErrors(r.errors)...)
	}
	var tail []byte
	if len(r.extensions) > 0 {
		extensions, _ := json.Marshal(r.extensions) // cannot fail: all values are strings
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
	if err != nil { // cannot happen with the values of an error
		return json.RawMessage(`[{"message":"internal error","extensions":{"code":"INTERNAL"}}]`)
	}
	return encoded
}

// A refusal is the answer to a request that was not executed. It has errors and no data.
type refusal struct {
	status int // HTTP status
	// HTTP status for clients that accept application/json: 200 for all well-formed requests
	plain  int
	retry  string // the Retry-After header; "" for none
	allow  string // the Allow header; "" for none
	errors []responseError
}

func (r *refusal) Error() string { return r.errors[0].Message }

// malformed refuses a request that is not a GraphQL request.
func malformed(status int, format string, args ...any) *refusal {
	e := responseError{Message: fmt.Sprintf(format, args...), Extensions: map[string]any{"code": codeBadUserInput}}
	return &refusal{status: status, plain: status, errors: []responseError{e}}
}

// refuse converts an error that occurred before execution into a refusal. It logs INTERNAL errors.
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

// refuseInvalid refuses an invalid document or invalid variables.
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

// asWire returns the [*wireError] in err, or an INTERNAL error with the cause err.
func asWire(err error) *wireError {
	if w, ok := errors.AsType[*wireError](err); ok {
		return w
	}
	return internal(err)
}

// overdue replaces an INTERNAL error that the deadline caused by one that says so.
func (h *Handler) overdue(ctx context.Context, w *wireError) *wireError {
	if w.code == codeInternal && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &wireError{code: codeInternal, message: fmt.Sprintf("this took longer than %v: ask for less, or try again", h.deadline)}
	}
	return w
}

// newResponse builds the response from the executor's result. Errors without a code are the
// executor's: those about the document are sent to the client, and the others are logged.
func (h *Handler) newResponse(ctx context.Context, data json.RawMessage, found []*graphqlerrors.QueryError) *response {
	r := &response{data: data}
	broken := false
	logged := map[*wireError]bool{} // objects that were loaded together share one error
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
	// After a panic the data may be invalid JSON.
	if broken && data != nil && !json.Valid(data) {
		r.data = json.RawMessage("null")
	}
	return r
}

// responseError converts an error of the executor for the client. For an INTERNAL error it also
// returns the failure to log.
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
	failure, ok := e.ResolverError.(*wireError) //nolint:errorlint // not wrapped: see wireError
	if !ok || failure.cause == nil {
		failure = internal(errors.New("the executor failed: " + e.Message))
	}
	w := h.overdue(ctx, failure)
	listed.Message, listed.Extensions = w.message, w.Extensions()
	return listed, failure
}
