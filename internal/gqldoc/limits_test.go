package gqldoc

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func requireTooComplex(t *testing.T, err error, what string, figure, bound int) {
	t.Helper()
	require.ErrorIs(t, err, ErrTooComplex)
	var e *LimitError
	require.ErrorAs(t, err, &e)
	require.Equal(t, LimitError{What: what, Figure: figure, Bound: bound, Remedy: e.Remedy}, *e)
	require.Contains(t, e.Error(), fmt.Sprint(figure))
	require.Contains(t, e.Error(), fmt.Sprint(bound))
}

// Each limit is tested with the largest allowed value and with one more.
func TestEachLimitIsExact(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string { // nested fields
		return "{" + strings.Repeat("me{chats{nodes{user{", 3) + "...{" + strings.Repeat("me{", levels-13) + "id" + strings.Repeat("}", levels-13) + "}" + strings.Repeat("}}}}", 3) + "}"
	}
	for name, c := range map[string]struct {
		what  string
		bound int
		query func(n int) string
	}{
		"bytes": {"bytes besides its string literals", 15_000, func(n int) string {
			return "{me{id}}" + strings.Repeat(" ", n-8)
		}},
		"bytes with strings": {"bytes besides its string literals", 15_000, func(n int) string {
			return `{user(id:"ü \" ` + strings.Repeat("x", 20_000) + `"){id}node(id:"""ü""" ){id}}` + strings.Repeat(" ", n-10-5-8-1-5)
		}},
		"bytes in comments": {"bytes besides its string literals", 15_000, func(n int) string {
			return "{me{id}}#" + strings.Repeat("x", n-9)
		}},
		"tokens": {"tokens", 1000, func(n int) string {
			return "{me{" + strings.Repeat("id #, id\n", n-5) + "}}"
		}},
		"directives": {"directives", 50, func(n int) string {
			return "query @skip(if:true) {me{" + strings.Repeat("id @include(if:true) ", n-1) + "}}"
		}},
		"aliases": {"aliases", 50, func(n int) string {
			fields := []string{"id", "username", "email", "__typename"}
			return "{me{" + each(n-1, "a%d:%s ", same, func(i int) any { return fields[i%4] }) + "...F}} fragment F on User{b:id}"
		}},
		"aliases of one field": {"aliases of one field", 15, func(n int) string {
			return "{me{" + each(n-1, "a%d:id ", same) + "chats(first:1){nodes{b:id}}}}"
		}},
		"depth": {"levels of depth", 15, nested},
		"depth through fragments": {"levels of depth", 15, func(n int) string {
			return "{me{...F0}}" + each(n-2, "fragment F%d on User{me{...F%d}}", same, next) + each(1, "fragment F%d on User{id}", func(int) any { return n - 2 })
		}},
		"depth of a value": {"levels of depth in a value", 15, func(n int) string {
			return "{users(search:" + strings.Repeat("[", n) + strings.Repeat("]", n) + "){totalCount}}"
		}},
		"depth of a default": {"levels of depth in a value", 15, func(n int) string {
			return "query($a:X=" + strings.Repeat("{a:", n) + "1" + strings.Repeat("}", n) + "){me{id}}"
		}},
		"credentials": {"login, createUser or refreshToken fields", 1, func(n int) string {
			return "mutation{" + each(n, "r%d:refreshToken{token}", same) + "}"
		}},
		"credentials in fragments": {"login, createUser or refreshToken fields", 1, func(n int) string {
			return "mutation{" + each(n, "...F%d ", same) + "}" + each(n, "fragment F%d on Mutation{...{r%d:refreshToken{token}}}", same, same)
		}},
		"cost": {"points of cost", 25_000, func(n int) string {
			return "{" + each(1, "chats(first:100){nodes{messages(first:100){nodes{id content}}}}") + each(1, "users(first:100){nodes{%s}}", func(int) any { return strings.Repeat("id ", 46) }) + strings.Repeat("__typename ", n-24_804) + "}"
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema := newSchema(t, Limits{})
			_, err := schema.Parse(c.query(c.bound), "", nil)
			require.NoError(t, err)
			_, err = schema.Parse(c.query(c.bound+1), "", nil)
			requireTooComplex(t, err, c.what, c.bound+1, c.bound)
		})
	}
}

