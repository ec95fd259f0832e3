package gqldoc

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewSchemaRejectsInvalidSDL(t *testing.T) {
	t.Parallel()
	_, err := NewSchema("type Query { a: Nowhere }", Limits{})
	require.ErrorContains(t, err, "Nowhere")
}

func TestSyntaxErrorsHaveALocation(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{})
	for name, c := range map[string]struct {
		query        string
		line, column int
	}{
		"nothing":                       {"", 1, 1},
		"a comment alone":               {"# hello", 1, 1},
		"an open brace":                 {"{ me {\n  id ", 2, 6},
		"an empty selection":            {"{ me { } }", 1, 8},
		"a word too many":               {"query A B { me { id } }", 1, 9},
		"a type definition":             {"type Query { me: Int }", 1, 1},
		"an open string":                {"{ user(id: \"1) { id } }", 1, 24},
		"an escape of Go's":             {`{ user(id: "\x41") { id } }`, 1, 14},
		"an open block string":          {`{ user(id: """1) { id } }`, 1, 26},
		"four quotes":                   {`{ user(id: """1"""") { id } }`, 1, 19},
		"half a surrogate pair":         {`{ user(id: "é\uD83D") { id } }`, 1, 12},
		"the other half":                {`{ user(id: "\uDE00") { id } }`, 1, 12},
		"the halves the wrong way":      {`{ user(id: "\uDE00\uD83D") { id } }`, 1, 12},
		"a half before another escape":  {`{ user(id: "\uD83D\n") { id } }`, 1, 12},
		"a braced half":                 {`{ user(id: "\u{D83D}") { id } }`, 1, 14},
		"beyond Unicode":                {`{ user(id: "\u{110000}") { id } }`, 1, 14},
		"a number run into a name":      {"{ chats(first: 5last: 5) { totalCount } }", 1, 17},
		"a leading zero":                {"{ chats(first: 05) { totalCount } }", 1, 17},
		"a control character":           {"{ me\x00 { id } }", 1, 5},
		"a fragment with variables":     {"{ me { ...F } } fragment F($a: Int) on User { id }", 1, 17},
		"a variable in a default":       {"query ($a: Int = $b) { me { id } }", 1, 18},
		"a line and column behind CRLF": {"{\r\n  me {\r\n    é: }\r\n}", 3, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Parse(c.query, "", nil)
			require.ErrorIs(t, err, ErrSyntax)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Message)
			require.Equal(t, []Location{{c.line, c.column}}, e.Locations, e.Message)
		})
	}
	_, err := schema.Parse("{ user(id: \"\xff\") { id } }", "", nil)
	require.ErrorIs(t, err, ErrSyntax)
}

func TestParseSelectsTheOperationByName(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{})
	const two = "query A { me { id } } mutation B { refreshToken { token } }"
	for name, c := range map[string]struct {
		query, operation string
		want             Operation
		message          string
	}{
		"the only one":            {"{ me { id } }", "", Query, ""},
		"the only one by name":    {"subscription S { subscribe { success } }", "S", Subscription, ""},
		"one of two":              {two, "B", Mutation, ""},
		"the other":               {two, "A", Query, ""},
		"none of two":             {two, "", "", "Must provide operation name if query contains multiple operations."},
		"a name that is not":      {two, "C", "", `Unknown operation named "C".`},
		"the case matters":        {two, "a", "", `Unknown operation named "a".`},
		"a name for the nameless": {"{ me { id } }", "A", "", `Unknown operation named "A".`},
		"fragments alone":         {"fragment F on User { id }", "", "", "Must provide an operation."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := schema.Parse(c.query, c.operation, nil)
			if c.message != "" {
				require.ErrorIs(t, err, ErrSyntax)
				require.EqualError(t, err, c.message)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, d.Operation)
		})
	}
}

func TestFragmentCyclesAreRefused(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{})
	for name, query := range map[string]string{
		"itself":         "{ me { ...A } } fragment A on User { ...A }",
		"deep in itself": "{ me { ...A } } fragment A on User { chats { nodes { user { ...A } } } }",
		"three":          "{ me { ...A } } fragment A on User { ...B } fragment B on User { ... { ...C } } fragment C on User { id ...A }",
		"that is unused": "{ me { id } } fragment A on User { ...B } fragment B on User { ...A }",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Parse(query, "", nil)
			require.ErrorIs(t, err, ErrInvalid)
			require.ErrorContains(t, err, `Cannot spread fragment "A" within itself.`)
			var e *Error
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Locations)
		})
	}
}

func TestEachErrorHasOneClass(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{})
	for query, class := range map[string]error{
		"{": ErrSyntax,
		"{ me { ...A } } fragment A on User { ...A }":                                             ErrInvalid,
		`mutation { a: login(username: "u", password: "p") { token } b: refreshToken { token } }`: ErrTooComplex,
	} {
		_, err := schema.Parse(query, "", nil)
		for _, other := range []error{ErrSyntax, ErrInvalid, ErrTooComplex} {
			require.Equal(t, errors.Is(other, class), errors.Is(err, other), "%s: %v", query, err)
		}
	}
}

func TestSchemaIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, query := range []string{typical, introspection, "{ nothing }"} {
				d, err := schema.Parse(query, "", nil)
				assert.NoError(t, err)
				assert.Equal(t, query == "{ nothing }", len(d.Validate()) > 0)
				_, err = d.CoerceVariables()
				assert.NoError(t, err)
				assert.NotEmpty(t, d.Text())
			}
		})
	}
	wg.Wait()
}
