package gqldoc

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/graph-gophers/graphql-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// A schema whose resolver returns the arguments that it received.
const echoSDL = `
schema { query: Query }
type Query {
  echo(text: String, number: Int, ratio: Float, id: ID, ids: [ID!], flag: Boolean, color: Color, phone: Phone): String!
  count(numbers: [[Int!]]!): Int!
}
enum Color { RED GREEN }
input Phone { number: String!, country: String = "49", owner: ID, tags: [String!], rank: Int }
`

type echo struct{}

type echoArgs struct {
	Text   *string       `json:"text,omitempty"`
	Number *int32        `json:"number,omitempty"`
	Ratio  *float64      `json:"ratio,omitempty"`
	ID     *graphql.ID   `json:"id,omitempty"`
	IDs    *[]graphql.ID `json:"ids,omitempty"`
	Flag   *bool         `json:"flag,omitempty"`
	Color  *string       `json:"color,omitempty"`
	Phone  *echoPhone    `json:"phone,omitempty"`
}

type echoPhone struct {
	Number  string      `json:"number"`
	Country string      `json:"country"`
	Owner   *graphql.ID `json:"owner,omitempty"`
	Tags    *[]string   `json:"tags,omitempty"`
	Rank    *int32      `json:"rank,omitempty"`
}

func (*echo) Echo(args echoArgs) (string, error) {
	b, err := json.Marshal(args)
	return string(b), err
}

func (*echo) Count(args struct{ Numbers []*[]int32 }) int32 { return int32(len(args.Numbers)) }

type echoServer struct {
	schema   *Schema
	executor *graphql.Schema
}

func newEcho(t testing.TB) echoServer {
	t.Helper()
	schema, err := NewSchema(echoSDL, Limits{})
	require.NoError(t, err)
	executor, err := graphql.ParseSchema(echoSDL, &echo{}, graphql.UseStringDescriptions(), graphql.OverlapValidationLimit(10_000))
	require.NoError(t, err)
	return echoServer{schema, executor}
}

// ask runs a request through all steps and returns what the resolver received.
func (s echoServer) ask(query string, variables map[string]any) (echoArgs, error) {
	var args echoArgs
	doc, err := s.schema.Parse(query, "", variables)
	if err != nil {
		return args, err
	}
	if errs := doc.Validate(); len(errs) > 0 {
		return args, errs[0]
	}
	variables, err = doc.CoerceVariables()
	if err != nil {
		return args, err
	}
	response := s.executor.Exec(context.Background(), doc.Text(), "", variables)
	if len(response.Errors) > 0 {
		return args, fmt.Errorf("the executor, of %s: %w", doc.Text(), response.Errors[0])
	}
	var data struct{ Echo string }
	if err := json.Unmarshal(response.Data, &data); err != nil {
		return args, err
	}
	return args, json.Unmarshal([]byte(data.Echo), &args)
}

func TestStringLiteralsReachTheResolverUnchanged(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	for literal, want := range map[string]string{
		`""`:               "",
		`"a\/b"`:           "a/b",
		`"\"\\\b\f\n\r\t"`: "\"\\\b\f\n\r\t",
		`"\u0000\u0001\u001F\u007f\u0080\u2028\uFEFF\uFFFF"`: "\x00\x01\x1f\x7f\u0080\u2028\ufeff\uffff",
		`"\u{0}\u{41}\u{00000041}\u{1F600}\u{10FFFF}"`:       "\x00AA😀\U0010ffff",
		`"\uD83D\uDE00 \ud83d\ude00"`:                        "😀 😀",
		`"\\uD83D \\u{41} \\x41"`:                            `\uD83D \u{41} \x41`,
		"\"raw \ufeff\u0080\t\u2029 é 😀\"":                   "raw \ufeff\u0080\t\u2029 é 😀",
		`"e\u0301 é"`:                                        "e\u0301 é", // not normalized
		`"# no comment"`:                                     "# no comment",
		`"$text {me} @skip"`:                                 "$text {me} @skip",
		`""""""`:                                             "",
		`"""a"""`:                                            "a",
		`"""\n \u0041 \x \/ \" \\ """`:                       `\n \u0041 \x \/ \" \\ `,
		`"""a \""" b"""`:                                     `a """ b`,
		`"""\""""""`:                                         `"""`,
		`"""a "" b " c"""`:                                   `a "" b " c`,
		// the first line does not count for the indentation
		"\"\"\"hello\n  world\"\"\"":                          "hello\nworld",
		"\"\"\"  hello\n    world\"\"\"":                      "  hello\nworld",
		"\"\"\"\n    hello\n      world\n\n    !\n\n  \"\"\"": "hello\n  world\n\n!",
		"\"\"\"a\r\n  b\r  c\n\r  d\"\"\"":                    "a\nb\nc\n\nd",
		"\"\"\"\n\ta\n\t\tb\n c\"\"\"":                        "a\n\tb\nc",
		"\"\"\" \n \n\"\"\"":                                  "",
		"\"\"\"a\n \n   \n  b\n \t\"\"\"":                     "a\n\n \nb",
		"\"\"\"😀\n  é\ufeff\u2028\"\"\"":                      "😀\né\ufeff\u2028",
		`"` + strings.Repeat("x😀", 50_000) + `"`:              strings.Repeat("x😀", 50_000),
	} {
		got, err := server.ask("{ echo(text: "+literal+") }", nil)
		require.NoError(t, err, literal)
		require.NotNil(t, got.Text, literal)
		require.Equal(t, want, *got.Text, literal)

		got, err = server.ask("query ($text: String = "+literal+") { echo(text: $text) }", nil)
		require.NoError(t, err, literal)
		require.Equal(t, want, *got.Text, literal)
	}
}

