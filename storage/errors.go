package storage

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// The kinds of errors that services return on purpose. Test for them with [errors.Is]. Any other
// error is an internal failure, and must not be shown to a user.
var (
	// ErrNotFound says that a thing does not exist, or that the caller may not see it. The two look
	// the same.
	ErrNotFound = errors.New("not found")
	// ErrForbidden says that the caller may see the thing, but may not do this with it.
	ErrForbidden = errors.New("forbidden")
	// ErrConflict says that the change contradicts what is stored: a name is taken, or a user is
	// already a member.
	ErrConflict = errors.New("conflict")
	// ErrInvalid says that an argument is not acceptable, independent of what is stored. [Field]
	// returns its name.
	ErrInvalid = errors.New("invalid")
	// ErrUnauthenticated says that a password or token is wrong, expired or revoked.
	ErrUnauthenticated = errors.New("unauthenticated")
	// ErrTokenExpired is the [ErrUnauthenticated] of a token that was valid until it expired. Its
	// owner can refresh it.
	ErrTokenExpired = fmt.Errorf("token expired: %w", ErrUnauthenticated)
	// ErrCursorExpired says that events cannot be resumed from a cursor without a gap. It is older
	// than the retention, or it is from another database or from before a restore.
	ErrCursorExpired = errors.New("cursor expired")
)

// answer is an error whose text is meant for the caller.
type answer struct {
	kind    error
	field   string
	message string
}

func (a *answer) Error() string { return a.message }
func (a *answer) Unwrap() error { return a.kind }

// NotFound returns the only error for what does not exist and for what the caller may not see. It
// takes no arguments, so that the two cannot differ.
func NotFound() error { return &answer{kind: ErrNotFound, message: "not found"} }

// Forbidden returns an [ErrForbidden] with a text for the caller.
func Forbidden(format string, args ...any) error {
	return &answer{kind: ErrForbidden, message: fmt.Sprintf(format, args...)}
}

// Conflict returns an [ErrConflict] with a text for the caller.
func Conflict(format string, args ...any) error {
	return &answer{kind: ErrConflict, message: fmt.Sprintf(format, args...)}
}

// Invalid returns an [ErrInvalid] about the argument named field, with a text for the caller that
// says what is acceptable.
func Invalid(field, format string, args ...any) error {
	return &answer{kind: ErrInvalid, field: field, message: fmt.Sprintf(format, args...)}
}

// Storable reports whether any database can store a text: it is valid UTF-8 without NUL.
func Storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// CheckText returns an [ErrInvalid] about the first argument whose text is not [Storable], or nil.
// Its arguments are pairs of a name and a text. Every store calls it first in a method that stores
// a text, so that all stores refuse the same texts.
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

// CursorExpired returns the error for an event cursor that cannot be resumed from.
func CursorExpired() error {
	return &answer{kind: ErrCursorExpired, message: "events can no longer be resumed from this cursor: query again, and subscribe from the new eventCursor"}
}

// Field returns the name of the argument that an [ErrInvalid] is about, or "".
func Field(err error) string {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.field
	}
	return ""
}

// Message returns the text of an error that is meant for the caller. It is "" for any other error,
// whose text is only for logs.
func Message(err error) string {
	if a, ok := errors.AsType[*answer](err); ok {
		return a.message
	}
	return ""
}
