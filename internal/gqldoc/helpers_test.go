package gqldoc

import (
	_ "embed"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/schema.graphql
var chatSDL string

func newSchema(t testing.TB, limits Limits) *Schema {
	t.Helper()
	s, err := NewSchema(chatSDL, limits)
	require.NoError(t, err)
	return s
}

// withoutLimits removes all limits.
var withoutLimits = Limits{
	Bytes: -1, Tokens: -1, Depth: -1, Aliases: -1, AliasesOfField: -1, Directives: -1,
	Cost: -1, SubscriptionCost: -1, NamesOfText: -1, Credentials: -1,
}

func parse(t testing.TB, query string) *Document {
	t.Helper()
	d, err := newSchema(t, Limits{}).Parse(query, "", nil)
	require.NoError(t, err, query)
	return d
}

// each concatenates f(0) to f(n-1).
func each(n int, format string, args ...func(i int) any) string {
	var b strings.Builder
	for i := range n {
		values := make([]any, len(args))
		for j, arg := range args {
			values[j] = arg(i)
		}
		fmt.Fprintf(&b, format, values...)
	}
	return b.String()
}

func same(i int) any { return i }
func next(i int) any { return i + 1 }

// introspection is the default query of introspection tools, with as many levels of ofType as the
// newest ones use.
var introspection = `
query IntrospectionQuery {
  __schema {
    queryType { name kind }
    mutationType { name kind }
    subscriptionType { name kind }
    types { ...FullType }
    directives { name description locations args(includeDeprecated: true) { ...InputValue } }
  }
}
fragment FullType on __Type {
  kind name description specifiedByURL
  fields(includeDeprecated: true) {
    name description
    args(includeDeprecated: true) { ...InputValue }
    type { ...TypeRef }
    isDeprecated deprecationReason
  }
  inputFields(includeDeprecated: true) { ...InputValue }
  interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
  possibleTypes { ...TypeRef }
}
fragment InputValue on __InputValue {
  name description type { ...TypeRef } defaultValue isDeprecated deprecationReason
}
fragment TypeRef on __Type { kind name ` + strings.Repeat("ofType { kind name ", 9) + strings.Repeat("}", 9) + ` }`

const typical = `
query Inbox($n: Int = 20, $archived: Boolean) {
  me { id username }
  chats(archived: $archived, first: $n) {
    nodes {
      ...Head
      messages(first: 20) {
        nodes { id content date sender { id username } }
        pageInfo { hasNextPage endCursor }
      }
    }
    pageInfo { hasNextPage endCursor }
    totalCount
  }
}
fragment Head on Chat { id otherUser { id username } lastMessage { id content date sender { id } } }`
