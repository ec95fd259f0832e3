package gqldoc

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/graph-gophers/graphql-go"
	"github.com/stretchr/testify/require"
)

func TestErrorsHaveStandardMessagesWithoutSuggestions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query   string
		message string
		at      Location
	}{
		"field":                 {"{ mee { id } }", `Cannot query field "mee" on type "Query".`, Location{1, 3}},
		"field of interface":    {`{ node(id: 1) { username } }`, `Cannot query field "username" on type "Node".`, Location{1, 17}},
		"argument":              {"{ chats(frist: 1) { totalCount } }", `Unknown argument "frist" on field "Query.chats".`, Location{1, 3}},
		"argument of directive": {"{ me { id @skip(iff: true, if: true) } }", `Unknown argument "iff" on directive "@skip".`, Location{1, 12}},
		"type":                  {"query ($a: Strin) { users(search: $a) { totalCount } }", `Unknown type "Strin".`, Location{1, 8}},
		"fragment's type":       {"{ me { ... on Usr { id } } }", `Unknown type "Usr".`, Location{1, 12}},
		"input field":           {`mutation { createUser(username: "u", password: "p", phoneNumber: {number: "1", countryCode: "2", numbr: "3"}) { id } }`, `Field "numbr" is not defined by type "PhoneInput".`, Location{1, 98}},
		"leaf":                  {"{ me }", `Field "me" of type "User" must have a selection of subfields.`, Location{1, 3}},
		"no leaf":               {"{ me { id { x } } }", `Field "id" must not have a selection since type "ID" has no subfields.`, Location{1, 8}},
		"required":              {"{ user { id } }", `Field "user" argument "id" of type "ID!" is required, but it was not provided.`, Location{1, 3}},
		"string":                {"{ users(search: 5) { totalCount } }", `String cannot represent a non string value.`, Location{1, 17}},
		"int":                   {"{ chats(first: 2147483648) { totalCount } }", `Int cannot represent non 32-bit signed integer value.`, Location{1, 16}},
		"huge int":              {"{ chats(first: 99999999999999999999) { totalCount } }", `Int cannot represent non 32-bit signed integer value.`, Location{1, 16}},
		"float":                 {"{ chats(first: 1.0) { totalCount } }", `Int cannot represent non-integer value.`, Location{1, 16}},
		"a string's place":      {"{ chats(\n first:   \"é\") { totalCount } }", `Int cannot represent non-integer value.`, Location{2, 11}},
		"a block's place":       {"{ chats(\n first:  \"\"\"a\nb\"\"\") { totalCount } }", `Int cannot represent non-integer value.`, Location{2, 10}},
		"variable":              {"{ chats(first: $n) { totalCount } }", `Variable "$n" is not defined.`, Location{1, 16}},
		"directive":             {"{ me @nothing { id } }", `Unknown directive "@nothing".`, Location{1, 7}},
		"spread":                {"{ me { ...F } }", `Unknown fragment "F".`, Location{1, 11}},
		"unused fragment":       {"{ me { id } } fragment F on User { id }", `Fragment "F" is never used.`, Location{1, 15}},
		"two subscriptions":     {"subscription { a: subscribe { success } b: subscribe { success } }", `Anonymous Subscription must select only one top level field.`, Location{1, 41}},
		"two in fragments":      {"subscription S { ...F ...G } fragment F on Subscription { a: subscribe { success } } fragment G on Subscription { b: subscribe { success } }", `Subscription "S" must select only one top level field.`, Location{1, 115}},
		"two, elsewhere":        {"query A { me { id } } subscription S { a: subscribe { success } b: subscribe { success } }", `Subscription "S" must select only one top level field.`, Location{1, 65}},
		"no subscription":       {"subscription { __typename }", `Anonymous Subscription must not select an introspection top level field.`, Location{1, 16}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			operation := ""
			if strings.HasPrefix(c.query, "query A") {
				operation = "A"
			}
			d, err := newSchema(t, Limits{}).Parse(c.query, operation, nil)
			require.NoError(t, err)
			errs := d.Validate()
			require.NotEmpty(t, errs)
			var messages []string
			for _, e := range errs {
				require.ErrorIs(t, e, ErrInvalid)
				require.NotContains(t, strings.ToLower(e.Message), "did you mean")
				if e.Message == c.message {
					require.Equal(t, c.at, e.Locations[0])
					return
				}
				messages = append(messages, e.Message)
			}
			require.Failf(t, "not told", "%q is not among %q", c.message, messages)
		})
	}
}

