package bunstore

import (
	"encoding/json"
	"fmt"
	"strings"
)

// in returns the condition that an expression equals one of the values of an argument made by
// [list].
func (s *Store) in(expression, argument, sqlType string) string {
	if s.dialect == SQLite {
		return fmt.Sprintf("%s IN (SELECT value FROM json_each(%s))", expression, argument)
	}
	return fmt.Sprintf("%s = ANY(%s::%s[])", expression, argument, sqlType)
}

// values returns a query that selects the values of an argument made by [list].
func (s *Store) values(argument, sqlType string) string {
	if s.dialect == SQLite {
		return fmt.Sprintf("SELECT value FROM json_each(%s)", argument)
	}
	return fmt.Sprintf("SELECT unnest(%s::%s[])", argument, sqlType)
}

func jsonArray[T ~int64 | ~string](values []T) string {
	if len(values) == 0 {
		return "[]"
	}
	b, err := json.Marshal(values)
	if err != nil {
		return "[]" // numbers and strings can always be marshaled
	}
	return string(b)
}

var arrayQuotes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arrayLiteral returns a PostgreSQL array as text, a form that every driver accepts.
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

// pairs returns a table with two columns a and b, for the arguments of [Store.pairArgs], which are
// numbered from first. On SQLite the pairs are one argument: to join two lists by position, SQLite
// would scan the second list for each entry of the first.
func (s *Store) pairs(first int) string {
	if s.dialect == SQLite {
		return fmt.Sprintf("(SELECT json_extract(value, '$[0]') AS a, json_extract(value, '$[1]') AS b FROM json_each($%d))", first)
	}
	return fmt.Sprintf("(SELECT * FROM unnest($%d::bigint[], $%d::bigint[]) AS q (a, b))", first, first+1)
}

// pairArgs returns the arguments for [Store.pairs]. Both lists must have the same length.
func (s *Store) pairArgs(a, b []int64) []any {
	if s.dialect != SQLite {
		return []any{list(s, a), list(s, b)}
	}
	var text strings.Builder
	for i := range a {
		fmt.Fprintf(&text, ",[%d,%d]", a[i], b[i])
	}
	return []any{"[" + strings.TrimPrefix(text.String(), ",") + "]"}
}
