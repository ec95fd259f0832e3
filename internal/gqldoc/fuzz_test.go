package gqldoc

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/graph-gophers/graphql-go"
	executorerrors "github.com/graph-gophers/graphql-go/errors"
	"github.com/stretchr/testify/require"
)

// Any input results in an error of exactly one class, or in a document that formats to itself.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		typical, introspection,
		`mutation L($p: String!) { login(username: "a\u{1F600}\/", password: $p) { token } }`,
		"{ users(search: \"\"\"\n  a \\\"\"\" b\n\"\"\") { nodes { id } } }",
		"subscription { events(after: null) { ... on Event @include(if: true) { id } } }",
		"{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }",
		`query A { node(id: 5) { ... on Chat { messages(last: -1) { edges { cursor } } } } } query B { me { id } }`,
	} {
		f.Add(seed, "", `{"n": 5, "p": "x"}`)
	}
	f.Add("query A($n: Int! = 5) { chats(first: $n) { totalCount } } query B { me { id } }", "A", `{}`)
	schema := newSchema(f, Limits{Texts: []string{"Message.content"}})
	executor := graphql.MustParseSchema(chatSDL, nil, graphql.UseStringDescriptions(), graphql.OverlapValidationLimit(10_000))
	f.Fuzz(func(t *testing.T, query, operation, given string) {
		var variables map[string]any
		_ = json.Unmarshal([]byte(given), &variables)
		doc, err := schema.Parse(query, operation, variables)
		if err != nil {
			require.Nil(t, doc)
			classes := 0
			for _, class := range []error{ErrSyntax, ErrInvalid, ErrTooComplex} {
				if errors.Is(err, class) {
					classes++
				}
			}
			require.Equal(t, 1, classes, "%v", err)
			require.NotEmpty(t, err.Error())
			return
		}
		require.LessOrEqual(t, doc.Cost, 25_000)
		errs := doc.Validate()
		require.LessOrEqual(t, len(errs), MaxErrors)
		coerced, err := doc.CoerceVariables()
		if len(errs) > 0 || err != nil {
			return
		}
		require.NotEmpty(t, doc.RootFields)

		for _, text := range []string{doc.Text(), doc.AsQuery()} {
			for _, e := range executor.ValidateWithVariables(text, coerced) {
				require.NotErrorIs(t, e, executorerrors.ErrSyntax, text)
			}
		}
		again, err := schema.Parse(doc.Text(), operation, coerced)
		require.NoError(t, err, doc.Text())
		require.Equal(t, doc.Text(), again.Text())
		require.Equal(t, doc.Operation, again.Operation)
		require.Equal(t, doc.Cost, again.Cost)
		require.Len(t, again.RootFields, len(doc.RootFields))
		for i := range doc.RootFields {
			require.Equal(t, doc.RootFields[i].Key, again.RootFields[i].Key)
			require.Equal(t, doc.RootFields[i].Name, again.RootFields[i].Name)
		}
		require.Empty(t, again.Validate())
	})
}

// Each string reaches the resolver unchanged or is refused.
func FuzzString(f *testing.F) {
	for _, seed := range []string{"", "a", "\"", "\\", "\\u0041", "\"\"\"", "\n\r\t", "\x00\x7f\u0085\u2028\ufeff😀", "#{$@"} {
		f.Add(seed)
	}
	server := newEcho(f)
	f.Fuzz(func(t *testing.T, text string) {
		literal, err := json.Marshal(text) // a JSON string is a valid GraphQL string
		require.NoError(t, err)
		var want string
		require.NoError(t, json.Unmarshal(literal, &want))
		got, err := server.ask("{ echo(text: "+string(literal)+") }", nil)
		require.NoError(t, err)
		require.Equal(t, want, *got.Text)
		got, err = server.ask("query ($text: String) { echo(text: $text) }", map[string]any{"text": want})
		require.NoError(t, err)
		require.Equal(t, want, *got.Text)
	})
}

func BenchmarkParse(b *testing.B) {
	schema := newSchema(b, Limits{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := schema.Parse(typical, "", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseValidateCoerceAndWrite(b *testing.B) {
	schema := newSchema(b, Limits{})
	b.ReportAllocs()
	for b.Loop() {
		doc, err := schema.Parse(typical, "", map[string]any{"n": 10.0})
		if err != nil || len(doc.Validate()) > 0 {
			b.Fatal(err)
		}
		if _, err := doc.CoerceVariables(); err != nil {
			b.Fatal(err)
		}
		_ = doc.Text()
	}
}
