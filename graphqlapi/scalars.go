package graphqlapi

import (
	"errors"
	"time"
)

// dateTimeLayout is the format of times: always in UTC and with six fractional digits, so that
// equal times have equal texts.
const dateTimeLayout = "2006-01-02T15:04:05.000000Z07:00"

func formatTime(t time.Time) string { return t.UTC().Format(dateTimeLayout) }

// dateTime is the scalar DateTime. It is used only in answers.
type dateTime struct{ at time.Time }

func (dateTime) ImplementsGraphQLType(name string) bool { return name == "DateTime" }

func (*dateTime) UnmarshalGraphQL(any) error { return errOutputOnly }

// errOutputOnly is the error for a type that is used only in answers.
var errOutputOnly = errors.New("this type cannot be an input")

// MarshalJSON implements [encoding/json.Marshaler].
func (d dateTime) MarshalJSON() ([]byte, error) { return []byte(`"` + formatTime(d.at) + `"`), nil }

// optionalTime returns nil for the zero time.
func optionalTime(t time.Time) *dateTime {
	if t.IsZero() {
		return nil
	}
	return &dateTime{t}
}

// genericScalar is the scalar GenericScalar. It is used only in answers.
type genericScalar map[string]any

func (genericScalar) ImplementsGraphQLType(name string) bool { return name == "GenericScalar" }

func (*genericScalar) UnmarshalGraphQL(any) error { return errOutputOnly }

// optionalText returns nil for "".
func optionalText(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
