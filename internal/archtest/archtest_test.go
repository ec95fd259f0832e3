// Package archtest checks which packages of the module may import which.
package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// layers lists the packages from the bottom up. A package may import only packages from earlier
// lines. The examples may import anything.
var layers = [][]string{
	{"internal/surrogate", "internal/origin", "internal/pgserver", "internal/netfault", "internal/prose"},
	{"storage", "internal/gqldoc", "realtime/transportws", "internal/pgtest"},
	{"user"},
	{"chat", "internal/throttle"},
	{"group", "notify", "realtime", "user/token"},
	{"storage/driver"},
	{".", "storage/memory", "storage/bunstore"},
	{"storage/sqlite", "storage/postgres", "storage/storagetest", "graphqlapi", "realtime/natsbus"},
	{"internal/sqlitetest"},
}

// domain lists the packages that an application compiles if it uses only the Go API.
var domain = []string{"storage", "storage/driver", "user", "user/token", "chat", "group", "notify", "realtime", "."}

// helpers lists the modules that the domain may import too. They are small and have no
// dependencies.
var helpers = []string{"golang.org/x", "github.com/google/uuid", "github.com/golang-jwt/jwt/v5", "github.com/ccojocar/zxcvbn-go"}

// reach lists, for each module, the packages that may depend on it, directly or indirectly.
var reach = map[string][]string{
	"github.com/uptrace/bun":              {"storage/bunstore", "storage/sqlite", "storage/postgres", "internal/sqlitetest"},
	"github.com/jackc/pgx":                {"storage/postgres", "internal/pgtest"},
	"modernc.org/sqlite":                  {"storage/sqlite"},
	"github.com/graph-gophers/graphql-go": {"graphqlapi"},
	"github.com/vektah/gqlparser":         {"graphqlapi", "internal/gqldoc"},
	websocket:                             {"graphqlapi", "realtime/transportws"},
	"github.com/nats-io":                  {"realtime/natsbus"},
	"github.com/stretchr/testify":         {"storage/storagetest", "internal/sqlitetest"},
	"pgregory.net/rapid":                  {"storage/storagetest", "internal/sqlitetest"},
	"go.uber.org/goleak":                  {},
}

// websocket is the WebSocket library. Only one file imports it, so that it is easy to replace.
const websocket = "nhooyr.io/websocket"

func TestImportsPointDownward(t *testing.T) {
	t.Parallel()
	g := load(t)
	layerOf := map[string]int{}
	for i, layer := range layers {
		for _, p := range layer {
			layerOf[p] = i
		}
	}
	for _, p := range g.library() {
		layer, placed := layerOf[p]
		if !placed {
			t.Errorf("%s stands in no layer: add it to the list here", p)
			continue
		}
		for _, imported := range g.imports(p) {
			if below, ours := layerOf[imported]; ours && below >= layer {
				t.Errorf("%s must not import %s, which is not below it: remove that import", p, imported)
			}
		}
	}
}

func TestDomainImportsOnlyItselfAndSmallHelpers(t *testing.T) {
	t.Parallel()
	g := load(t)
	for _, p := range domain {
		for _, imported := range g.imports(p) {
			if !slices.Contains(domain, imported) && !slices.ContainsFunc(helpers, func(h string) bool { return within(imported, h) }) {
				t.Errorf("%s must not import %s: remove that import, or give it what it needs by an interface", p, imported)
			}
		}
	}
}

func TestOnlyAllowedPackagesDependOnALibrary(t *testing.T) {
	t.Parallel()
	g := load(t)
	for module, allowed := range reach {
		for _, p := range g.library() {
			if slices.Contains(allowed, p) {
				continue
			}
			if way := g.way(p, module); way != nil {
				t.Errorf("%s must not depend on %s, and does by %s: remove one of these imports", p, module, strings.Join(way, " → "))
			}
		}
	}
}

func TestOneFileImportsTheWebSocketLibrary(t *testing.T) {
	t.Parallel()
	var files []string
	root := filepath.Join("..", "..")
	require.NoError(t, filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(file, root+string(filepath.Separator)))
		switch {
		case d.IsDir() && (rel == "examples" || strings.HasPrefix(d.Name(), ".") && file != root):
			return filepath.SkipDir
		case !strings.HasSuffix(file, ".go"), strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range parsed.Imports {
			if imported, err := strconv.Unquote(i.Path.Value); err == nil && within(imported, websocket) {
				files = append(files, rel)
			}
		}
		return nil
	}))
	require.Len(t, files, 1, "files that import %s: leave it to one", websocket)
	require.Equal(t, "realtime/transportws", path.Dir(files[0]))
}

// Checks that way can find a forbidden dependency, so that the rules above can fail.
func TestShortestPathToADependencyIsFound(t *testing.T) {
	t.Parallel()
	g := graph{
		module + "/chat":      {module + "/storage", "fmt"},
		module + "/storage":   {"example.com/small"},
		"example.com/small":   {"github.com/jackc/pgx/v5"},
		"github.com/jackc/no": {},
	}
	require.Equal(t, []string{"chat", "storage", "example.com/small", "github.com/jackc/pgx/v5"}, g.way("chat", "github.com/jackc/pgx"))
	require.Nil(t, g.way("chat", "github.com/jackc/pg"), "another module")
}