// quoted draws one of the notations for each character of a string.
func quoted(rt *rapid.T, s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		escape := ""
		switch r {
		case '"', '\\':
			escape = `\` + string(r)
		case '\b':
			escape = `\b`
		case '\f':
			escape = `\f`
		case '\n':
			escape = `\n`
		case '\r':
			escape = `\r`
		case '\t':
			escape = `\t`
		case '/':
			escape = `\/`
		}
		ways := []string{fmt.Sprintf(`\u{%X}`, r), fmt.Sprintf(`\u{%08x}`, r)}
		if escape != "" {
			ways = append(ways, escape)
		}
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			ways = append(ways, fmt.Sprintf(`\u%04x\u%04X`, high, low))
		} else {
			ways = append(ways, fmt.Sprintf(`\u%04x`, r))
		}
		if r >= 0x20 && r != '"' && r != '\\' || r == '\t' {
			ways = append(ways, string(r), string(r), string(r))
		}
		b.WriteString(rapid.SampledFrom(ways).Draw(rt, "way"))
	}
	b.WriteByte('"')
	return b.String()
}

func TestEveryNotationOfAStringReachesTheResolver(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	rapid.Check(t, func(rt *rapid.T) {
		runes := rapid.OneOf(rapid.Rune(), rapid.RuneFrom([]rune("\"\\/\n\r\tabu{}#$\x00\x7f\u0085\ufeff\u2028😀")))
		want := rapid.StringOf(runes).Draw(rt, "text")
		literal := quoted(rt, want)
		got, err := server.ask(`{ echo(text: `+literal+`, phone: { number: `+literal+`, tags: [`+literal+`, "", `+literal+`] }) }`, nil)
		require.NoError(rt, err, literal)
		require.Equal(rt, want, *got.Text, literal)
		require.Equal(rt, want, got.Phone.Number)
		require.Equal(rt, []string{want, "", want}, *got.Phone.Tags)
	})
}

// A block string cannot contain control characters, and it trims white space. The texts drawn here
// have neither.
func TestBlockStringsReachTheResolverUnchanged(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	rapid.Check(t, func(rt *rapid.T) {
		printable := rapid.Rune().Filter(func(r rune) bool { return r >= 0x20 })
		runes := rapid.OneOf(printable, rapid.RuneFrom([]rune("\"\\\n\t #é😀")))
		want := "|" + rapid.StringOf(runes).Draw(rt, "text") + "|"
		want = strings.ReplaceAll(want, "\n", "\n|")
		indented := strings.ReplaceAll(want, "\n", rapid.SampledFrom([]string{"\n", "\r\n", "\r", "\n \t", "\r\n   "}).Draw(rt, "newline"))
		literal := `"""` + strings.ReplaceAll(indented, `"""`, `\"""`) + `"""`
		got, err := server.ask(`{ echo(text: `+literal+`) }`, nil)
		require.NoError(rt, err, literal)
		require.Equal(rt, want, *got.Text, literal)
	})
}

func TestNumbersForIDsKeepTheirDigits(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	for _, digits := range []string{"0", "7", "-7", "2147483648", "9007199254740993", "99999999999999999999999"} {
		got, err := server.ask("{ echo(id: "+digits+", ids: ["+digits+", \"x\"], phone: { number: \"1\", owner: "+digits+" }) }", nil)
		require.NoError(t, err, digits)
		require.Equal(t, graphql.ID(digits), *got.ID)
		require.Equal(t, []graphql.ID{graphql.ID(digits), "x"}, *got.IDs)
		require.Equal(t, graphql.ID(digits), *got.Phone.Owner)

		got, err = server.ask("query ($id: ID = "+digits+") { echo(id: $id) }", nil)
		require.NoError(t, err, digits)
		require.Equal(t, graphql.ID(digits), *got.ID)
	}
	got, err := server.ask("{ echo(ids: 5) }", nil)
	require.NoError(t, err)
	require.Equal(t, []graphql.ID{"5"}, *got.IDs, "a single value becomes a list of one")
}

func TestOtherLiteralsReachTheResolverUnchanged(t *testing.T) {
	t.Parallel()
	server := newEcho(t)
	got, err := server.ask(`{ echo(number: -2147483648, ratio: -1.5e3, flag: false, color: GREEN, phone: { number: "1" }, text: null) }`, nil)
	require.NoError(t, err)
	require.EqualValues(t, -2147483648, *got.Number)
	require.EqualValues(t, -1500, *got.Ratio)
	require.False(t, *got.Flag)
	require.Equal(t, "GREEN", *got.Color)
	require.Equal(t, "49", got.Phone.Country)
	require.Nil(t, got.Text)

	got, err = server.ask(`{ echo(ratio: 3) }`, nil)
	require.NoError(t, err)
	require.EqualValues(t, 3, *got.Ratio)
}
