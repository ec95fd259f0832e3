package buddychat_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tablePath is a path in a table of docs/security.md.
var tablePath = regexp.MustCompile("`((?:\\.ci|[a-z]+)(?:/[a-z_.]+)*)`")

// packageTests is "`package`: TestOne, TestTwo" in a table of docs/security.md.
var packageTests = regexp.MustCompile("`([a-z/]+)`: ((?:(?:Test|Fuzz)\\w+(?:, )?)+)")

func TestAllTestsAndFilesInTheSecurityTableExist(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/security.md")
	require.NoError(t, err)
	lines := 0
	for row := range strings.Lines(string(page)) {
		if !regexp.MustCompile(`^\| \d+ \|`).MatchString(row) {
			continue
		}
		lines++
		for _, found := range tablePath.FindAllStringSubmatch(row, -1) {
			if name := found[1]; strings.Contains(name, "/") {
				_, err := os.Stat(name)
				assert.NoError(t, err, row)
			}
		}
		named := packageTests.FindAllStringSubmatch(row, -1)
		assert.NotEmpty(t, named, "the row names no test: %s", row)
		for _, found := range named {
			source := testsOf(t, found[1])
			for name := range strings.SplitSeq(found[2], ", ") {
				assert.Contains(t, source, "func "+name+"(", "%s has no such test", found[1])
			}
		}
	}
	require.Equal(t, 34, lines)
}

// testsOf returns the source of a package's tests.
func testsOf(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dir)
	var source strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		source.Write(text)
	}
	return source.String()
}
