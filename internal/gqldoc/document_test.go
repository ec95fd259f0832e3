package gqldoc

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

func TestTextHasOnlyTheSelectedOperation(t *testing.T) {
	t.Parallel()
	d, err := newSchema(t, Limits{}).Parse(`
		# a comment
		"""a description""" query A("b" $n: Int = 5, $m: Int! = 6, $if: Boolean!) {
			mine: me @include(if: $if) { ...F ... on User { id } ... @skip(if: true) { email } }
			chats(first: $n, archived: null) { totalCount nodes { messages(last: $m) { totalCount } } }
			user(id: 7) { id }
		}
		mutation B { refreshToken { token } }
		query C($n: Int!) { chats(first: $n) { ...G } }
		fragment G on ChatConnection { totalCount }
		fragment F on User { username }`, "A", nil)
	require.NoError(t, err)
	require.Empty(t, d.Validate())
	require.Equal(t, `query A ($n: Int = 5, $m: Int!, $if: Boolean!) {
mine: me @include(if: $if) {
... F
... on User {
id
}
... @skip(if: true) {
email
}
}
chats(first: $n, archived: null) {
totalCount
nodes {
messages(last: $m) {
totalCount
}
}
}
user(id: "7") {
id
}
}
fragment F on User {
username
}
`, d.Text())
}

func TestAsQueryConvertsTheSelectedOperation(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{})
	d, err := schema.Parse(`
		query Other { me { ...Unused } }
		subscription S($after: String = "x") { events(after: $after) { ...E } }
		fragment Unused on User { id }
		fragment E on Event { id chat { ... { ...C } } }
		fragment C on Chat { id otherUser { ...U } lastMessage { sender { ...U } } }
		fragment U on User { username }`, "S", nil)
	require.NoError(t, err)
	parsed, err := parser.ParseQuery(&ast.Source{Input: d.AsQuery()})
	require.NoError(t, err)
	require.Len(t, parsed.Operations, 1)
	require.Equal(t, ast.Query, parsed.Operations[0].Operation)
	require.Equal(t, "S", parsed.Operations[0].Name)
	require.Len(t, parsed.Fragments, 3)
	for i, name := range []string{"E", "C", "U"} {
		require.Equal(t, name, parsed.Fragments[i].Name)
	}
	require.Contains(t, d.AsQuery(), `($after: String = "x")`)
	require.Equal(t, Subscription, d.Operation)
	require.Contains(t, d.Text(), "subscription S", "the document is not modified")

	// It is valid for a schema whose query type is the subscription type.
	second, err := NewSchema("schema { query: Subscription }"+chatSDL[len("# A part of the chat schema.\nschema { query: Query mutation: Mutation subscription: Subscription }"):], Limits{})
	require.NoError(t, err)
	again, err := second.Parse(d.AsQuery(), "S", nil)
	require.NoError(t, err)
	require.Empty(t, again.Validate())
}

func TestRootFieldsMatchTheKeysOfTheAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query string
		want  [][2]string
	}{
		"plain":                  {"{ me { id } chats { totalCount } }", [][2]string{{"me", "me"}, {"chats", "chats"}}},
		"aliases":                {"{ a: me { id } b: me { id } me { id } }", [][2]string{{"a", "me"}, {"b", "me"}, {"me", "me"}}},
		"merged":                 {"{ me { id } me { username } ...F } fragment F on Query { me { email } }", [][2]string{{"me", "me"}}},
		"fragments":              {"{ ...F ... { b: me { id } } } fragment F on Query { a: me { id } ...G } fragment G on Query { ... on Query { c: me { id } } }", [][2]string{{"a", "me"}, {"c", "me"}, {"b", "me"}}},
		"skipped":                {"{ me @skip(if: true) { id } ...F @include(if: false) } fragment F on Query { chats { totalCount } }", [][2]string{{"me", "me"}, {"chats", "chats"}}},
		"one key for two fields": {`{ x: me { id } x: user(id: "1") { id } }`, [][2]string{{"x", "me"}, {"x", "user"}}},
		"nested fields":          {"{ me { chats { nodes { id } } } }", [][2]string{{"me", "me"}}},
		"typename":               {"{ __typename }", [][2]string{{"__typename", "__typename"}}},
		"an unknown fragment":    {"{ __typename ...F }", [][2]string{{"__typename", "__typename"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got [][2]string
			for _, field := range parse(t, c.query).RootFields {
				got = append(got, [2]string{field.Key, field.Name})
			}
			require.Equal(t, c.want, got)
		})
	}
}

func TestStringArgumentReadsLiteralsVariablesAndDefaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query     string
		variables map[string]any
		want      string
		ok        bool
	}{
		"a literal":                {`mutation { login(username: "ann\u0041", password: "p") { token } }`, nil, "annA", true},
		"a block string":           {"mutation { login(username: \"\"\"\n  ann\n  \"\"\", password: \"p\") { token } }", nil, "ann", true},
		"a variable":               {`mutation ($u: String!) { login(username: $u, password: "p") { token } }`, map[string]any{"u": "ann"}, "ann", true},
		"a default":                {`mutation ($u: String = "ann") { login(username: $u, password: "p") { token } }`, nil, "ann", true},
		"a variable over default":  {`mutation ($u: String = "bob") { login(username: $u, password: "p") { token } }`, map[string]any{"u": "ann"}, "ann", true},
		"null":                     {`mutation { login(username: null, password: "p") { token } }`, nil, "", false},
		"null by default":          {`mutation ($u: String = null) { login(username: $u, password: "p") { token } }`, nil, "", false},
		"a number":                 {`mutation { login(username: 5, password: "p") { token } }`, nil, "", false},
		"a variable with a number": {`mutation ($u: String!) { login(username: $u, password: "p") { token } }`, map[string]any{"u": 5.0}, "", false},
		"nothing":                  {`mutation { login { token } }`, nil, "", false},
		"a variable not given":     {`mutation ($u: String!) { login(username: $u, password: "p") { token } }`, nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := newSchema(t, Limits{}).Parse(c.query, "", c.variables)
			require.NoError(t, err)
			got, ok := d.RootFields[0].StringArgument("username")
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.want, got)
		})
	}
}

func TestUsesIntrospectionFindsItAnywhere(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]bool{
		"{ __schema { description } }":                                         true,
		`{ me { id } __type(name: "User") { name } }`:                          true,
		"{ ...F } fragment F on Query { ... { a: __schema { description } } }": true,
		"{ me { id } } fragment F on Query { __schema { description } }":       true,
		"{ a: __schema @skip(if: true) { description } }":                      true,
		"{ __typename me { __typename } }":                                     false,
		"{ __schema: me { id } }":                                              false,
		`{ users(search: "__schema") { totalCount } }`:                         false,
	} {
		require.Equal(t, want, parse(t, query).UsesIntrospection, query)
	}
	d, err := newSchema(t, Limits{}).Parse("query A { me { id } } query B { __schema { description } }", "A", nil)
	require.NoError(t, err)
	require.True(t, d.UsesIntrospection)
}
