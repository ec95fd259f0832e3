package gqldoc

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// The classes of refusal, to be told with [errors.Is].
var (
	// ErrSyntax says that a document does not parse, or does not say which operation is to run. The error is an [*Error].
	ErrSyntax = errors.New("syntax error")
	// ErrInvalid says that a document, or a variable, does not fit the schema. The error is an [*Error].
	ErrInvalid = errors.New("invalid")
	// ErrTooComplex says that a document is beyond a limit. The error is a [*LimitError].
	ErrTooComplex = errors.New("too complex")
)

// Location is a place in the document as the client sent it. Both count from one, columns in characters.
type Location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Error is a mistake in a document or its variables. Its message is for the client. It names
// fields, arguments and types, and has nothing of a value, wherever that was given, since a value
// may be a password.
type Error struct {
	Message   string
	Locations []Location

	class error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the error's class, [ErrSyntax] or [ErrInvalid].
func (e *Error) Unwrap() error { return e.class }

// LimitError says which limit a document is beyond.
type LimitError struct {
	// What is counted, as the message says it: "tokens", "levels of depth".
	What string
	// Figure is what the document has.
	Figure int
	// Bound is what it may have.
	Bound int
	// Remedy is what the client can do about it, "" where that is plain.
	Remedy string
}

func (e *LimitError) Error() string {
	message := fmt.Sprintf("this document has %d %s, and may have at most %d", e.Figure, e.What, e.Bound)
	if e.Remedy != "" {
		message += ": " + e.Remedy
	}
	return message
}

// Unwrap returns [ErrTooComplex].
func (e *LimitError) Unwrap() error { return ErrTooComplex }

// WithoutSuggestion cuts off what an executor's own validation adds to its messages about the schema's names.
func WithoutSuggestion(message string) string {
	before, _, _ := strings.Cut(message, " Did you mean ")
	return before
}

// quotedToken is how the parser quotes a token. A name may be a value whose quotes were forgotten.
var quotedToken = regexp.MustCompile(`\b(String|BlockString|Int|Float|Name) "(?:[^"\\]|\\.)*"`)

// withoutToken takes from a message of the parser what it quotes of the document: the kind of a
// token stays, and the location says where it is. Behind a bad escape sequence the parser quotes
// all the rest of the document.
func withoutToken(message string) string {
	if before, _, found := strings.Cut(message, ": "); found && strings.HasPrefix(message, "Invalid ") {
		return before + "."
	}
	return quotedToken.ReplaceAllString(message, "$1")
}

// withoutValue does the same to a message of the rules about values.
func withoutValue(message string) string {
	if before, value, found := strings.Cut(message, ", found "); found && value != "null." {
		return before + "."
	}
	if before, _, found := strings.Cut(message, " value: "); found {
		return before + " value."
	}
	const unknown = `" does not exist in "`
	if at := strings.LastIndex(message, unknown); at >= 0 && strings.HasPrefix(message, `Value "`) {
		return "This value" + message[at+1:]
	}
	return message
}

// OfExecutor returns the message of an executor's own validation, made by the rule of this name,
// without suggestions and without values. What the other rules say, [Document.Validate] has said
// before.
func OfExecutor(rule, message string) string {
	switch rule {
	case "OverlappingFieldsCanBeMergedRule", "OverlapValidationLimitExceeded", "MaxDepthExceeded":
		return WithoutSuggestion(message)
	}
	return "This document or its variables do not fit the schema."
}

func syntaxError(at Location, format string, args ...any) *Error {
	e := &Error{Message: fmt.Sprintf("Syntax Error: "+format, args...), class: ErrSyntax}
	if at.Line > 0 {
		e.Locations = []Location{at}
	}
	return e
}

// fromParser makes an Error of what the parser or the validator returns.
func fromParser(err error, class error) *Error {
	var g *gqlerror.Error
	if !errors.As(err, &g) {
		return &Error{Message: err.Error(), class: class}
	}
	e := &Error{Message: g.Message, class: class}
	if errors.Is(class, ErrSyntax) {
		e.Message = "Syntax Error: " + withoutToken(g.Message)
	}
	for _, l := range g.Locations {
		if l.Line > 0 {
			e.Locations = append(e.Locations, Location{Line: l.Line, Column: l.Column})
		}
	}
	return e
}
