package graphqlapi

import (
	"context"
	"maps"
	"strings"

	"github.com/graph-gophers/graphql-go"
)

// A selection is the set of fields that a client selects, each with its own selection. It merges
// aliases, fragments and the types of an interface, so it may contain more than one object needs,
// but never less.
type selection map[string]selection

// selected returns the selection of the field that ctx belongs to.
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

// at returns the merged selection of several fields that resolve to the same value.
func (s selection) at(fields ...string) selection {
	merged := s[fields[0]]
	for _, field := range fields[1:] {
		merged = union(merged, s[field])
	}
	return merged
}

// nodes returns what is selected of each entry of a connection.
func (s selection) nodes() selection { return union(s["nodes"], s["edges"]["node"]) }

// beyondID reports whether the selection has any field but the id.
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
