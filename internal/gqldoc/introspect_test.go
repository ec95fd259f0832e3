package gqldoc

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The schema, the query of getIntrospectionQuery in graphql-js 16 with all options, and the answer
// of its introspectionFromSchema.
//
//go:embed testdata/introspection.graphql
var everythingSDL string

//go:embed testdata/introspection-query.graphql
var everythingAsked string

//go:embed testdata/introspection.json
var everythingAnswered string

// introspect runs a document that has only introspection fields.
func introspect(t *testing.T, s *Schema, document string, variables map[string]any) string {
	t.Helper()
	doc, err := s.Parse(document, "", variables)
	require.NoError(t, err, document)
	require.Empty(t, doc.Validate(), document)
	require.True(t, doc.UsesIntrospection)
	coerced, err := doc.CoerceVariables()
	require.NoError(t, err)
	got, err := doc.Introspect(coerced)
	require.NoError(t, err, document)
	require.Empty(t, got.Rest)
	data, err := got.Merge(nil)
	require.NoError(t, err)
	return string(data)
}

type named = map[string]any

// comparableSchema sorts what has no order, and removes descriptions of built-in types and
// directives.
func comparableSchema(t *testing.T, text string) named {
	t.Helper()
	var data map[string]named
	require.NoError(t, json.Unmarshal([]byte(text), &data))
	s := data["__schema"]
	byName := func(list any) {
		slices.SortFunc(list.([]any), func(a, b any) int {
			return cmp.Compare(a.(named)["name"].(string), b.(named)["name"].(string))
		})
	}
	builtIn := func(d named) {
		name := d["name"].(string)
		if !strings.HasPrefix(name, "__") && !slices.Contains([]string{"Int", "Float", "String", "Boolean", "ID", "include", "skip", "deprecated", "specifiedBy", "oneOf"}, name) {
			return
		}
		d["description"] = nil
		for _, below := range []string{"fields", "enumValues", "args"} {
			list, _ := d[below].([]any)
			for _, item := range list {
				item.(named)["description"] = nil
			}
		}
	}
	for _, list := range []string{"types", "directives"} {
		byName(s[list])
		for _, d := range s[list].([]any) {
			builtIn(d.(named))
			if possible := d.(named)["possibleTypes"]; possible != nil {
				byName(possible)
			}
		}
	}
	return s
}

func TestIntrospectionMatchesTheReferenceImplementation(t *testing.T) {
	t.Parallel()
	s, err := NewSchema(everythingSDL, Limits{})
	require.NoError(t, err)
	want := comparableSchema(t, everythingAnswered)
	got := comparableSchema(t, introspect(t, s, everythingAsked, nil))
	for _, list := range []string{"types", "directives"} {
		for i, d := range want[list].([]any) {
			require.Equal(t, d, got[list].([]any)[i])
		}
		require.Len(t, got[list], len(want[list].([]any)))
	}
	require.Equal(t, want, got)
}

func TestIntrospectionSupportsAliasesFragmentsAndVariables(t *testing.T) {
	t.Parallel()
	s, err := NewSchema(everythingSDL, Limits{})
	require.NoError(t, err)
	for document, want := range map[string]string{
		`{ __type(name: "Moment") { name kind url: specifiedByURL isOneOf fields { name } ofType { name } } }`: `{"__type":{"name":"Moment","kind":"SCALAR","url":"https://example.com/moment","isOneOf":null,"fields":null,"ofType":null}}`,
		`{ __type(name: "Nothing") { name } }`:                `{"__type":null}`,
		`query($n: String!) { __type(name: $n) { isOneOf } }`: `{"__type":{"isOneOf":true}}`,
		`{ a: __type(name: "Sort") { enumValues { name } } b: __type(name: "Sort") { enumValues(includeDeprecated: true) { n: name } } }`:                                `{"a":{"enumValues":[{"name":"NAME"},{"name":"AGE"}]},"b":{"enumValues":[{"n":"NAME"},{"n":"AGE"},{"n":"SIZE"}]}}`,
		`query($yes: Boolean!) { __type(name: "Filter") { inputFields(includeDeprecated: $yes) { name deprecationReason @skip(if: $yes) } } }`:                           `{"__type":{"inputFields":[{"name":"text"},{"name":"deep"},{"name":"ratio"},{"name":"none"},{"name":"gone"}]}}`,
		`query($yes: Boolean!) { ... @include(if: $yes) { __schema { description @skip(if: $yes) __typename } } __type(name: "Deep") @skip(if: $yes) { name } }`:         `{"__schema":{"__typename":"__Schema"}}`,
		`{ ...f __schema { queryType { name } } } fragment f on Root { __schema { queryType { ...g } mutationType { ...g } } } fragment g on __Type { kind __typename }`: `{"__schema":{"queryType":{"kind":"OBJECT","__typename":"__Type","name":"Root"},"mutationType":{"kind":"OBJECT","__typename":"__Type"}}}`,
		`{ __type(name: "Thing") { possibleTypes { name } } }`:                                        `{"__type":{"possibleTypes":[{"name":"Place"},{"name":"Person"}]}}`,
		`{ __type(name: "Root") { fields { name } } }`:                                                `{"__type":{"fields":[{"name":"node"},{"name":"things"},{"name":"thing"}]}}`,
		`{ __type(name: "Change") { interfaces { name } fields { type { name ofType { name } } } } }`: `{"__type":{"interfaces":[],"fields":[{"type":{"name":"Boolean","ofType":null}}]}}`,
	} {
		require.Equal(t, want, introspect(t, s, document, map[string]any{"n": "Either", "yes": true}), document)
	}
}

