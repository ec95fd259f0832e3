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

// Error codes, as clients see them in extensions.code.
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

// A wireError is an error as a client sees it. Resolvers return it unwrapped, because graphql-go
// asks only the outermost error for its extensions.
type wireError struct {
	code, field, message string
	// cause is the cause of an INTERNAL error. It is logged and never sent to the client.
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

// wire converts an error of the services into an error for clients. Errors of an unknown kind
// become INTERNAL; their cause is logged when the response is written: see [Handler.logFailure].
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

// A panicError is the cause of an INTERNAL error: a panic in a resolver or in the host's code that
// it called.
type panicError struct {
	value any
	stack []byte
}

// panicked must be called while the panic is being recovered, so that the stack is that of the
// panic.
func panicked(value any) *panicError { return &panicError{value, debug.Stack()} }

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// Bounds of what is logged: bytes of a text that a client wrote, and failures of one response.
const (
	maxLoggedText     = 200
	maxLoggedFailures = 8
)

// logFailure logs an INTERNAL error with the operation, the path, the user and the cause. It does
// not log variables, arguments or results. The cause is the error text of the store or of the
// host's code. An exceeded deadline is logged as a warning. Failures after the client has left are
// not logged, except panics.
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

// pathText formats the path of an error, for example chats.nodes.0.lastMessage.
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
