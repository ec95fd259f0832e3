package gqldoc

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/graph-gophers/graphql-go"
	"github.com/stretchr/testify/require"
)

// fromJSON decodes variables with and without UseNumber.
func fromJSON(t *testing.T, text string) []map[string]any {
	t.Helper()
	var plain, exact map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &plain))
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&exact))
	return []map[string]any{plain, exact}
}

func TestCoerceVariablesReturnsTheExecutorsTypes(t *testing.T) {
	t.Parallel()
	schema := newEcho(t).schema
	for name, c := range map[string]struct {
		declared, given string
		want            map[string]any
	}{
		"int":                     {"$v: Int", `{"v": 3}`, map[string]any{"v": int32(3)}},
		"int as a whole float":    {"$v: Int", `{"v": 3.0}`, map[string]any{"v": int32(3)}},
		"int with an exponent":    {"$v: Int", `{"v": 3e2}`, map[string]any{"v": int32(300)}},
		"least int":               {"$v: Int", `{"v": -2147483648}`, map[string]any{"v": int32(math.MinInt32)}},
		"float":                   {"$v: Float", `{"v": 1.5}`, map[string]any{"v": 1.5}},
		"float as an integer":     {"$v: Float!", `{"v": 3}`, map[string]any{"v": 3.0}},
		"string":                  {"$v: String!", `{"v": "a\u0000😀"}`, map[string]any{"v": "a\x00😀"}},
		"boolean":                 {"$v: Boolean", `{"v": false}`, map[string]any{"v": false}},
		"id":                      {"$v: ID", `{"v": "x"}`, map[string]any{"v": "x"}},
		"id as a number":          {"$v: ID", `{"v": 4}`, map[string]any{"v": "4"}},
		"id as a long number":     {"$v: ID", `{"v": 9007199254740991}`, map[string]any{"v": "9007199254740991"}},
		"enum":                    {"$v: Color", `{"v": "RED"}`, map[string]any{"v": "RED"}},
		"null":                    {"$v: Int = 5", `{"v": null}`, map[string]any{"v": nil}},
		"not given":               {"$v: Int", `{}`, map[string]any{}},
		"default":                 {"$v: Int = 5, $w: ID = 6, $x: Color = RED", `{}`, map[string]any{"v": int32(5), "w": "6", "x": "RED"}},
		"default over 53 bits":    {"$v: ID = 9007199254740993", `{}`, map[string]any{"v": "9007199254740993"}},
		"default of null":         {"$v: Int = null", `{}`, map[string]any{"v": nil}},
		"default in place":        {"$v: Int! = 5", `{"v": 6}`, map[string]any{"v": int32(6)}},
		"default object":          {`$v: Phone = {number: "1", rank: 2, tags: ["a", "b"]}`, `{}`, map[string]any{"v": map[string]any{"number": "1", "rank": int32(2), "tags": []any{"a", "b"}, "country": "49"}}},
		"list":                    {"$v: [ID!]!", `{"v": [1, "b"]}`, map[string]any{"v": []any{"1", "b"}}},
		"empty list":              {"$v: [ID!]!", `{"v": []}`, map[string]any{"v": []any{}}},
		"list with null":          {"$v: [Int]", `{"v": [1, null]}`, map[string]any{"v": []any{int32(1), nil}}},
		"one for a list":          {"$v: [ID!]", `{"v": 7}`, map[string]any{"v": []any{"7"}}},
		"one for a list of lists": {"$v: [[Int!]]!", `{"v": 7}`, map[string]any{"v": []any{[]any{int32(7)}}}},
		"null for a list":         {"$v: [ID!]", `{"v": null}`, map[string]any{"v": nil}},
		"object with default":     {"$v: Phone", `{"v": {"number": "1", "owner": 5}}`, map[string]any{"v": map[string]any{"number": "1", "country": "49", "owner": "5"}}},
		"object with null":        {"$v: Phone", `{"v": {"number": "1", "country": null}}`, map[string]any{"v": map[string]any{"number": "1", "country": nil}}},
		"undeclared is left out":  {"$v: Int", `{"v": 1, "w": {"x": [1]}}`, map[string]any{"v": int32(1)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, given := range fromJSON(t, c.given) {
				before, err := json.Marshal(given)
				require.NoError(t, err)
				d, err := schema.Parse("query ("+c.declared+") { __typename }", "", given)
				require.NoError(t, err)
				got, err := d.CoerceVariables()
				require.NoError(t, err)
				require.Equal(t, c.want, got)
				after, err := json.Marshal(given)
				require.NoError(t, err)
				require.Equal(t, string(before), string(after), "the input is not modified")
			}
		})
	}
}

