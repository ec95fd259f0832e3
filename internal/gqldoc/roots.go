package gqldoc

import "github.com/vektah/gqlparser/v2/ast"

// rootFields collects the root fields of an operation by response key, as the executor merges them.
// It enters each fragment once, because entering it again would add nothing.
func (d *Document) rootFields(operation *ast.OperationDefinition) []RootField {
	type key struct{ key, name string }
	var fields []RootField
	met := map[key]bool{}
	entered := map[string]bool{}
	var collect func(ast.SelectionSet)
	collect = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch s := selection.(type) {
			case *ast.Field:
				// Two fields with one key are an error that Validate finds. Until then both count.
				if k := (key{s.Alias, s.Name}); !met[k] {
					met[k] = true
					fields = append(fields, RootField{Key: s.Alias, Name: s.Name, field: s, operation: operation, variables: d.variables})
				}
			case *ast.InlineFragment:
				collect(s.SelectionSet)
			case *ast.FragmentSpread:
				if entered[s.Name] {
					continue
				}
				entered[s.Name] = true
				if fragment := d.parsed.Fragments.ForName(s.Name); fragment != nil {
					collect(fragment.SelectionSet)
				}
			}
		}
	}
	collect(operation.SelectionSet)
	return fields
}
