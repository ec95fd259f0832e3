// Package gqldoc prepares a GraphQL document for an executor. It limits the work that a document
// can cause, validates it with the standard error messages, and rewrites it into a form that the
// executor reads as the client meant it.
//
// The steps for a request:
//
//	schema, err := gqldoc.NewSchema(sdl, gqldoc.Limits{})     // once
//	doc, err := schema.Parse(query, operationName, variables) // syntax and limits
//	errs := doc.Validate()                                    // rules of the specification
//	variables, err = doc.CoerceVariables()                    // types of the executor
//	executor.Exec(ctx, doc.Text(), operationName, variables)
//
// Use [errors.Is] for the class of an error: [ErrSyntax] and [ErrInvalid] are mistakes of the
// client, and [ErrTooComplex] is an exceeded limit.
package gqldoc

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

// Operation is the kind of an operation.
type Operation string

// The kinds of operation.
const (
	Query        Operation = "query"
	Mutation     Operation = "mutation"
	Subscription Operation = "subscription"
)

// Document is a parsed request: a document, its selected operation, and the variables. It is not
// safe for concurrent use.
type Document struct {
	// Operation is the kind of the selected operation.
	Operation Operation
	// RootFields has one entry for each response key of the selected operation, in order of first
	// occurrence. It includes the fields of fragments, and fields with @skip or @include, whatever
	// their condition.
	RootFields []RootField
	// UsesIntrospection reports whether __schema or __type occurs anywhere in the document.
	// __typename does not count.
	UsesIntrospection bool
	// Cost estimates the work of the selected operation: 1 for each field that it can resolve, plus
	// its cost in [Limits.Costs]. The nodes of a connection count as often as its page is long. A
	// field costs 1 more for each [KeyBytes] of its response key. Cost is at most 2^53.
	Cost int

	schema    *Schema
	parsed    *ast.QueryDocument
	selected  *ast.OperationDefinition
	variables map[string]any
	aliases   int // in the whole document
	// required has the variables of the selected operation that are used where a value is required.
	required map[string]bool
}

// RootField is a field of the root of an operation.
type RootField struct {
	// Key is the field's response key: its alias, or its name if it has none.
	Key string
	// Name is the name of the field in the schema.
	Name string

	field     *ast.Field
	operation *ast.OperationDefinition
	variables map[string]any
}

// StringArgument returns the value of an argument, given as a literal, as a variable, or as a
// variable's default. It returns false if the argument is missing or not a string.
func (f RootField) StringArgument(name string) (string, bool) {
	argument := f.field.Arguments.ForName(name)
	if argument == nil {
		return "", false
	}
	value := argument.Value
	if value.Kind == ast.Variable {
		if given, ok := f.variables[value.Raw]; ok {
			text, ok := given.(string)
			return text, ok
		}
		definition := f.operation.VariableDefinitions.ForName(value.Raw)
		if definition == nil || definition.DefaultValue == nil {
			return "", false
		}
		value = definition.DefaultValue
	}
	if value.Kind != ast.StringValue {
		return "", false // not the text of the literal, which of null is "null"
	}
	return value.Raw, true
}

// Label returns a label of the operation for logs: its name, or its kind if it has no name. The
// client chooses the name, which may be as long as the document.
func (d *Document) Label() string {
	if d.selected.Name != "" {
		return d.selected.Name
	}
	return string(d.Operation)
}

// Text returns the document for the executor: the selected operation and the fragments that it
// needs, without comments and descriptions. Every value is in a notation that all executors parse
// alike. The variables must come from [Document.CoerceVariables].
//
// The other operations of the document are left out, because the executor would require their
// variables too. [Document.Validate] checks them.
func (d *Document) Text() string { return d.emit(d.selected.Operation) }

// AsQuery is like [Document.Text], but turns the operation into a query. It is for a schema whose
// query type is the operation's root type.
func (d *Document) AsQuery() string { return d.emit(ast.Query) }

func (d *Document) emit(as ast.Operation) string {
	operation := *d.selected
	operation.Operation = as
	operation.VariableDefinitions = nil
	for _, definition := range d.selected.VariableDefinitions {
		if definition.Type.NonNull {
			// CoerceVariables has filled in the default, and the executor would reject a default
			// here.
			required := *definition
			required.DefaultValue = nil
			definition = &required
		}
		operation.VariableDefinitions = append(operation.VariableDefinitions, definition)
	}
	return format(&ast.QueryDocument{
		Operations: ast.OperationList{&operation},
		Fragments:  d.reachable(d.selected.SelectionSet),
	})
}

// format prints a document without indentation, whose size would be quadratic in the nesting.
func format(document *ast.QueryDocument) string {
	var text strings.Builder
	formatter.NewFormatter(&text, formatter.WithIndent(""), formatter.WithoutDescription()).FormatQueryDocument(document)
	return text.String()
}

// reachable returns the fragments that a selection spreads, directly or indirectly, in document
// order.
func (d *Document) reachable(set ast.SelectionSet) ast.FragmentDefinitionList {
	used := map[string]bool{}
	var visit func(ast.SelectionSet)
	visit = func(set ast.SelectionSet) {
		for _, selection := range set {
			switch s := selection.(type) {
			case *ast.Field:
				visit(s.SelectionSet)
			case *ast.InlineFragment:
				visit(s.SelectionSet)
			case *ast.FragmentSpread:
				if used[s.Name] {
					continue
				}
				used[s.Name] = true
				if fragment := d.parsed.Fragments.ForName(s.Name); fragment != nil {
					visit(fragment.SelectionSet)
				}
			}
		}
	}
	visit(set)
	var fragments ast.FragmentDefinitionList
	for _, fragment := range d.parsed.Fragments {
		if used[fragment.Name] {
			fragments = append(fragments, fragment)
		}
	}
	return fragments
}
