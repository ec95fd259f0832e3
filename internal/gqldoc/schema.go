package gqldoc

import (
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
)

// Schema is a schema with limits, against which documents are checked. It is safe for concurrent
// use.
type Schema struct {
	schema *ast.Schema
	limits Limits
	texts  map[string]bool // Limits.Texts
}

// NewSchema parses a schema in the schema definition language. The error says where it is wrong.
func NewSchema(sdl string, limits Limits) (*Schema, error) {
	schema, err := validator.LoadSchema(validator.Prelude, &ast.Source{Name: "schema", Input: sdl})
	if err != nil {
		return nil, fmt.Errorf("reading the GraphQL schema: %w", err)
	}
	complete(schema)
	s := &Schema{schema: schema, limits: limits.withDefaults(), texts: map[string]bool{}}
	for _, name := range limits.Texts {
		s.texts[name] = true
	}
	return s, nil
}

// Parse parses a document and selects the operation to run. The operation name may be "" if the
// document has only one operation. Variables are decoded from JSON, with or without
// [encoding/json.Decoder.UseNumber]. They are not modified.
//
// Limits that need no parsing are checked first. The remaining work is at most quadratic in what
// those limits allow. The error is an [ErrSyntax], an [ErrTooComplex], or an [ErrInvalid] if
// fragments spread each other in a cycle.
func (s *Schema) Parse(query, operationName string, variables map[string]any) (*Document, error) {
	query = newlines.Replace(query)
	texts, aliases, err := scan(query, s.limits)
	if err != nil {
		return nil, err
	}
	parsed, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		return nil, fromParser(err, ErrSyntax)
	}
	if err := refuseFragmentVariables(parsed.Fragments); err != nil {
		return nil, err
	}
	selected, err := selectOperation(parsed, operationName)
	if err != nil {
		return nil, err
	}
	doc := &Document{
		Operation: Operation(selected.Operation),
		schema:    s,
		parsed:    parsed,
		selected:  selected,
		variables: variables,
		aliases:   aliases,
		required:  map[string]bool{},
	}
	doc.RootFields = doc.rootFields(selected)
	total, err := weigh(doc)
	if err != nil {
		return nil, err
	}
	doc.Cost = total.cost()
	if err := doc.checkLimits(total); err != nil {
		return nil, err
	}
	doc.settle(texts)
	return doc, nil
}

func (d *Document) checkLimits(total weight) error {
	limits := d.schema.limits
	if err := exceeds("levels of depth", total.depth, limits.Depth); err != nil {
		return err
	}
	credentials := 0
	for _, field := range d.RootFields {
		if d.Operation == Mutation && IsCredential(field.Name) {
			credentials++
		}
	}
	if err := exceeds("login, createUser or refreshToken fields", credentials, limits.Credentials); err != nil {
		return err
	}
	what, bound := "points of cost", limits.Cost
	if d.Operation == Subscription {
		what, bound = "points of cost for each event", limits.SubscriptionCost
	}
	if err := exceedsUnless("ask for shorter pages, or fewer fields", what, d.Cost, bound); err != nil {
		return err
	}
	return d.checkNames()
}

// refuseFragmentVariables rejects variables of fragments. The parser accepts them from an old
// proposal, but no executor supports them.
func refuseFragmentVariables(fragments ast.FragmentDefinitionList) error {
	for _, fragment := range fragments {
		if len(fragment.VariableDefinition) > 0 {
			return syntaxError(locate(fragment.Position), "Fragment %q must not define variables.", fragment.Name)
		}
	}
	return nil
}

func selectOperation(document *ast.QueryDocument, name string) (*ast.OperationDefinition, error) {
	operations := document.Operations
	switch {
	case len(operations) == 0 && len(document.Fragments) == 0:
		return nil, syntaxError(Location{Line: 1, Column: 1}, "Unexpected <EOF>.")
	case len(operations) == 0:
		return nil, &Error{Message: "Must provide an operation.", class: ErrSyntax}
	case name == "" && len(operations) > 1:
		return nil, &Error{Message: "Must provide operation name if query contains multiple operations.", class: ErrSyntax}
	case name == "":
		return operations[0], nil
	}
	if operation := operations.ForName(name); operation != nil {
		return operation, nil
	}
	return nil, &Error{Message: shorten(fmt.Sprintf("Unknown operation named %q.", name)), class: ErrSyntax}
}

func locate(position *ast.Position) Location {
	if position == nil {
		return Location{}
	}
	return Location{Line: position.Line, Column: position.Column}
}