func TestLimitsCanBeSetAndRemoved(t *testing.T) {
	t.Parallel()
	const login = `mutation { a: login(username: "u", password: "p") { token } b: login(username: "u", password: "p") { token } }`
	_, err := newSchema(t, Limits{Tokens: 5}).Parse("{ me { id } }", "", nil)
	requireTooComplex(t, err, "tokens", 6, 5)
	_, err = newSchema(t, Limits{Cost: 1}).Parse("{ me { id } }", "", nil)
	requireTooComplex(t, err, "points of cost", 2, 1)
	_, err = newSchema(t, Limits{Credentials: -1}).Parse(login, "", nil)
	require.NoError(t, err)

	free := newSchema(t, withoutLimits)
	_, err = free.Parse("{"+each(500, "u%d:users(first:100){nodes{chats(first:100){nodes{id @skip(if:true)}}}}", same)+"}", "", nil)
	require.NoError(t, err)
}

func TestMergedCredentialFieldsCountOnce(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{})
	for query, ok := range map[string]bool{
		`mutation { refreshToken { token } ...F ...F } fragment F on Mutation { refreshToken { token } }`:          true,
		`mutation { refreshToken { token } x: refreshToken { token } }`:                                            false,
		`mutation { refreshToken { token } login(username: "u", password: "p") { token } }`:                        false,
		`mutation { refreshToken: login(username: "u", password: "p") { token } login: refreshToken { token } }`:   false,
		`mutation { login(username: "u", password: "p") { token } createMessage(chatId: 1, content: "x") { id } }`: true,
	} {
		_, err := schema.Parse(query, "", nil)
		if ok {
			require.NoError(t, err, query)
		} else {
			require.ErrorIs(t, err, ErrTooComplex, query)
		}
	}
	_, err := schema.Parse(`mutation A { refreshToken { token } } mutation B { refreshToken { token } }`, "A", nil)
	require.NoError(t, err, "only the selected operation counts")
}

func TestTheStandardIntrospectionQueryIsWithinTheLimits(t *testing.T) {
	t.Parallel()
	d := parse(t, introspection)
	require.Empty(t, d.Validate())
	require.True(t, d.UsesIntrospection)
}

func TestCostMultipliesFieldsByPageLength(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query     string
		variables map[string]any
		want      int
	}{
		"fields":                          {"{ me { id username } }", nil, 3},
		"typename":                        {"{ __typename }", nil, 1},
		"a page of the usual length":      {"{ chats { nodes { id } } }", nil, 2 + 20},
		"first":                           {"{ chats(first: 7) { nodes { id } } }", nil, 2 + 7},
		"last":                            {"{ chats(last: 7) { nodes { id } } }", nil, 2 + 7},
		"first and last":                  {"{ chats(first: 5, last: 7) { nodes { id } } }", nil, 2 + 7},
		"null":                            {"{ chats(first: null) { nodes { id } } }", nil, 2 + 20},
		"beyond the longest page":         {"{ chats(first: 1000) { nodes { id } } }", nil, 2 + 100},
		"beyond all numbers":              {"{ chats(first: " + strings.Repeat("9", 400) + ") { nodes { id } } }", nil, 2 + 100},
		"a huge exponent":                 {"{ chats(first: 1e999999999) { nodes { id } } }", nil, 2 + 100},
		"negative":                        {"{ chats(first: -5) { nodes { id } } }", nil, 2 + 1},
		"an empty page":                   {"{ chats(first: 0) { nodes { id } } }", nil, 2 + 1},
		"no number":                       {`{ chats(first: "five") { nodes { id } } }`, nil, 2 + 100},
		"nodes and edges":                 {"{ chats(first: 3) { nodes { id } edges { cursor node { id } } } }", nil, 1 + 1 + 3 + 1 + 9},
		"what is beside the nodes":        {"{ chats(first: 3) { totalCount pageInfo { endCursor } nodes { id } } }", nil, 1 + 1 + 2 + 1 + 3},
		"nothing of the nodes":            {"{ chats(first: 100) { totalCount } }", nil, 2},
		"nested":                          {"{ chats(first: 3) { nodes { messages(first: 5) { nodes { id content } } } } }", nil, 2 + 3*(2+5*2)},
		"fragments":                       {"{ chats(first: 3) { ...C } } fragment C on ChatConnection { nodes { ...N ...N } } fragment N on Chat { id }", nil, 2 + 6},
		"inline fragments":                {`{ node(id: "1") { ... on User { chats(first: 3) { ... { nodes { id } } } } } }`, nil, 1 + 2 + 3},
		"a variable":                      {"query ($n: Int) { chats(first: $n) { nodes { id } } }", map[string]any{"n": float64(9)}, 2 + 9},
		"a variable as text of a number":  {"query ($n: Int) { chats(first: $n) { nodes { id } } }", map[string]any{"n": json.Number("9")}, 2 + 9},
		"a variable of Go's":              {"query ($n: Int) { chats(first: $n) { nodes { id } } }", map[string]any{"n": 9}, 2 + 9},
		"a variable of 32 bits":           {"query ($n: Int) { chats(first: $n) { nodes { id } } }", map[string]any{"n": int32(9)}, 2 + 9},
		"a variable of 64 bits":           {"query ($n: Int) { chats(first: $n) { nodes { id } } }", map[string]any{"n": int64(1 << 40)}, 2 + 100},
		"a variable that is null":         {"query ($n: Int = 9) { chats(first: $n) { nodes { id } } }", map[string]any{"n": nil}, 2 + 20},
		"a variable that is no number":    {"query ($n: Int) { chats(first: $n) { nodes { id } } }", map[string]any{"n": "9"}, 2 + 100},
		"a variable that is not given":    {"query ($n: Int) { chats(first: $n) { nodes { id } } }", nil, 2 + 20},
		"a variable with a default":       {"query ($n: Int = 9) { chats(first: $n) { nodes { id } } }", nil, 2 + 9},
		"a variable that is not declared": {"{ chats(first: $n) { nodes { id } } }", nil, 2 + 20},
		"what the schema does not have":   {"{ nothing { at { all } } }", nil, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := newSchema(t, Limits{Cost: -1}).Parse(c.query, "", c.variables)
			require.NoError(t, err)
			require.Equal(t, c.want, d.Cost)
		})
	}
}

