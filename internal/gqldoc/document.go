// Package gqldoc does what has to be done with a GraphQL document before an executor sees it: it
// bounds the work that a document can cause, refuses what is wrong with it in standard words, and
// writes what is to run anew, in a form that the executor reads as the client meant it.
//
// The way of a request:
//
//	schema, err := gqldoc.NewSchema(sdl, gqldoc.Limits{})            // once
//	doc, err := schema.Parse(query, operationName, variables)        // syntax and limits
//	errs := doc.Validate()                                           // the rules of the specification
//	variables, err = doc.CoerceVariables()                           // the variables, in the executor's types
//	executor.Exec(ctx, doc.Text(), operationName, variables)
//
// Every error tells its class by [errors.Is]: [ErrSyntax] and [ErrInvalid] are the client's mistake,
// [ErrTooComplex] is a limit.
package gqldoc

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
)

// Operation is the kind of the operation that a document runs.
type Operation string

// The kinds of operation.
const (
	Query        Operation = "query"
	Mutation     Operation = "mutation"
	Subscription Operation = "subscription"
)

// Document is a parsed request: a document, the operation in it that is to run, and its variables. It
// is for one goroutine at a time.
type Document struct {
	// Operation is the kind of the selected operation.
	Operation Operation
	// RootFields has one entry for each response key of the selected operation, in the order in which they
	// are first met. Fields in fragments are among them, and @skip and @include are taken as included.
	RootFields []RootField
	// UsesIntrospection says that __schema or __type stands somewhere in the document. __typename does not count.
	UsesIntrospection bool
	// Cost stands for the work of the selected operation: 1 for each field that it can resolve, and what
	// [Limits.Costs] has for it, with the nodes of each connection counted as often as its page is long. A
	// field whose key in the answer is long costs 1 more for each [KeyBytes]. It is at most 2^53.
	Cost int

	schema    *Schema
	parsed    *ast.QueryDocument
	selected  *ast.OperationDefinition
	variables map[string]any
	aliases   int // in all of the document
	// required are the variables of the selected operation that stand somewhere where there must be a value.
	required map[string]bool
}

// RootField is one field of an operation's root.
type RootField struct {
	// Key is the name under which the answer has it: the alias, or else the name.
	Key string
	// Name is the field's name in the schema.
	Name string

	field     *ast.Field
	operation *ast.OperationDefinition
	variables map[string]any
}

// StringArgument returns the text of the field's argument, wherever it was given: as a literal, as a
// variable, or as the default of one. It is false where there is none, or it is not a string.
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

// Label returns what a log may call the operation: its name, or its kind where it has none. The name is the
// client's own text, as long as the client likes.
func (d *Document) Label() string {
	if d.selected.Name != "" {
		return d.selected.Name
	}
	return string(d.Operation)
}

// Text returns what the executor is to run: the selected operation and the fragments that it needs, written
// anew without comments and descriptions, every value in the one notation that all executors read alike. Its
// variables must come from [Document.CoerceVariables].
//
// The document's other operations are left out, once [Document.Validate] has seen them: the executor would want
// their variables too.
func (d *Document) Text() string { return d.emit(d.selected.Operation) }

// AsQuery returns the same as [Document.Text] with the operation made a query. It is for a schema that has the
// operation's root type as its query type.
func (d *Document) AsQuery() string { return d.emit(ast.Query) }

func (d *Document) emit(as ast.Operation) string {
	operation := *d.selected
	operation.Operation = as
	operation.VariableDefinitions = nil
	for _, definition := range d.selected.VariableDefinitions {
		if definition.Type.NonNull {
			// CoerceVariables has filled it in, and the executor does not know that such a default is allowed.
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

// No indentation: its size would be quadratic in the nesting.
func format(document *ast.QueryDocument) string {
	var text strings.Builder
	formatter.NewFormatter(&text, formatter.WithIndent(""), formatter.WithoutDescription()).FormatQueryDocument(document)
	return text.String()
}

// reachable returns the fragments that a selection spreads, directly or not, in the document's order.
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
