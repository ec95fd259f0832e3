package gqldoc

import (
	"strings"
	"testing"

	"github.com/graph-gophers/graphql-go"
	"github.com/stretchr/testify/require"
)

// hostile has documents and the class of their error. A nil class means that the document is valid.
var hostile = map[string]struct {
	query string
	class error
}{
	"10 kB of one field":                   {"{me{" + strings.Repeat("id ", 3300) + "}}", ErrTooComplex},
	"as many of one field as there may be": {"{me{" + strings.Repeat("id ", 990) + "}}", nil},
	"10,000 open braces":                   {strings.Repeat("{", 10_000), ErrTooComplex},
	"10,000 nested fields":                 {strings.Repeat("{a", 7_000), ErrTooComplex},
	"300 nested fields":                    {strings.Repeat("{me", 300) + "{id}" + strings.Repeat("}", 300), ErrTooComplex},
	"300 nested inline fragments":          {"{me" + strings.Repeat("{...", 300) + "{id}" + strings.Repeat("}", 300) + "}", nil},
	"14,000 open brackets":                 {"{users(search:" + strings.Repeat("[", 14_000), ErrTooComplex},
	"a type of 400 lists":                  {"query($a:" + strings.Repeat("[", 400) + "Int" + strings.Repeat("]", 400) + "){me{id}}", ErrTooComplex},
	"an object of 300 objects":             {"{users(search:" + strings.Repeat("{a:", 300) + "1" + strings.Repeat("}", 300) + "){totalCount}}", ErrTooComplex},
	"90 fragments that double":             {"{me{...F0}}" + each(90, "fragment F%d on User{...F%d ...F%d}", same, next, next) + "fragment F90 on User{id}", ErrTooComplex},
	"behind an empty page":                 {"{chats(first:0){nodes{user{...F0}}}}" + each(85, "fragment F%d on User{...F%d ...F%d}", same, next, next) + "fragment F85 on User{id}", ErrTooComplex},
	"that double by depth":                 {"{me{...F0}}" + each(6, "fragment F%d on User{a:chats{nodes{user{...F%d}}} b:chats{nodes{user{...F%d}}}}", same, next, next) + "fragment F6 on User{id}", ErrTooComplex},
	"in introspection":                     {"{__schema{types{...F0}}}" + each(85, "fragment F%d on __Type{...F%d ...F%d}", same, next, next) + "fragment F85 on __Type{name}", ErrTooComplex},
	"aliases that double by depth":         {"{me{...F0}}" + each(4, "fragment F%d on User{a:chats(first:1){nodes{user{...F%d}}} b:chats(first:1){nodes{user{...F%d}}}}", same, next, next) + "fragment F4 on User{id}", nil},
	"aliases of what is spread often":      {"{me{a:id ...F0}}" + each(12, "fragment F%d on User{x%d:id ...{...F%d} ...{...F%d}}", same, same, next, next) + "fragment F12 on User{id}", nil},
	"a chain of 90 fragments":              {"{me{...F0}}" + each(90, "fragment F%d on User{id ...F%d}", same, next) + "fragment F90 on User{id}", nil},
	"a ring of 90 fragments":               {"{me{...F0}}" + each(90, "fragment F%d on User{id ...F%d}", same, func(i int) any { return (i + 1) % 90 }), ErrInvalid},
	"a mesh of fragments":                  {"{me{...F0}}" + each(22, "fragment F%d on User{%s id}", same, func(i int) any { return each(21-i, "...F%d ", func(j int) any { return i + j + 1 }) }), ErrTooComplex},
	"one fragment spread 480 times":        {"{me{" + strings.Repeat("...F ", 480) + "}}fragment F on User{id}", nil},
	"60 fragments side by side":            {"{me{" + each(60, "...F%d ", same) + "}}" + each(60, "fragment F%d on User{id id id id username}", same), nil},
	"a number of 14,000 digits":            {"{chats(first:" + strings.Repeat("9", 14_000) + "){totalCount}}", nil},
	"a fraction of 14,000 digits":          {"{chats(first:0." + strings.Repeat("9", 14_000) + "){totalCount}}", nil},
	"a huge exponent":                      {"{chats(first:1e" + strings.Repeat("9", 14_000) + "){totalCount}}", nil},
	"a name of 14,000 letters":             {"{" + strings.Repeat("x", 14_000) + "}", nil},
	"a string of 200 kB":                   {`{users(search:"` + strings.Repeat("x", 200_000) + `"){totalCount}}`, nil},
	"a string of escapes":                  {`{users(search:"` + strings.Repeat(`\u0000`, 30_000) + `"){totalCount}}`, nil},
	"a block string of blank lines":        {`{users(search:"""` + strings.Repeat(" \n", 100_000) + `"""){totalCount}}`, nil},
	"a block string of quotes":             {`{users(search:"""` + strings.Repeat(`"" `, 60_000) + `"""){totalCount}}`, nil},
	"a string that never ends":             {`{users(search:"` + strings.Repeat("x", 200_000), ErrSyntax},
	"a block string that never ends":       {`{users(search:"""` + strings.Repeat(`"" `, 60_000), ErrSyntax},
	"200,000 quotes":                       {"{users(search:[" + strings.Repeat(`""`, 100_000) + "]){totalCount}}", ErrSyntax},
	"12,000 empty strings":                 {"{users(search:[" + strings.Repeat(`"" `, 12_000) + "]){totalCount}}", ErrTooComplex},
	"14 kB of comments":                    {strings.Repeat("#\n", 7_000) + "{me{id}}", nil},
	"14 kB of commas":                      {strings.Repeat(",", 14_000) + "{me{id}}", nil},
	"200 kB of spaces":                     {strings.Repeat(" ", 200_000) + "{me{id}}", ErrTooComplex},
	"980 unknown fields":                   {"{me{" + each(980, "x%d ", same) + "}}", nil},
	"120 operations":                       {each(120, "query Q%d{me{id}}", same), ErrSyntax},
	"240 variables":                        {"query(" + each(240, "$v%d:Int ", same) + "){me{id}}", nil},
	"fields that contradict each other":    {"{" + each(110, "user(id:%d){id}", same) + "}", nil},
}

