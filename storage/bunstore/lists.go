package bunstore

import (
	"encoding/json"
	"fmt"
	"strings"
)

// in returns the condition that an expression is one of the values of an argument made by [list].
func (s *Store) in(expression, argument, sqlType string) string {
	if s.dialect == SQLite {
		return fmt.Sprintf("%s IN (SELECT value FROM json_each(%s))", expression, argument)
	}
	return fmt.Sprintf("%s = ANY(%s::%s[])", expression, argument, sqlType)
}

func jsonArray[T ~int64 | ~string](values []T) string {
	if len(values) == 0 {
		return "[]"
	}
	b, err := json.Marshal(values)
	if err != nil {
		return "[]" // not possible for numbers and strings
	}
	return string(b)
}

var arrayQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arrayLiteral returns an array of PostgreSQL as text, which every driver takes.
func arrayLiteral[T ~int64 | ~string](values []T) string {
	var b strings.Builder
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`"` + arrayQuotes.Replace(fmt.Sprint(v)) + `"`)
	}
	return "{" + b.String() + "}"
}

// pairs returns a table of two columns a and b, from two arguments of the same length made by [list] from numbers.
func (s *Store) pairs(a, b string) string {
	if s.dialect == SQLite {
		return fmt.Sprintf("(SELECT k.value AS a, l.value AS b FROM json_each(%s) k JOIN json_each(%s) l ON l.key = k.key)", a, b)
	}
	return fmt.Sprintf("(SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS q (a, b))", a, b)
}