func TestMergeKeepsTheOrderOfFields(t *testing.T) {
	t.Parallel()
	s, err := NewSchema(everythingSDL, Limits{})
	require.NoError(t, err)
	doc, err := s.Parse(`query Q($id: ID!, $n: String = "Deep", $d: Boolean = true, $unused: Boolean = false) {
		first: __typename
		...f
		t: __type(name: $n) { name }
		thing @include(if: $unused) { __typename }
		last: __typename
	}
	fragment f on Root { s: __schema { queryType { fields(includeDeprecated: $d) { name @skip(if: $unused) } } } node(id: $id) { ...g } }
	fragment g on Node { id ... on Person { name @skip(if: $d) } }`, "", map[string]any{"id": "7"})
	require.NoError(t, err)
	require.Empty(t, doc.Validate())
	variables, err := doc.CoerceVariables()
	require.NoError(t, err)
	got, err := doc.Introspect(variables)
	require.NoError(t, err)

	rest, err := s.Parse(got.Rest, "Q", variables)
	require.NoError(t, err, got.Rest)
	require.Empty(t, rest.Validate(), "nothing in it is unused: %s", got.Rest)
	require.False(t, rest.UsesIntrospection)
	var keys []string
	for _, f := range rest.RootFields {
		keys = append(keys, f.Key)
	}
	require.Equal(t, []string{"first", "node", "last"}, keys)

	data, err := got.Merge(json.RawMessage(`{"last":"z","first":"a","node":null}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"first":"a","s":{"queryType":{"fields":[{"name":"node"},{"name":"things"},{"name":"thing"}]}},"node":null,"t":{"name":"Deep"},"last":"z"}`, string(data))
	require.Regexp(t, `^{"first":.*,"s":.*,"node":.*,"t":.*,"last":.*}$`, string(data))
	data, err = got.Merge(json.RawMessage(`null`))
	require.NoError(t, err)
	require.Equal(t, `null`, string(data), "a null that reaches the root makes all data null")
}

func TestConflictingIntrospectionFieldsAreRefused(t *testing.T) {
	t.Parallel()
	s, err := NewSchema(everythingSDL, Limits{})
	require.NoError(t, err)
	for _, document := range []string{
		`{ a: __schema { description } a: __type(name: "Deep") { description } }`,
		`{ a: __typename a: __schema { description } }`,
		`{ a: __type(name: "Deep") { name } a: __type(name: "Sort") { name } }`,
		`{ __type(name: "Deep") { a: name a: kind } }`,
		`{ __type(name: "Deep") { ofType { a: name ...f } } } fragment f on __Type { a: kind }`,
		`{ __type(name: "Deep") { fields { name } fields(includeDeprecated: true) { name } } }`,
		`{ __type(name: "Deep") { a: name a: kind @skip(if: true) } }`,
	} {
		doc, err := s.Parse(document, "", nil)
		require.NoError(t, err)
		require.Empty(t, doc.Validate())
		_, err = doc.Introspect(nil)
		require.ErrorIs(t, err, ErrInvalid, document)
	}
}

func TestTooLongIntrospectionAnswersAreRefused(t *testing.T) {
	t.Parallel()
	s, err := NewSchema(everythingSDL+strings.Repeat("\n", 3)+many(300), Limits{})
	require.NoError(t, err)
	doc, err := s.Parse(`{ `+each(15, `a%d: __schema { types { fields { type { fields { description name args { name } } } } } } `, next)+`}`, "", nil)
	require.NoError(t, err)
	require.Empty(t, doc.Validate())
	_, err = doc.Introspect(nil)
	require.ErrorIs(t, err, ErrTooComplex)
	require.ErrorContains(t, err, "bytes of introspection")
}

// many returns a schema with n types, whose fields all have the first type.
func many(n int) string {
	return `type T0 { ` + each(30, "f%d: T0 ", same) + "}\n" + each(n, "type T%d { a: T0 b: T0 c: T0 d: T0 }\n", next)
}
