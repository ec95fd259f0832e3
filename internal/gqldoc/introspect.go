package gqldoc

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// maxIntrospection is the maximum size of the answers to __schema and __type, in bytes. The
// standard introspection query gets about 120,000 bytes for the schema of package graphqlapi.
const maxIntrospection = 4 << 20

// Introspected is an operation whose __schema and __type fields are answered. Executors do not
// support all of the specification's introspection, so they run only the other fields.
type Introspected struct {
	// Rest is the document for the executor, or "" if no fields are left.
	Rest string

	keys    []string // of all root fields, in the order of the answer
	answers map[string]json.RawMessage
}

// Introspect answers the __schema and __type fields of the selected operation. The document must
// have passed [Document.Validate], and the variables must come from [Document.CoerceVariables]. The
// error is an [ErrInvalid] if fields with the same response key conflict, and an [ErrTooComplex] if
// the answer would be too long.
func (d *Document) Introspect(variables map[string]any) (*Introspected, error) {
	in := &introspector{d: d, variables: variables, types: d.schema.introspectedTypes()}
	done := &Introspected{answers: map[string]json.RawMessage{}}
	var rest ast.SelectionSet
	for _, group := range groups(d.includedFields(d.selected.SelectionSet, variables)) {
		field := group[0]
		done.keys = append(done.keys, field.Alias)
		if !slices.ContainsFunc(group, isIntrospection) {
			for _, f := range group {
				rest = append(rest, f)
			}
			continue
		}
		if err := d.checkMerge(group); err != nil {
			return nil, err
		}
		start := in.out.Len()
		in.write(in.root(field), group)
		if in.out.Len() > maxIntrospection {
			return nil, &LimitError{What: "bytes of introspection to answer", Figure: in.out.Len(), Bound: maxIntrospection}
		}
		done.answers[field.Alias] = bytes.Clone(in.out.Bytes()[start:])
	}
	if len(rest) > 0 {
		done.Rest = d.emitOnly(rest)
	}
	return done, nil
}

// Merge returns the data of the whole operation. data is the executor's data for Rest; if it is
// null, the result is null.
func (in *Introspected) Merge(data json.RawMessage) (json.RawMessage, error) {
	var rest map[string]json.RawMessage
	if len(data) > 0 {
		if err := json.Unmarshal(data, &rest); err != nil {
			return nil, err
		}
		if rest == nil {
			return data, nil
		}
	}
	merged := []byte{'{'}
	for _, key := range in.keys {
		value, ok := in.answers[key]
		if !ok {
			value, ok = rest[key]
		}
		if !ok {
			continue
		}
		if len(merged) > 1 {
			merged = append(merged, ',')
		}
		merged = append(append(append(append(merged, '"'), key...), `":`...), value...)
	}
	return append(merged, '}'), nil
}

func isIntrospection(f *ast.Field) bool { return f.Name == "__schema" || f.Name == "__type" }

// groups sorts fields into groups by response key, in order of first occurrence.
func groups(fields []*ast.Field) [][]*ast.Field {
	var all [][]*ast.Field
	at := map[string]int{}
	for _, f := range fields {
		i, met := at[f.Alias]
		if !met {
			i = len(all)
			at[f.Alias] = i
			all = append(all, nil)
		}
		all[i] = append(all[i], f)
	}
	return all
}

// selectionOf returns the merged selection of fields that have the same response key.
func selectionOf(group []*ast.Field) ast.SelectionSet {
	if len(group) == 1 {
		return group[0].SelectionSet
	}
	var all ast.SelectionSet
	for _, f := range group {
		all = append(all, f.SelectionSet...)
	}
	return all
}

// checkMerge checks the rule that Validate leaves to the executor: fields with the same response
// key must not conflict. All introspection types are objects, so such fields always have the same
// parent type.
func (d *Document) checkMerge(group []*ast.Field) error {
	for _, f := range group[1:] {
		if f.Name != group[0].Name || argumentsOf(f) != argumentsOf(group[0]) {
			return &Error{
				Message:   shorten("Fields \"" + f.Alias + "\" conflict because they are different fields or have different arguments. Use different aliases."),
				Locations: []Location{locate(group[0].Position), locate(f.Position)},
				class:     ErrInvalid,
			}
		}
	}
	for _, below := range groups(d.collectFields(selectionOf(group), func(ast.DirectiveList) bool { return true })) {
		if err := d.checkMerge(below); err != nil {
			return err
		}
	}
	return nil
}

