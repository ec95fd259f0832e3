package graphqlapi_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestIntrospectionAnswersEverythingOverHTTPAndOnASocket(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.Introspection = true })
	asked, err := os.ReadFile("../internal/gqldoc/testdata/introspection-query.graphql")
	require.NoError(t, err)
	data := a.must(t, "", string(asked), nil)
	schema := data["__schema"].(object)
	require.Contains(t, schema["description"], "Chat between users")
	require.Equal(t, object{"name": "Query", "kind": "OBJECT"}, schema["queryType"])
	byName := map[any]object{}
	for _, list := range []string{"types", "directives"} {
		for _, d := range schema[list].([]any) {
			byName[at(d, "name")] = d.(object)
		}
	}
	require.Equal(t, "https://scalars.graphql.org/andimarek/date-time.html", byName["DateTime"]["specifiedByURL"])
	require.Equal(t, false, byName["PhoneNumberInput"]["isOneOf"])
	require.Nil(t, byName["Query"]["isOneOf"])
	require.Equal(t, false, byName["skip"]["isRepeatable"])
	require.Contains(t, byName, "oneOf")
	require.NotContains(t, byName, "defer")

	conn := a.connect(t, nil, nil)
	require.Equal(t, data, conn.run(string(asked), nil)["data"])
}

func TestIntrospectionStandsBesideOtherFields(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.Introspection = true })
	alice := a.register(t, "alice")
	const document = `query Q($n: String!, $u: String, $yes: Boolean = true) {
		...f
		t: __type(name: $n) { name isOneOf }
		users(username: $u) { nodes { username __typename } }
		chats { totalCount }
	}
	fragment f on Query { me { username } s: __schema @include(if: $yes) { mutationType { name } } }`
	variables := object{"n": "Chat", "u": "alice"}
	want := object{
		"me": object{"username": "alice"}, "s": object{"mutationType": object{"name": "Mutation"}},
		"t":     object{"name": "Chat", "isOneOf": nil},
		"users": object{"nodes": []any{object{"username": "alice", "__typename": "CustomUser"}}},
		"chats": object{"totalCount": 0.0},
	}
	got := a.ask(t, alice.token, document, variables)
	require.Equal(t, object{"data": want}, got.body)
	order := []int{}
	for _, key := range []string{`"me":`, `"s":`, `"t":`, `"users":`, `"chats":`} {
		order = append(order, strings.Index(got.text, key))
	}
	require.IsIncreasing(t, order, got.text)
	require.Equal(t, want, a.connectAs(t, alice).run(document, variables)["data"])

	noLogin := a.ask(t, "", document, variables)
	require.Nil(t, noLogin.body["data"], "chats is non-null, so all data is null")
	require.Equal(t, "UNAUTHENTICATED", noLogin.code())
	for document, code := range map[string]string{
		`{ a: __schema { description } a: __type(name: "Chat") { description } }`:                     "BAD_USER_INPUT",
		`{ me { a: id a: username } __schema { description } }`:                                       "BAD_USER_INPUT",
		`{ __schema { nothing } }`:                                                                    "BAD_USER_INPUT",
		`{ ` + strings.Repeat("__schema { types { fields { type { fields { name } } } } } ", 5) + `}`: "",
	} {
		got := a.ask(t, "", document, nil)
		if code == "" {
			require.NotContains(t, got.body, "errors")
			continue
		}
		require.Equal(t, code, got.code(), document)
		require.NotContains(t, got.body, "data")
	}
}
