package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// findingsIn returns what the check says of one file, a line each.
func findingsIn(t *testing.T, name, text string) []string {
	t.Helper()
	var out bytes.Buffer
	n, err := check(".", fstest.MapFS{name: {Data: []byte(text)}}, &out)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if out.Len() == 0 {
		lines = nil
	}
	require.Len(t, lines, n)
	return lines
}

func TestALineOfProseHasAtMost100Columns(t *testing.T) {
	t.Parallel()
	wide := strings.Repeat("x", 98)
	for name, text := range map[string]string{
		"a.go":      "package a\n\n// " + wide + "\n",
		"b.go":      "package a\n\nvar x = 1 // " + wide[:88] + "\n",
		"tab.go":    "package a\n\nfunc f() {\n\t// " + wide[:94] + "\n}\n",
		"a.md":      "# a\n\n" + wide + "yyy\n",
		"a.graphql": "type A\n\n# " + wide + "y\n",
		"a.sql":     "SELECT 1;\n\n-- " + wide + "\n",
	} {
		found := findingsIn(t, name, text)
		require.Len(t, found, 1, name)
		assert.Contains(t, found[0], "101 columns; wrap at 100", name)
	}
	for name, text := range map[string]string{
		"exact.go":     "package a\n\n// " + wide[:97] + "\n",
		"code.go":      "package a\n\nvar x = \"" + wide + "\"\n",
		"directive.go": "package a\n\n//nolint:gosec // " + wide + "\n",
		"link.go":      "package a\n\n// See https://example.com/" + wide + "\n",
		"a.md":         "```\n" + wide + wide + "\n```\n\n    " + wide + wide + "\n\n| " + wide + wide + " |\n",
	} {
		assert.Empty(t, findingsIn(t, name, text), name)
	}
}

func TestWordsAreFoundWhereverProseStands(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"comment.go":   "package a\n\n// F is for whoever calls it.\nfunc F() {}\n",
		"message.go":   "package a\n\nvar message = \"somebody else has it\"\n",
		"name_test.go": "package a\n\nfunc TestNobodyIsMissed() {}\n",
		"a.md":         "It waits behind the others.\n",
		"a.graphql":    "\"\"\"\nThe first of those who read it.\n\"\"\"\ntype A\n",
		"a.sql":        "-- what is to be purged\n",
	} {
		assert.Len(t, findingsIn(t, name, text), 1, name)
	}
}

func TestBehindIsForWhatLags(t *testing.T) {
	t.Parallel()
	for _, fine := range []string{
		"A consumer that falls behind is cut off.", "The tail lags behind.", "Put it behind a proxy.", "It serves `behind` as code.",
	} {
		assert.Empty(t, findingsIn(t, "a.md", fine+"\n"), fine)
	}
	assert.NotEmpty(t, findingsIn(t, "a.md", "The events behind the cursor.\n"))
}

func TestDataIsNotProse(t *testing.T) {
	t.Parallel()
	assert.Empty(t, findingsIn(t, "a_test.go", "package a\n\nvar content = \"whoever\"\n"))
	assert.Empty(t, findingsIn(t, "testdata/a.md", "whoever\n"))
}