func TestNumberAndLengthOfErrorsAreBounded(t *testing.T) {
	t.Parallel()
	errs := parse(t, "{ me { "+each(900, "x%d ", same)+"} }").Validate()
	require.Len(t, errs, MaxErrors)

	long := strings.Repeat("é", 60_000)
	errs = parse(t, "{"+each(10, "...{chats(first: \"%s\") { totalCount } }", func(int) any { return long })+"}").Validate()
	require.Len(t, errs, 10)
	for _, e := range errs {
		require.LessOrEqual(t, len(e.Message), maxMessage+len("…"))
		require.True(t, utf8.ValidString(e.Message))
	}
}

// Validate and the executor's own validation accept the same documents.
func TestValidateAgreesWithTheExecutor(t *testing.T) {
	t.Parallel()
	executor := graphql.MustParseSchema(chatSDL, nil, graphql.UseStringDescriptions(), graphql.OverlapValidationLimit(10_000), graphql.MaxDepth(15))
	for query, ok := range map[string]bool{
		introspection: true,
		typical:       true,
		"subscription { events { id chat { ...C } } } fragment C on Chat { id }":                                     true,
		`mutation { createUser(username: "u", password: "p", phoneNumber: {number: "1"}) { id } }`:                   false,
		`mutation { createUser(username: "u", password: "p", phoneNumber: {number: "1", countryCode: "2"}) { id } }`: true,
		`{ node(id: 99999999999999) { ... on Chat { id } ... on User { username } } }`:                               true,
		`{ node(id: "1") { ... on Token { token } } }`:                                                               false,
		`{ chats(first: 2147483647) { totalCount } }`:                                                                true,
		`{ chats(first: 2147483648) { totalCount } }`:                                                                false,
		`query ($n: String) { chats(first: $n) { totalCount } }`:                                                     false,
		`query ($n: Int! = 5) { chats(first: $n) { totalCount } }`:                                                   true,
		`{ nothing }`: false,
	} {
		d := parse(t, query)
		require.Equal(t, ok, len(d.Validate()) == 0, "%s: %v", query, d.Validate())
		variables, err := d.CoerceVariables()
		require.NoError(t, err)
		errs := executor.ValidateWithVariables(d.Text(), variables)
		require.Equal(t, ok, len(errs) == 0, "%s: %v", query, errs)
	}
}

// This is the rule that Validate leaves to the executor, which bounds its cost.
func TestTheExecutorFindsConflictingFields(t *testing.T) {
	t.Parallel()
	executor := graphql.MustParseSchema(chatSDL, nil, graphql.UseStringDescriptions(), graphql.OverlapValidationLimit(10_000))
	d := parse(t, `{ user(id: 1) { id } user(id: 2) { id } }`)
	require.Empty(t, d.Validate())
	require.NotEmpty(t, executor.Validate(d.Text()))
}

func TestWithoutSuggestionRemovesSuggestions(t *testing.T) {
	t.Parallel()
	executor := graphql.MustParseSchema(chatSDL, nil)
	errs := executor.Validate("{ mee { id } }")
	require.Contains(t, errs[0].Message, "Did you mean")
	require.Equal(t, `Cannot query field "mee" on type "Query".`, WithoutSuggestion(errs[0].Message))
	require.Equal(t, "nothing to cut", WithoutSuggestion("nothing to cut"))
}
