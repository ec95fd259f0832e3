package storage

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The kinds of refusal. Every error that a service answers on purpose is one of them, to be told with
// [errors.Is]; any other error is a failure of the machinery below, and not for a user's eyes.
var (
	// ErrNotFound says that a thing is not there, or that the caller may not see it: the two answer alike.
	ErrNotFound = errors.New("not found")
	// ErrForbidden says that the caller sees the thing, and may not do this with it.
	ErrForbidden = errors.New("forbidden")
	// ErrConflict says that the act contradicts what is stored: a name that is taken, a member who is there already.
	ErrConflict = errors.New("conflict")
	// ErrInvalid says that an argument is not acceptable, whatever is stored. [Field] names it.
	ErrInvalid = errors.New("invalid")
	// ErrUnauthenticated says that a password or token is wrong, expired or revoked.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrTokenExpired is the [ErrUnauthenticated] of a token that was good until it expired: its owner can refresh it.
	ErrTokenExpired = fmt.Errorf("token expired: %w", ErrUnauthenticated)
	// ErrCursorExpired says that events cannot be resumed from a cursor without a gap: it is older than
	// the retention, or from another or a restored database.
	ErrCursorExpired = errors.New("cursor expired")
)

// An answer is an error whose text is meant for the caller.
type answer struct {
	kind    error
	field   string
	message string
}

func (a *answer) Error() string { return a.message }
func (a *answer) Unwrap() error { return a.kind }

// NotFound is the one answer for what is not there and for what is not the caller's. It takes no
// argument, so that the two cannot differ.
func NotFound() error { return &answer{kind: ErrNotFound, message: "not found"} }

// Forbidden returns an [ErrForbidden] with a text for the caller.
func Forbidden(format string, args ...any) error {
	return &answer{kind: ErrForbidden, message: fmt.Sprintf(format, args...)}
}

// Conflict returns an [ErrConflict] with a text for the caller.
func Conflict(format string, args ...any) error {
	return &answer{kind: ErrConflict, message: fmt.Sprintf(format, args...)}
}

// Invalid returns an [ErrInvalid] about the argument named field, with a text for the caller that says
// what would be acceptable.
func Invalid(field, format string, args ...any) error {
	return &answer{kind: ErrInvalid, field: field, message: fmt.Sprintf(format, args...)}
}

// Storable reports whether a text can be kept in any database: whether it is valid UTF-8 without NUL.
func Storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// CheckText returns an [ErrInvalid] about the first argument whose text is not [Storable], else nil. It takes the name of an
// argument, its text, the next name and so on. Stores begin with it whatever keeps a text, so that all refuse the same.
func CheckText(namesAndTexts ...string) error {
	for i := 0; i+1 < len(namesAndTexts); i += 2 {
		if !Storable(namesAndTexts[i+1]) {
			return Invalid(namesAndTexts[i], "%s must be valid UTF-8 without NUL", namesAndTexts[i])
		}
	}
	return nil
}

// Unauthenticated returns an [ErrUnauthenticated] with a text for the caller.
func Unauthenticated(format string, args ...any) error {
	return &answer{kind: ErrUnauthenticated, message: fmt.Sprintf(format, args...)}
}

// TokenExpired returns an [ErrTokenExpired] with a text for the caller.
func TokenExpired(format string, args ...any) error {
	return &answer{kind: ErrTokenExpired, message: fmt.Sprintf(format, args...)}
}

// CursorExpired is the answer to a cursor that cannot be resumed from.
func CursorExpired() error {
	return &answer{kind: ErrCursorExpired, message: "this cursor can no longer be resumed from: query again, and subscribe from the new eventCursor"}
}

// Field returns the name of the argument that an [ErrInvalid] is about, else "".
func Field(err error) string {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.field
	}
	return ""
}

// Message returns the text that an answer has for its caller. It is "" for an error that is no answer,
// whose text is for the log alone.
func Message(err error) string {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.message
	}
	return ""
}
