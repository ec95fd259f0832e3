package graphqlapi

import (
	"context"
	"maps"
	"strings"

	"github.com/graph-gophers/graphql-go"
)

// A selection is what a client asks for below a field: each field by its name, with what is selected below that. Aliases, fragments and
// the types of an interface are merged, so it may have more than one object needs, and never less.
type selection map[string]selection

// selected returns what is selected below the field that ctx is the resolver's of.
func selected(ctx context.Context) selection {
	root := selection{}
	for _, path := range graphql.SelectedFieldNames(ctx) {
		at := root
		for name := range strings.SplitSeq(path, ".") {
			if at[name] == nil {
				at[name] = selection{}
			}
			at = at[name]
		}
	}
	return root
}

func (s selection) has(field string) bool {
	_, ok := s[field]
	return ok
}

// at returns what is selected below any of these fields, which answer the same.
func (s selection) at(fields ...string) selection {
	merged := s[fields[0]]
	for _, field := range fields[1:] {
		merged = union(merged, s[field])
	}
	return merged
}

// nodes returns what is selected of each entry of a connection.
func (s selection) nodes() selection { return union(s["nodes"], s["edges"]["node"]) }

// beyondID reports whether more of an object is selected than its id.
func (s selection) beyondID() bool { return len(s) > 1 || len(s) == 1 && !s.has("id") }

func union(a, b selection) selection {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	both := make(selection, len(a)+len(b))
	maps.Copy(both, a)
	for name, below := range b {
		both[name] = union(both[name], below)
	}
	return both
}