func TestCoerceVariablesRejectsWrongTypes(t *testing.T) {
	t.Parallel()
	schema := newEcho(t).schema
	for name, c := range map[string]struct{ declared, given, message string }{
		"string for int":        {"$v: Int", `{"v": "3"}`, `Variable "$v" must be an integer.`},
		"fraction for int":      {"$v: Int", `{"v": 3.5}`, `Variable "$v" must be an integer.`},
		"33 bits for int":       {"$v: Int", `{"v": 2147483648}`, `Variable "$v" must be an integer of 32 bits.`},
		"boolean for int":       {"$v: Int", `{"v": true}`, `Variable "$v" must be an integer.`},
		"string for float":      {"$v: Float", `{"v": "1.5"}`, `Variable "$v" must be a number.`},
		"number for string":     {"$v: String", `{"v": 65}`, `Variable "$v" must be a string.`},
		"list for string":       {"$v: String", `{"v": ["a"]}`, `Variable "$v" must be a string.`},
		"object for string":     {"$v: String", `{"v": {"a": 1}}`, `Variable "$v" must be a string.`},
		"number for boolean":    {"$v: Boolean", `{"v": 1}`, `Variable "$v" must be true or false.`},
		"string for boolean":    {"$v: Boolean", `{"v": "true"}`, `Variable "$v" must be true or false.`},
		"fraction for id":       {"$v: ID", `{"v": 1.5}`, `Variable "$v" must be a string or an integer.`},
		"boolean for id":        {"$v: ID", `{"v": true}`, `Variable "$v" must be a string or an integer.`},
		"unknown enum":          {"$v: Color", `{"v": "BLUE"}`, `Variable "$v" must be a value of the enum "Color".`},
		"enum in small letters": {"$v: Color", `{"v": "red"}`, `Variable "$v" must be a value of the enum "Color".`},
		"number for enum":       {"$v: Color", `{"v": 0}`, `Variable "$v" must be a value of the enum "Color".`},
		"null for non-null":     {"$v: Int!", `{"v": null}`, `Variable "$v" of non-null type "Int!" must not be null.`},
		"null over a default":   {"$v: Int! = 5", `{"v": null}`, `Variable "$v" of non-null type "Int!" must not be null.`},
		"not given":             {"$v: Int!", `{}`, `Variable "$v" of required type "Int!" was not provided.`},
		"wrong in a list":       {"$v: [[Int!]]", `{"v": [[1], [2, "x"]]}`, `Variable "$v[1][1]" must be an integer.`},
		"null in a list":        {"$v: [Int!]", `{"v": [1, null]}`, `Variable "$v[1]" of non-null type "Int!" must not be null.`},
		"null in one for list":  {"$v: [Int!]!", `{"v": null}`, `Variable "$v" of non-null type "[Int!]!" must not be null.`},
		"text for object":       {"$v: Phone", `{"v": "1"}`, `Variable "$v" must be an object of type "Phone".`},
		"list for object":       {"$v: Phone", `{"v": []}`, `Variable "$v" must be an object of type "Phone".`},
		"wrong in an object":    {"$v: Phone", `{"v": {"number": 1}}`, `Variable "$v.number" must be a string.`},
		"deep in an object":     {"$v: [Phone]", `{"v": {"number": "1", "tags": ["a", 5]}}`, `Variable "$v.tags[1]" must be a string.`},
		"missing in an object":  {"$v: Phone", `{"v": {}}`, `Variable "$v" lacks the field "number" of required type "String!".`},
		"unknown in an object":  {"$v: Phone", `{"v": {"number": "1", "no": 1}}`, `Variable "$v" has the field "no", which type "Phone" does not define.`},
		"unknown type":          {"$v: Nothing", `{"v": 1}`, `Variable "$v" is of the unknown type "Nothing".`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, given := range fromJSON(t, c.given) {
				d, err := schema.Parse("query ("+c.declared+") { __typename }", "", given)
				require.NoError(t, err)
				_, err = d.CoerceVariables()
				require.ErrorIs(t, err, ErrInvalid)
				require.EqualError(t, err, c.message)
				var e *Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, []Location{{1, 8}}, e.Locations)
			}
		})
	}
}

// Executors accept such a variable because of its default, and then fail on the null.
func TestCoerceVariablesRejectsNullWhereAValueIsRequired(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	given := map[string]any{"v": nil}
	for name, query := range map[string]string{
		"in a directive":             `query ($v: Boolean = true) { echo(number: 1) @include(if: $v) }`,
		"in an object":               `query ($v: String = "1") { echo(phone: {number: $v}) }`,
		"in a fragment":              `query ($v: Boolean = true) { ...F } fragment F on Query { echo(number: 1) @skip(if: $v) }`,
		"beside where it may be one": `query ($v: String = "1") { echo(text: $v, phone: {number: $v}) }`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := server.schema.Parse(query, "", given)
			require.NoError(t, err)
			require.Empty(t, d.Validate())
			_, err = d.CoerceVariables()
			require.ErrorIs(t, err, ErrInvalid)
			require.EqualError(t, err, `Variable "$v" must not be null where it is used.`)

			d, err = server.schema.Parse(query, "", nil)
			require.NoError(t, err)
			_, err = d.CoerceVariables()
			require.NoError(t, err, "the default is used")
		})
	}

	got, err := server.ask(`query ($v: Int = 5) { echo(number: $v) }`, given)
	require.NoError(t, err, "null is allowed here")
	require.Nil(t, got.Number)
	d, err := server.schema.Parse(`query A($v: Int = 5) { echo(number: $v) } query B($v: Boolean = true) { echo(number: 1) @include(if: $v) }`, "A", given)
	require.NoError(t, err)
	_, err = d.CoerceVariables()
	require.NoError(t, err, "only the selected operation counts")
}

