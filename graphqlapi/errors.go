package graphqlapi

import (
	"context"
	"errors"
	"log/slog"

	"github.com/buddychat/buddychat/storage"
)

// The codes of errors.
const (
	codeUnauthenticated = "UNAUTHENTICATED"
	codeForbidden       = "FORBIDDEN"
	codeNotFound        = "NOT_FOUND"
	codeBadUserInput    = "BAD_USER_INPUT"
	codeConflict        = "CONFLICT"
	codeThrottled       = "THROTTLED"
	codeCursorExpired   = "CURSOR_EXPIRED"
	codeTooComplex      = "QUERY_TOO_COMPLEX"
	codeInternal        = "INTERNAL"
)

// wireError is an error as a client gets it. It is what every resolver returns, outermost: graphql-go asks it for its extensions.
type wireError struct {
	code, field, message string
}

func (e *wireError) Error() string { return e.message }

func (e *wireError) Extensions() map[string]any {
	ext := map[string]any{"code": e.code}
	if e.field != "" {
		ext["field"] = e.field
	}
	return ext
}

var errLogin = &wireError{code: codeUnauthenticated, message: "log in first"}

// wire turns an error of the services into one for a client. One that is no answer is logged, and its cause not shown.
func wire(ctx context.Context, log *slog.Logger, err error) error {
	var w *wireError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &w):
		return w
	}
	for _, kind := range []struct {
		err  error
		code string
	}{
		{storage.ErrNotFound, codeNotFound},
		{storage.ErrForbidden, codeForbidden},
		{storage.ErrConflict, codeConflict},
		{storage.ErrInvalid, codeBadUserInput},
		{storage.ErrUnauthenticated, codeUnauthenticated},
		{storage.ErrCursorExpired, codeCursorExpired},
	} {
		if errors.Is(err, kind.err) {
			message := storage.Message(err)
			if message == "" {
				message = kind.err.Error()
			}
			return &wireError{code: kind.code, field: storage.Field(err), message: message}
		}
	}
	if ctx.Err() == nil {
		log.ErrorContext(ctx, "an operation failed", "error", err)
	}
	return &wireError{code: codeInternal, message: "internal error"}
}
