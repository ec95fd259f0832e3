package gqldoc

import (
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// A meta is an object of the introspection schema
// (https://spec.graphql.org/September2025/#sec-Schema-Introspection). It returns the value of one
// of its fields.
type meta func(in *introspector, f *ast.Field) any

func metaSchema(s *ast.Schema) meta {
	return func(in *introspector, f *ast.Field) any {
		switch f.Name {
		case "description":
			return orNull(s.Description)
		case "types":
			return listOf(slices.Sorted(maps.Keys(in.types)), in.named)
		case "queryType":
			return in.definition(s.Query)
		case "mutationType":
			return in.definition(s.Mutation)
		case "subscriptionType":
			return in.definition(s.Subscription)
		case "directives":
			return in.directives(s, f)
		}
		return "__Schema"
	}
}

func (in *introspector) directives(s *ast.Schema, f *ast.Field) []any {
	all := []any{}
	for _, name := range slices.Sorted(maps.Keys(s.Directives)) {
		if d := s.Directives[name]; in.includeDeprecated(f) || !isDeprecated(d.Directives) {
			all = append(all, metaDirective(d))
		}
	}
	return all
}

// named returns the type with the given name, or nil.
func (in *introspector) named(name string) any { return in.definition(in.types[name]) }

func (in *introspector) definition(d *ast.Definition) any {
	if d == nil {
		return nil
	}
	return metaType(d)
}

func metaType(d *ast.Definition) meta {
	return func(in *introspector, f *ast.Field) any {
		fields, abstract := d.Kind == ast.Object || d.Kind == ast.Interface, d.Kind == ast.Interface || d.Kind == ast.Union
		switch {
		case f.Name == "__typename":
			return "__Type"
		case f.Name == "kind":
			return string(d.Kind)
		case f.Name == "name":
			return d.Name
		case f.Name == "description":
			return orNull(d.Description)
		case f.Name == "specifiedByURL" && d.Kind == ast.Scalar:
			return directiveText(d.Directives, "specifiedBy", "url", "")
		case f.Name == "fields" && fields:
			return in.fields(d, f)
		case f.Name == "interfaces" && fields:
			return listOf(d.Interfaces, in.named)
		case f.Name == "possibleTypes" && abstract:
			return listOf(in.possibleTypes(d), in.named)
		case f.Name == "enumValues" && d.Kind == ast.Enum:
			return in.enumValues(d, f)
		case f.Name == "inputFields" && d.Kind == ast.InputObject:
			return in.inputFields(d, f)
		case f.Name == "isOneOf" && d.Kind == ast.InputObject:
			return d.Directives.ForName("oneOf") != nil
		}
		return nil
	}
}

func (in *introspector) fields(d *ast.Definition, f *ast.Field) []any {
	all := []any{}
	for _, field := range d.Fields {
		// The introspection fields of the root are not fields of the type.
		if !strings.HasPrefix(field.Name, "__") && (in.includeDeprecated(f) || !isDeprecated(field.Directives)) {
			all = append(all, metaField(field))
		}
	}
	return all
}

func (in *introspector) enumValues(d *ast.Definition, f *ast.Field) []any {
	all := []any{}
	for _, value := range d.EnumValues {
		if in.includeDeprecated(f) || !isDeprecated(value.Directives) {
			all = append(all, metaEnumValue(value))
		}
	}
	return all
}

func (in *introspector) inputFields(d *ast.Definition, f *ast.Field) []any {
	all := []any{}
	for _, field := range d.Fields {
		if in.includeDeprecated(f) || !isDeprecated(field.Directives) {
			all = append(all, metaInputValue(field.Name, field.Description, field.Type, field.DefaultValue, field.Directives))
		}
	}
	return all
}

func (in *introspector) arguments(list ast.ArgumentDefinitionList, f *ast.Field) []any {
	all := []any{}
	for _, a := range list {
		if in.includeDeprecated(f) || !isDeprecated(a.Directives) {
			all = append(all, metaInputValue(a.Name, a.Description, a.Type, a.DefaultValue, a.Directives))
		}
	}
	return all
}

func (in *introspector) possibleTypes(d *ast.Definition) []string {
	if d.Kind == ast.Union {
		return d.Types
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(in.types)) {
		if t := in.types[name]; t.Kind == ast.Object && slices.Contains(t.Interfaces, d.Name) {
			names = append(names, name)
		}
	}
	return names
}

// reference returns a type reference, with its list and non-null wrappers.
func (in *introspector) reference(t *ast.Type) any {
	if !t.NonNull && t.Elem == nil {
		return in.named(t.NamedType)
	}
	return meta(func(in *introspector, f *ast.Field) any {
		inner := *t
		kind, of := "LIST", t.Elem
		if t.NonNull {
			inner.NonNull = false
			kind, of = "NON_NULL", &inner
		}
		switch f.Name {
		case "__typename":
			return "__Type"
		case "kind":
			return kind
		case "ofType":
			return in.reference(of)
		}
		return nil
	})
}

func metaField(d *ast.FieldDefinition) meta {
	return func(in *introspector, f *ast.Field) any {
		switch f.Name {
		case "name":
			return d.Name
		case "description":
			return orNull(d.Description)
		case "args":
			return in.arguments(d.Arguments, f)
		case "type":
			return in.reference(d.Type)
		case "isDeprecated":
			return isDeprecated(d.Directives)
		case "deprecationReason":
			return deprecationReason(d.Directives)
		}
		return "__Field"
	}
}

func metaInputValue(name, description string, typ *ast.Type, standard *ast.Value, directives ast.DirectiveList) meta {
	return func(in *introspector, f *ast.Field) any {
		switch f.Name {
		case "name":
			return name
		case "description":
			return orNull(description)
		case "type":
			return in.reference(typ)
		case "defaultValue":
			if standard == nil {
				return nil
			}
			return printValue(standard)
		case "isDeprecated":
			return isDeprecated(directives)
		case "deprecationReason":
			return deprecationReason(directives)
		}
		return "__InputValue"
	}
}

func metaEnumValue(d *ast.EnumValueDefinition) meta {
	return func(_ *introspector, f *ast.Field) any {
		switch f.Name {
		case "name":
			return d.Name
		case "description":
			return orNull(d.Description)
		case "isDeprecated":
			return isDeprecated(d.Directives)
		case "deprecationReason":
			return deprecationReason(d.Directives)
		}
		return "__EnumValue"
	}
}

func metaDirective(d *ast.DirectiveDefinition) meta {
	return func(in *introspector, f *ast.Field) any {
		switch f.Name {
		case "name":
			return d.Name
		case "description":
			return orNull(d.Description)
		case "isRepeatable":
			return d.IsRepeatable
		case "locations":
			return listOf(d.Locations, func(l ast.DirectiveLocation) any { return string(l) })
		case "args":
			return in.arguments(d.Arguments, f)
		case "isDeprecated":
			return isDeprecated(d.Directives)
		case "deprecationReason":
			return deprecationReason(d.Directives)
		}
		return "__Directive"
	}
}

func listOf[T any](list []T, of func(T) any) []any {
	all := make([]any, len(list))
	for i, item := range list {
		all[i] = of(item)
	}
	return all
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func isDeprecated(directives ast.DirectiveList) bool { return directives.ForName("deprecated") != nil }

func deprecationReason(directives ast.DirectiveList) any {
	return directiveText(directives, "deprecated", "reason", "No longer supported")
}

// directiveText returns the text of a directive's argument, standard if the argument is missing, or
// nil if the directive is missing.
func directiveText(directives ast.DirectiveList, name, argument, standard string) any {
	d := directives.ForName(name)
	if d == nil {
		return nil
	}
	if a := d.Arguments.ForName(argument); a != nil {
		return a.Value.Raw
	}
	return standard
}

// printValue formats a constant like the reference implementation.
func printValue(v *ast.Value) string {
	var parts []string
	switch v.Kind {
	case ast.ListValue:
		for _, child := range v.Children {
			parts = append(parts, printValue(child.Value))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case ast.ObjectValue:
		for _, child := range v.Children {
			parts = append(parts, child.Name+": "+printValue(child.Value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return v.String()
}

// introspectedTypes returns the types that introspection shows: all except unused built-in scalars.
func (s *Schema) introspectedTypes() map[string]*ast.Definition {
	used := map[string]bool{"String": true, "Boolean": true}
	arguments := func(list ast.ArgumentDefinitionList) {
		for _, a := range list {
			used[a.Type.Name()] = true
		}
	}
	for _, d := range s.schema.Types {
		for _, f := range d.Fields {
			used[f.Type.Name()] = true
			arguments(f.Arguments)
		}
	}
	for _, d := range s.schema.Directives {
		arguments(d.Arguments)
	}
	shown := make(map[string]*ast.Definition, len(s.schema.Types))
	for name, d := range s.schema.Types {
		if d.Kind != ast.Scalar || !d.BuiltIn || used[name] {
			shown[name] = d
		}
	}
	return shown
}

// complete adapts the parsing library's introspection schema to the reference implementation. It
// adds the deprecation of directives, which is a draft, and removes @defer, which the executor does
// not support.
func complete(s *ast.Schema) {
	delete(s.Directives, "defer")
	boolean, text := s.Types["Boolean"], s.Types["String"]
	s.Types["__Schema"].Fields.ForName("directives").Arguments = ast.ArgumentDefinitionList{{
		Name:         "includeDeprecated",
		Type:         ast.NonNullNamedType(boolean.Name, nil),
		DefaultValue: &ast.Value{Kind: ast.BooleanValue, Raw: "false", Definition: boolean},
	}}
	d := s.Types["__Directive"]
	d.Fields = append(d.Fields,
		&ast.FieldDefinition{Name: "isDeprecated", Type: ast.NonNullNamedType(boolean.Name, nil)},
		&ast.FieldDefinition{Name: "deprecationReason", Type: ast.NamedType(text.Name, nil)},
	)
}
