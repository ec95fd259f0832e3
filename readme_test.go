package buddychat_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheEmbeddingInTheREADMEIsTheExampleThatRuns(t *testing.T) {
	t.Parallel()
	example := between(t, "example_test.go", "\t// embedding begins\n", "\t// embedding ends\n")
	shown := between(t, "README.md", "```go\n", "```\n")
	require.Equal(t, strings.ReplaceAll("\n"+example, "\n\t", "\n"), "\n"+shown)
}

func TestEveryPackageStandsInTheREADME(t *testing.T) {
	t.Parallel()
	table := between(t, "README.md", "## Packages\n", "\n## ")
	for _, name := range []string{
		"buddychat", "graphqlapi", "chat", "group", "notify", "user", "user/token", "realtime", "realtime/natsbus", "realtime/transportws",
		"storage", "storage/sqlite", "storage/postgres", "storage/bunstore", "storage/memory", "storage/driver", "storage/storagetest",
	} {
		require.Contains(t, table, "`"+name+"`")
	}
}

// between returns what stands in a file between two texts.
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
