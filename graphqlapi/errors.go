package graphqlapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

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
	// cause is what the log is told of an INTERNAL error; the client never sees it.
	cause error
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

// wire turns an error of the services into one for a client. One that is no answer becomes INTERNAL; whoever
// writes the response logs its cause, with the path: see [Handler.logFailure].
func wire(err error) error {
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
	return internal(err)
}

func internal(cause error) *wireError {
	return &wireError{code: codeInternal, message: "internal error", cause: cause}
}

// A panicError is the cause of an INTERNAL error that a resolver, or the host's code below it, panicked with.
type panicError struct {
	value any
	stack []byte
}

// panicked must be called while the panic is recovered, so that the stack is its own.
func panicked(value any) *panicError { return &panicError{value, debug.Stack()} }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// The most characters that the log has of what a client wrote, and the most failures of one response.
const (
	maxLoggedText     = 200
	maxLoggedFailures = 8
)

// logFailure tells the log of an INTERNAL error: which operation, where in it, who ran it, and the cause. It
// has nothing of variables, arguments or results. The cause is the text of an error of the store or of the
// host's own code. What took longer than the deadline is a warning. What failed because the client has left
// is not logged.
func (h *Handler) logFailure(ctx context.Context, path []any, cause error) {
	p, isPanic := errors.AsType[*panicError](cause)
	if !isPanic && errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	v := viewerOf(ctx)
	attributes := []slog.Attr{slog.String("operation", shortened(v.operation)), slog.String("user", string(v.User))}
	if len(path) > 0 {
		attributes = append(attributes, slog.String("path", shortened(pathText(path))))
	}
	attributes = append(attributes, slog.Any("error", cause))
	if isPanic {
		attributes = append(attributes, slog.String("stack", string(p.stack)))
	}
	level := slog.LevelError
	if !isPanic && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		level = slog.LevelWarn
	}
	h.log.LogAttrs(ctx, level, "an operation failed", attributes...)
}

// pathText writes the path of an error as in chats.nodes.0.lastMessage.
func pathText(path []any) string {
	var text strings.Builder
	for i, step := range path {
		if i > 0 {
			text.WriteByte('.')
		}
		fmt.Fprint(&text, step)
	}
	return text.String()
}

func shortened(text string) string {
	if len(text) <= maxLoggedText {
		return text
	}
	return text[:maxLoggedText] + "…"
}
