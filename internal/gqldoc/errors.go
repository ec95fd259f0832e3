package gqldoc

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Classes of errors, for [errors.Is].
var (
	// ErrSyntax means that a document does not parse, or that it is unclear which operation to run.
	// The error is an [*Error].
	ErrSyntax = errors.New("syntax error")
	// ErrInvalid means that a document or a variable does not match the schema. The error is an
	// [*Error].
	ErrInvalid = errors.New("invalid")
	// ErrTooComplex means that a document exceeds a limit. The error is a [*LimitError].
	ErrTooComplex = errors.New("too complex")
)

// Location is a position in the document as the client sent it. Line and Column start at 1. Column
// counts characters.
type Location struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Error is a mistake in a document or its variables. The message is for the client. It names
// fields, arguments and types, but never contains a value, because a value may be a password.
type Error struct {
	Message   string
	Locations []Location

	class error
}

func (e *Error) Error() string { return e.Message }

// Unwrap returns the class of the error, [ErrSyntax] or [ErrInvalid].
func (e *Error) Unwrap() error { return e.class }

// LimitError says which limit a document exceeds.
type LimitError struct {
	// What is counted, as in the message: "tokens", "levels of depth".
	What string
	// Figure is the number that the document has.
	Figure int
	// Bound is the maximum that is allowed.
	Bound int
	// Remedy is what the client can do about it, or "" if that is obvious.
	Remedy string
}

func (e *LimitError) Error() string {
	message := fmt.Sprintf("this document has %d %s; at most %d are allowed", e.Figure, e.What, e.Bound)
	if e.Remedy != "" {
		message += ": " + e.Remedy
	}
	return message
}

// Unwrap returns [ErrTooComplex].
func (e *LimitError) Unwrap() error { return ErrTooComplex }

// WithoutSuggestion removes the suggestion of schema names that executors add to their validation
// messages.
func WithoutSuggestion(message string) string {
	before, _, _ := strings.Cut(message, " Did you mean ")
	return before
}

// quotedToken matches a token as the parser quotes it. Even a Name may be a secret value, if the
// client forgot its quotes.
var quotedToken = regexp.MustCompile(`\b(String|BlockString|Int|Float|Name) "(?:[^"\\]|\\.)*"`)

// withoutToken removes the text that a parser message quotes from the document, and keeps the kind
// of the token. The location says where it is. After a bad escape sequence the parser quotes the
// whole rest of the document.
func withoutToken(message string) string {
	if before, _, found := strings.Cut(message, ": "); found && strings.HasPrefix(message, "Invalid ") {
		return before + "."
	}
	return quotedToken.ReplaceAllString(message, "$1")
}

// withoutValue removes the value that a message of the validation rules quotes.
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

// OfExecutor returns a validation message of the executor without suggestions and values. Messages
// of rules that [Document.Validate] checks as well become a generic text.
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

// fromParser converts an error of the parser or the validator.
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
