package buddychat_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/realtime/transportws"
)

func TestTheREADMEShowsTheExampleThatRuns(t *testing.T) {
	t.Parallel()
	example := between(t, "example_test.go", "\t// embedding begins\n", "\t// embedding ends\n")
	shown := between(t, "README.md", "```go\n", "```\n")
	require.Equal(t, strings.ReplaceAll("\n"+example, "\n\t", "\n"), "\n"+shown)
}

func TestTheREADMEShowsTheTransactionThatRuns(t *testing.T) {
	t.Parallel()
	example := between(t, "example_test.go", "order := func(item string) error {", "\n\t}\n")
	shown := between(t, "README.md", "## A message in your own transaction\n", "\n```\n\n")
	_, shown, found := strings.Cut(shown, "```go")
	require.True(t, found)
	require.Equal(t, strings.ReplaceAll(example, "\n\t\t", "\n"), shown)
}

func TestTheOtherSnippetsInTheDocsAreExamplesThatCompile(t *testing.T) {
	t.Parallel()
	for _, snippet := range []struct{ doc, example string }{
		{"README.md", filepath.Join("realtime", "natsbus", "example_test.go")},
		{filepath.Join("docs", "sqlite.md"), filepath.Join("storage", "bunstore", "example_test.go")},
	} {
		example := between(t, snippet.example, "this.\n", "\t// Up to here.\n")
		doc, err := os.ReadFile(snippet.doc)
		require.NoError(t, err)
		shown := "```go\n" + strings.TrimPrefix(strings.ReplaceAll("\n"+example, "\n\t", "\n"), "\n") + "```\n"
		require.Contains(t, string(doc), shown, snippet.example)
	}
}

func TestTheREADMEListsEveryPackage(t *testing.T) {
	t.Parallel()
	table := between(t, "README.md", "## Packages\n", "\n## ")
	for _, name := range []string{
		"buddychat", "graphqlapi", "chat", "group", "notify", "user", "user/token", "realtime", "realtime/natsbus", "realtime/transportws",
		"storage", "storage/sqlite", "storage/postgres", "storage/bunstore", "storage/memory", "storage/driver", "storage/storagetest",
	} {
		require.Contains(t, table, "`"+name+"`")
	}
}

// clientBlock is a code block of docs/clients.md. The comment before it names the file that it
// shows.
var clientBlock = regexp.MustCompile("(?m)^<!-- (\\S+) -->\n```[a-z]+\n((?s:.*?))^```$")

func TestTheDocsShowTheClientsThatCIRuns(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile(filepath.Join("docs", "clients.md"))
	require.NoError(t, err)
	shown := map[string]bool{}
	for _, block := range clientBlock.FindAllStringSubmatch(string(docs), -1) {
		file := block[1]
		run, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(run), block[2], "docs/clients.md shows an old %s: copy the file into it", file)
		shown[file] = true
	}
	require.NoError(t, filepath.WalkDir(filepath.Join(".ci", "interop", "clients"), func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			require.True(t, shown[filepath.ToSlash(file)], "docs/clients.md does not show %s", file)
		}
		return err
	}))
	for _, file := range []string{"genqlient.yaml", "operations.graphql", "client.go"} {
		require.True(t, shown[".ci/interop/genqlient/"+file], file)
	}
}

func TestTheDocsListEveryCloseCodeOfASocket(t *testing.T) {
	t.Parallel()
	table := between(t, filepath.Join("docs", "clients.md"), "**When a socket closes.**", "\n**")
	for _, code := range []int{
		transportws.CodeGoingAway, transportws.CodePolicy, transportws.CodeTooBig, transportws.CodeInternal, transportws.CodeTryAgainLater,
		transportws.CodeSlowConsumer, transportws.CodeInvalidMessage, transportws.CodeUnauthorized, transportws.CodeForbidden,
		transportws.CodeSubprotocol, transportws.CodeInitTimeout, transportws.CodeSubscriberExists, transportws.CodeTooManyInits,
	} {
		require.Contains(t, table, strconv.Itoa(code))
	}
}

// between returns the text of a file between two markers.
func between(t *testing.T, file, before, after string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(text), before)
	require.True(t, ok, before)
	found, _, ok := strings.Cut(rest, after)
	require.True(t, ok, after)
	return found
}