// The work is measured in allocations, which do not depend on the load of the machine. A typical
// query takes about 150 to parse and as many to validate.
func TestHostileDocumentsCauseLittleWork(t *testing.T) {
	schema := newSchema(t, Limits{Texts: []string{"Message.content"}})
	executor := graphql.MustParseSchema(chatSDL, nil, graphql.UseStringDescriptions(), graphql.OverlapValidationLimit(10_000))
	for name, c := range hostile {
		var doc *Document
		var err error
		parsing := testing.AllocsPerRun(1, func() { doc, err = schema.Parse(c.query, "", nil) })
		require.LessOrEqual(t, parsing, 20_000.0, name)
		if c.class != nil {
			require.ErrorIs(t, err, c.class, name)
			continue
		}
		require.NoError(t, err, name)
		var errs []*Error
		validating := testing.AllocsPerRun(1, func() { errs = doc.Validate() })
		require.LessOrEqual(t, validating, 10_000.0, name)
		require.LessOrEqual(t, len(errs), MaxErrors, name)
		if len(errs) == 0 {
			text := doc.Text()
			require.LessOrEqual(t, len(text), 2*len(c.query)+1_000, name)
			executing := testing.AllocsPerRun(1, func() { executor.Validate(text) })
			require.LessOrEqual(t, executing, 100_000.0, name)
		}
	}
}

// Even without limits, no document exhausts the stack or causes exponential work.
func TestHostileDocumentsEndEvenWithoutLimits(t *testing.T) {
	t.Parallel()
	free := newSchema(t, withoutLimits)
	for name, c := range hostile {
		doc, err := free.Parse(c.query, "", nil)
		if err == nil {
			doc.Validate()
			require.NotEmpty(t, doc.Text(), name)
			require.LessOrEqual(t, doc.Cost, exact, name)
		}
	}
	_, err := free.Parse(strings.Repeat("{me", 200_000), "", nil)
	require.ErrorIs(t, err, ErrSyntax)
}
