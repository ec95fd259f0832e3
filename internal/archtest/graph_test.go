package archtest

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/buddychat/buddychat"

// A graph maps each package, of other modules too, to the packages that it imports. The standard
// library is left out. Keys and values are import paths. The methods take and return paths relative
// to the module.
type graph map[string][]string

// load builds the graph with go list. Test files are not included.
func load(t *testing.T) graph {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports,Standard", module+"/...")
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	require.NoError(t, err)
	g, standard := graph{}, map[string]bool{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
			Standard   bool
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p.Standard {
			standard[p.ImportPath] = true
		} else {
			g[p.ImportPath] = p.Imports
		}
	}
	for p, imports := range g {
		g[p] = slices.DeleteFunc(imports, func(i string) bool { return standard[i] || i == "C" })
	}
	require.Contains(t, g, module)
	return g
}

// suites lists the packages that have only tests.
var suites = []string{"internal/archtest", "internal/torture", "internal/faults"}

// library returns the module's own packages, without the examples and the suites.
func (g graph) library() (packages []string) {
	for p := range g {
		if name := relative(p); within(p, module) && !within(name, "examples") && !slices.Contains(suites, name) {
			packages = append(packages, name)
		}
	}
	slices.Sort(packages)
	return packages
}

func (g graph) imports(p string) (names []string) {
	for _, i := range g[absolute(p)] {
		names = append(names, relative(i))
	}
	return names
}

// way returns the shortest import path from a package to another module, or nil if it does not
// depend on it.
func (g graph) way(from, to string) []string {
	seen := map[string]bool{}
	for ways := [][]string{{from}}; len(ways) > 0; ways = ways[1:] {
		way := ways[0]
		last := way[len(way)-1]
		if within(last, to) {
			return way
		}
		for _, next := range g.imports(last) {
			if !seen[next] {
				seen[next] = true
				ways = append(ways, append(slices.Clone(way), next))
			}
		}
	}
	return nil
}

// within reports whether p is parent or a package below it.
func within(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }

func relative(p string) string {
	if p == module {
		return "."
	}
	return strings.TrimPrefix(p, module+"/")
}

func absolute(p string) string {
	switch first, _, _ := strings.Cut(p, "/"); {
	case p == ".":
		return module
	case strings.Contains(first, "."):
		return p // in another module
	}
	return module + "/" + p
}
