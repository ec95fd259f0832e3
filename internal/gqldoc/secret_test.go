package gqldoc

import (
	"strings"
	"testing"

	"github.com/graph-gophers/graphql-go"
	"github.com/stretchr/testify/require"
)

// The error of an invalid document contains no value. In these documents %s stands for a password.
var leaky = []string{
	// Values of the wrong type.
	`{ chats(first: "%s") { totalCount } }`,
	"{ chats(first: \"\"\"%s\"\"\") { totalCount } }",
	`{ chats(first: %s) { totalCount } }`,
	`{ chats(first: ["%s"]) { totalCount } }`,
	`{ chats(first: {a: "%s"}) { totalCount } }`,
	`{ users(search: %s) { totalCount } }`,
	`{ users(search: ["%s"]) { totalCount } }`,
	`{ users(search: {password: "%s"}) { totalCount } }`,
	`{ me { id @skip(if: "%s") } }`,
	`mutation { login(username: "u", password: %s) { token } }`,
	`mutation { login(username: "u", password: ["%s"]) { token } }`,
	`mutation { login(username: "u", password: {is: "%s"}) { token } }`,
	`mutation { createUser(username: "u", password: "p", phoneNumber: "%s") { id } }`,
	`mutation { createUser(username: "u", password: "p", phoneNumber: {number: %s, countryCode: "1"}) { id } }`,
	`query ($n: Int = "%s") { chats(first: $n) { totalCount } }`,
	`query ($n: Int! = %s) { chats(first: $n) { totalCount } }`,
	`query ($n: Unknown = "%s") { chats(first: $n) { totalCount } }`,
	// Values where none is allowed.
	`mutation { login(username: "u", passwort: "%s") { token } }`,
	`mutation { login(username: "u", password: "%s", password: "%s") { token } }`,
	`mutation { login(username: "u", password: "%s") }`,
	`mutation { lgin(username: "u", password: "%s") { token } }`,
	`mutation { login(password: "%s") { token } }`,
	`mutation { login(username: $u, password: "%s") { token } }`,
	`mutation { a: login(username: "u", password: "%s") { token } a: login(username: "v", password: "other") { token } }`,
	// Syntax errors.
	`mutation { login(username: "u" "%s") { token } }`,
	"mutation { login(username: \"u\" \"\"\"%s\"\"\") { token } }",
	`mutation { login(username: "u", password "%s") { token } }`,
	`mutation { login("%s") { token } }`,
	`mutation { login(username: "u", password: "a" %s) { token } }`,
	`mutation { login(username: "u", password: %s %s) { token } }`,
	`mutation { login(username: "u", password: "\q%s") { token } }`,
	`mutation { login(username: "u", password: "\u12zz%s") { token } }`,
	`mutation { login(username: "u", password: "\u{110000}%s") { token } }`,
	`mutation { login(username: "u", password: "\uD800%s") { token } }`,
	`mutation { login(username: "u", password: "\u", email: "%s") { token } }`,
	`mutation { login(username: "u", password: "%s) { token } }`,
	"mutation { login(username: \"u\", password: \"%s\n\") { token } }",
	"mutation { login(username: \"u\", password: \"%s\x07\") { token } }",
	"mutation { login(username: \"u\", password: \"\"\"%s\"\"\"\") { token } }",
	`mutation { login(username: "u", password: 1%s) { token } }`,
	`mutation { login(username: "u", password: 0%s) { token } }`,
	`mutation { login(username: "u", password: 1.%s) { token } }`,
	`"%s"`,
	`%s`,
	`{ me { id } } "%s"`,
	`{ me { id } } %s`,
	`query "%s" { me { id } }`,
	`{ me { id "%s" } }`,
	`query ($n: "%s") { me { id } }`,
	`fragment on on "%s" { id }`,
}

func TestErrorsDoNotContainValues(t *testing.T) {
	t.Parallel()
	executor := graphql.MustParseSchema(chatSDL, nil, graphql.UseStringDescriptions(), graphql.OverlapValidationLimit(10_000))
	for _, shape := range leaky {
		said := 0
		for _, canary := range []string{"canary", "7312960", "73.12960", `ca\"nary`, "canary \\u00e9\\n", "cänary 🐦"} {
			query := strings.ReplaceAll(shape, "%s", canary)
			for _, message := range mistakes(t, executor, query) {
				said++
				for _, part := range []string{"nary", "731", "2960"} {
					require.NotContains(t, message, part, query)
				}
			}
		}
		require.NotZero(t, said, "there is nothing wrong with %s", shape)
	}
}

// mistakes returns all errors of a document, from gqldoc and from the executor.
func mistakes(t *testing.T, executor *graphql.Schema, query string) (messages []string) {
	t.Helper()
	d, err := newSchema(t, Limits{}).Parse(query, "", nil)
	if err != nil {
		return []string{err.Error()}
	}
	for _, e := range d.Validate() {
		messages = append(messages, e.Error())
	}
	if _, err := d.CoerceVariables(); err != nil {
		messages = append(messages, err.Error())
	}
	for _, e := range executor.Validate(d.Text()) {
		messages = append(messages, OfExecutor(e.Rule, e.Message))
	}
	return messages
}

func TestErrorsDoNotContainVariables(t *testing.T) {
	t.Parallel()
	for query, wrong := range map[string]any{
		`query ($v: Int) { chats(first: $v) { totalCount } }`:                                                                         "canary",
		`query ($v: String) { users(search: $v) { totalCount } }`:                                                                     []any{"canary"},
		`query ($v: Boolean!) { me { id @skip(if: $v) } }`:                                                                            "canary",
		`query ($v: ID!) { user(id: $v) { id } }`:                                                                                     map[string]any{"id": "canary"},
		`mutation ($v: PhoneInput!) { createUser(username: "u", password: "p", phoneNumber: $v) { id } }`:                             map[string]any{"number": []any{"canary"}, "countryCode": "canary"},
		`mutation ($v: String!) { createUser(username: "u", password: "p", phoneNumber: {number: $v, countryCode: "1"}) { id } }`:     map[string]any{"canary": "canary"},
		`mutation ($v: PhoneInput!) { createUser(username: "u", password: "canary", phoneNumber: $v) { id } } # with a canary behind`: 5.0,
	} {
		d, err := newSchema(t, Limits{}).Parse(query, "", map[string]any{"v": wrong})
		require.NoError(t, err, query)
		require.Empty(t, d.Validate(), query)
		_, err = d.CoerceVariables()
		require.ErrorIs(t, err, ErrInvalid, query)
		require.NotContains(t, err.Error(), "canary", query)
	}
}
