package gqldoc

import "github.com/vektah/gqlparser/v2/ast"

// SelectsNothing reports whether @skip and @include exclude every root field of the selected
// operation. The variables must come from [Document.CoerceVariables].
func (d *Document) SelectsNothing(variables map[string]any) bool {
	return len(d.includedFields(d.selected.SelectionSet, variables)) == 0
}

// includedFields returns the fields of a selection set in the executor's order, including those in
// fragments, but without those that @skip and @include exclude. It assumes that all type conditions
// hold, which is true if the object's type has no interfaces.
func (d *Document) includedFields(set ast.SelectionSet, variables map[string]any) []*ast.Field {
	return d.collectFields(set, func(directives ast.DirectiveList) bool { return isIncluded(directives, variables) })
}

// collectFields enters each fragment once, because entering it again would add nothing.
func (d *Document) collectFields(set ast.SelectionSet, included func(ast.DirectiveList) bool) []*ast.Field {
	var fields []*ast.Field
	entered := map[string]bool{}
	var collect func(ast.SelectionSet)
	collect = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch s := selection.(type) {
			case *ast.Field:
				if included(s.Directives) {
					fields = append(fields, s)
				}
			case *ast.InlineFragment:
				if included(s.Directives) {
					collect(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				fragment := d.parsed.Fragments.ForName(s.Name)
				if fragment == nil || entered[s.Name] || !included(s.Directives) {
					continue
				}
				entered[s.Name] = true
				collect(fragment.SelectionSet)
			}
		}
	}
	collect(set)
	return fields
}

func isIncluded(directives ast.DirectiveList, variables map[string]any) bool {
	for _, d := range directives {
		condition := d.Arguments.ForName("if")
		if condition == nil {
			continue
		}
		holds := condition.Value.Raw == "true"
		if condition.Value.Kind == ast.Variable {
			holds, _ = variables[condition.Value.Raw].(bool)
		}
		if d.Name == "skip" && holds || d.Name == "include" && !holds {
			return false
		}
	}
	return true
}