func TestCostAddsTheCostsOfFields(t *testing.T) {
	t.Parallel()
	costs := map[string]int{"Message.content": 9, "Query.users(search)": 100, "UserConnection.totalCount": 50, "Chat.messages": 4}
	long := strings.Repeat("x", KeyBytes)
	for name, c := range map[string]struct {
		query     string
		variables map[string]any
		want      int
	}{
		"a text":                     {`{ node(id: 1) { ... on Message { id content } } }`, nil, 1 + 1 + 10},
		"the texts of a page":        {`{ chats(first: 3) { nodes { messages(first: 5) { nodes { content } } } } }`, nil, 2 + 3*(5+1+5*10)},
		"a count":                    {`{ users(first: 1) { totalCount } }`, nil, 1 + 51},
		"an argument":                {`{ users(search: "x") { pageInfo { endCursor } } }`, nil, 101 + 2},
		"an argument of null":        {`{ users(search: null) { pageInfo { endCursor } } }`, nil, 1 + 2},
		"a variable":                 {`query($s: String) { users(search: $s) { pageInfo { endCursor } } }`, map[string]any{"s": "x"}, 101 + 2},
		"a variable of null":         {`query($s: String = "x") { users(search: $s) { pageInfo { endCursor } } }`, map[string]any{"s": nil}, 1 + 2},
		"a variable's default":       {`query($s: String = "x") { users(search: $s) { pageInfo { endCursor } } }`, nil, 101 + 2},
		"a variable not given":       {`query($s: String) { users(search: $s) { pageInfo { endCursor } } }`, nil, 1 + 2},
		"a long key":                 {`{ ` + long + `: me { id } }`, nil, 2 + 1},
		"a key that is not long":     {`{ ` + long[1:] + `: me { id } }`, nil, 1 + 1},
		"long keys of all nodes":     {`{ chats(first: 7) { nodes { ` + long + long + `: id } } }`, nil, 2 + 7*3},
		"a long key of a meta field": {`{ ` + long + `: __typename }`, nil, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := newSchema(t, Limits{Costs: costs}).Parse(c.query, "", c.variables)
			require.NoError(t, err)
			require.Equal(t, c.want, d.Cost)
		})
	}
}