func TestCoerceVariablesAcceptsGoNumbers(t *testing.T) {
	t.Parallel()
	schema := newEcho(t).schema
	for _, n := range []any{7, int32(7), int64(7), 7.0} {
		d, err := schema.Parse("query ($i: Int, $f: Float, $d: ID) { __typename }", "", map[string]any{"i": n, "f": n, "d": n})
		require.NoError(t, err)
		got, err := d.CoerceVariables()
		require.NoError(t, err)
		require.Equal(t, map[string]any{"i": int32(7), "f": 7.0, "d": "7"}, got)

		d, err = schema.Parse("query ($s: String) { __typename }", "", map[string]any{"s": n})
		require.NoError(t, err)
		_, err = d.CoerceVariables()
		require.ErrorIs(t, err, ErrInvalid)
	}
	for _, n := range []any{math.NaN(), math.Inf(1), float64(1 << 53), json.Number("1e400"), json.Number("x")} {
		for _, typ := range []string{"Int", "Float", "ID"} {
			d, err := schema.Parse("query ($v: "+typ+") { __typename }", "", map[string]any{"v": n})
			require.NoError(t, err)
			_, err = d.CoerceVariables()
			if n == float64(1<<53) && typ == "Float" {
				require.NoError(t, err)
				continue
			}
			require.ErrorIs(t, err, ErrInvalid, "%v for %s", n, typ)
		}
	}
}

func TestVariableErrorsDoNotQuoteTheValue(t *testing.T) {
	t.Parallel()
	d, err := newEcho(t).schema.Parse("query ($v: [Int]) { __typename }", "", map[string]any{"v": []any{"hunter2"}})
	require.NoError(t, err)
	_, err = d.CoerceVariables()
	require.NotContains(t, err.Error(), "hunter2")
}

func TestCustomScalarsArePassedThrough(t *testing.T) {
	t.Parallel()
	schema, err := NewSchema("scalar JSON type Query { put(value: JSON): Int }", Limits{})
	require.NoError(t, err)
	given := map[string]any{"v": map[string]any{"a": []any{json.Number("1.5"), "x", nil, true}}}
	d, err := schema.Parse("query ($v: JSON) { put(value: $v) }", "", given)
	require.NoError(t, err)
	got, err := d.CoerceVariables()
	require.NoError(t, err)
	require.Equal(t, map[string]any{"v": map[string]any{"a": []any{1.5, "x", nil, true}}}, got)
}

func TestCoercedVariablesReachTheResolver(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	const query = `query ($text: String, $number: Int = 5, $ratio: Float, $id: ID, $ids: [ID!], $flag: Boolean, $color: Color, $phone: Phone) {
		echo(text: $text, number: $number, ratio: $ratio, id: $id, ids: $ids, flag: $flag, color: $color, phone: $phone) }`
	for _, given := range fromJSON(t, `{"text": "a\u0000\"😀", "ratio": 3, "id": 12345678901, "ids": "x", "flag": true, "color": "GREEN", "phone": {"number": "1", "owner": 5, "tags": ["a"], "rank": 2}}`) {
		got, err := server.ask(query, given)
		require.NoError(t, err)
		require.Equal(t, "a\x00\"😀", *got.Text)
		require.EqualValues(t, 5, *got.Number)
		require.EqualValues(t, 3, *got.Ratio)
		require.Equal(t, graphql.ID("12345678901"), *got.ID)
		require.Equal(t, []graphql.ID{"x"}, *got.IDs)
		require.True(t, *got.Flag)
		require.Equal(t, "GREEN", *got.Color)
		require.Equal(t, graphql.ID("5"), *got.Phone.Owner)
		require.Equal(t, "49", got.Phone.Country)
		require.EqualValues(t, 2, *got.Phone.Rank)
	}
	got, err := server.ask(query, nil)
	require.NoError(t, err)
	require.Nil(t, got.Text)
	require.EqualValues(t, 5, *got.Number)
}

// Without gqldoc, the executor rejects both: a default of a required variable, and a second
// operation whose variables are missing.
func TestExecutorAcceptsDefaultsAndOtherOperations(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	got, err := server.ask(`query ($number: Int! = 5) { echo(number: $number) }`, nil)
	require.NoError(t, err)
	require.EqualValues(t, 5, *got.Number)

	d, err := server.schema.Parse(`query A($text: String!) { echo(text: $text) } query B { echo(number: 1) }`, "B", nil)
	require.NoError(t, err)
	require.Empty(t, d.Validate())
	response := server.executor.Exec(t.Context(), d.Text(), "B", nil)
	require.Empty(t, response.Errors)
}