func argumentsOf(f *ast.Field) string {
	texts := make([]string, len(f.Arguments))
	for i, a := range f.Arguments {
		texts[i] = a.Name + ":" + a.Value.String()
	}
	slices.Sort(texts)
	return strings.Join(texts, ",")
}

// emitOnly is like [Document.Text], but for an operation with only the given root fields.
func (d *Document) emitOnly(rest ast.SelectionSet) string {
	only, operation := *d, *d.selected
	operation.SelectionSet = rest
	used := map[string]bool{}
	visitVariables(rest, used)
	for _, fragment := range d.reachable(rest) {
		visitVariables(fragment.SelectionSet, used)
	}
	operation.VariableDefinitions = slices.DeleteFunc(slices.Clone(operation.VariableDefinitions), func(v *ast.VariableDefinition) bool {
		return !used[v.Variable]
	})
	only.selected = &operation
	return only.Text()
}

// visitVariables records the variables that a selection uses, without those in spread fragments.
func visitVariables(set ast.SelectionSet, used map[string]bool) {
	var value func(*ast.Value)
	value = func(v *ast.Value) {
		if v.Kind == ast.Variable {
			used[v.Raw] = true
		}
		for _, child := range v.Children {
			value(child.Value)
		}
	}
	directives := func(list ast.DirectiveList) {
		for _, d := range list {
			for _, a := range d.Arguments {
				value(a.Value)
			}
		}
	}
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			for _, a := range s.Arguments {
				value(a.Value)
			}
			directives(s.Directives)
			visitVariables(s.SelectionSet, used)
		case *ast.InlineFragment:
			directives(s.Directives)
			visitVariables(s.SelectionSet, used)
		case *ast.FragmentSpread:
			directives(s.Directives)
		}
	}
}

// An introspector writes the answers to introspection fields.
type introspector struct {
	d         *Document
	variables map[string]any
	types     map[string]*ast.Definition
	out       bytes.Buffer
}

// write writes a value: nil, a string, a bool, a list, or the selected fields of an object. Once
// the output exceeds maxIntrospection it stops, and the output is not valid JSON.
func (in *introspector) write(value any, group []*ast.Field) {
	switch v := value.(type) {
	case nil:
		in.out.WriteString("null")
	case string, bool:
		encoded, _ := json.Marshal(v) // cannot fail
		in.out.Write(encoded)
	case []any:
		in.out.WriteByte('[')
		for i, item := range v {
			if i > 0 {
				in.out.WriteByte(',')
			}
			in.write(item, group)
		}
		in.out.WriteByte(']')
	case meta:
		in.out.WriteByte('{')
		for i, below := range groups(in.d.includedFields(selectionOf(group), in.variables)) {
			if in.out.Len() > maxIntrospection {
				return
			}
			if i > 0 {
				in.out.WriteByte(',')
			}
			in.out.WriteString(`"` + below[0].Alias + `":`)
			in.write(v(in, below[0]), below)
		}
		in.out.WriteByte('}')
	}
}

// includeDeprecated returns the argument includeDeprecated of a field.
func (in *introspector) includeDeprecated(f *ast.Field) bool {
	argument := f.Arguments.ForName("includeDeprecated")
	if argument == nil {
		return false
	}
	if argument.Value.Kind == ast.Variable {
		yes, _ := in.variables[argument.Value.Raw].(bool)
		return yes
	}
	return argument.Value.Raw == "true"
}

func (in *introspector) root(f *ast.Field) any {
	if f.Name == "__schema" {
		return metaSchema(in.d.schema.schema)
	}
	name := f.Arguments.ForName("name").Value
	text := name.Raw
	if name.Kind == ast.Variable {
		text, _ = in.variables[name.Raw].(string)
	}
	return in.named(text)
}