func TestSubscriptionsHaveALowerCostLimit(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{Cost: 100, SubscriptionCost: 5})
	for document, ok := range map[string]bool{
		`subscription { events { id at chat { id } } }`:                                                 true,
		`subscription { events { id at chat { id __typename } } }`:                                      false,
		`query { users(first: 90) { nodes { id } } }`:                                                   true,
		`subscription { ...F } fragment F on Subscription { events { a: id b: id c: id d: id e: id } }`: false,
	} {
		_, err := schema.Parse(document, "", nil)
		if ok {
			require.NoError(t, err, document)
		} else {
			requireTooComplex(t, err, "points of cost for each event", 6, 5)
			require.Contains(t, err.Error(), "fewer fields")
		}
	}
}

func TestNamesOfOneTextAreLimited(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{Texts: []string{"Message.content", "User.email"}, NamesOfText: 3})
	const attack = `{ chats(first: 1) { nodes { messages(first: 1) { nodes { %s } } } } }`
	for name, c := range map[string]struct {
		query string
		names int
	}{
		"once":                          {`{ chats(first: 1) { nodes { messages(first: 1) { nodes { content } } } } }`, 1},
		"as often as it may":            {fmt.Sprintf(attack, "content a: content b: content"), 3},
		"once more":                     {fmt.Sprintf(attack, "content a: content b: content c: content"), 4},
		"in a fragment":                 {fmt.Sprintf(attack, "...F content") + ` fragment F on Message { a: content b: content c: content }`, 4},
		"in inline fragments":           {fmt.Sprintf(attack, "... { a: content } ... on Message { b: content } ... on Message { c: content ... { d: content } }"), 4},
		"of an object that has several": {`{ chats(first: 1) { nodes { a: lastMessage { x: content y: content } b: lastMessage { x: content y: content } } } }`, 4},
		"in a list that has several":    {`{ a: chats(first: 1) { nodes { lastMessage { content } } } b: chats(first: 1) { nodes { lastMessage { x: content y: content z: content } } } }`, 4},
		"merged by hand":                {`{ chats(first: 1) { nodes { lastMessage { a: content } lastMessage { b: content } lastMessage { c: content d: content } } } }`, 4},
		"other texts":                   {`{ me { x: email y: email } a: user(id: 1) { x: email y: email } }`, 2},
		"fragments that ask for the same": {`{ chats(first: 1) { nodes { ...A ...B ...C ...D x: id } } }
			fragment A on Chat { lastMessage { content } } fragment B on Chat { lastMessage { content } }
			fragment C on Chat { lastMessage { content } } fragment D on Chat { lastMessage { content } }`, 1},
		"several objects by their ids":  {`{ a: user(id: 1) { email } b: user(id: 2) { email } c: user(id: 3) { email } d: user(id: 4) { email } }`, 1},
		"one object several times":      {`{ a: user(id: 1) { email } b: user(id: 1) { email } c: user(id: 1) { email } d: user(id: 1) { email } }`, 4},
		"what is no text":               {`{ me { a: id b: id c: id d: id e: id } }`, 0},
		"what the schema does not have": {`{ a: nothing { content } me { x: nothing ...Nowhere } }`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := schema.Parse(c.query, "", nil)
			if c.names <= 3 {
				require.NoError(t, err)
				return
			}
			text := "Message.content"
			if strings.Contains(c.query, "email") {
				text = "User.email"
			}
			requireTooComplex(t, err, "names for one "+text, c.names, 3)
			require.Contains(t, err.Error(), "one name")
		})
	}
}

func TestDefaultCostAllowsAScreenButNotADump(t *testing.T) {
	t.Parallel()
	schema := newSchema(t, Limits{})
	const screen = `{ chats(first: 50) { pageInfo { endCursor } nodes {
		id user { id username email } otherUser { id username email }
		lastMessage { id content date sender { id username } }
		messages(first: 20) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node { id content date sender { id username email } } } } } } }`
	_, err := schema.Parse(screen, "", nil)
	require.NoError(t, err)
	_, err = schema.Parse(`{ chats(first: 100) { nodes { messages(first: 100) { nodes { id content sender { id username } } } } } }`, "", nil)
	require.ErrorIs(t, err, ErrTooComplex)
	_, err = schema.Parse(`{ users(first: 100) { nodes { chats(first: 100) { nodes { messages(first: 100) { nodes { id } } } } } } }`, "", nil)
	requireTooComplex(t, err, "points of cost", 2+100*(2+100*(2+100)), 25_000)
}
