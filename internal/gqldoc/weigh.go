package gqldoc

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// weight is the cost and depth of a selection set. Each fragment is weighed once, so nested
// fragments that double the size take only linear time.
type weight struct {
	// depth is the depth of nested fields.
	depth int
	// fields is the cost of the fields that are resolved once.
	fields float64
	// perNode is the cost of the fields that are resolved for each node of the enclosing
	// connection.
	perNode float64
}

func (w *weight) add(other weight) {
	w.depth = max(w.depth, other.depth)
	w.fields += other.fields
	w.perNode += other.perNode
}

// exact is 2^53. Below it, a float64 represents every whole number.
const exact = 1 << 53

func (w weight) cost() int { return int(min(w.fields+w.perNode, exact)) }

type weigher struct {
	*Document
	// fragments has the weights of fragments. A nil weight is still being computed.
	fragments map[string]*weight
}

// weigh returns the weight of the selected operation. The error is an [ErrInvalid] if fragments
// form a cycle.
func weigh(d *Document) (weight, error) {
	w := weigher{Document: d, fragments: make(map[string]*weight, len(d.parsed.Fragments))}
	// Unused fragments as well, because later stages may not cope with a cycle.
	for _, fragment := range d.parsed.Fragments {
		if _, err := w.fragment(fragment.Name, fragment.Position); err != nil {
			return weight{}, err
		}
	}
	return w.selection(d.selected.SelectionSet, d.root())
}

func (d *Document) root() *ast.Definition {
	switch d.Operation {
	case Mutation:
		return d.schema.schema.Mutation
	case Subscription:
		return d.schema.schema.Subscription
	}
	return d.schema.schema.Query
}

func (w *weigher) selection(set ast.SelectionSet, parent *ast.Definition) (weight, error) {
	var total weight
	for _, selection := range set {
		var part weight
		var err error
		switch s := selection.(type) {
		case *ast.Field:
			part, err = w.field(s, parent)
		case *ast.InlineFragment:
			within := parent
			if s.TypeCondition != "" {
				within = w.schema.schema.Types[s.TypeCondition]
			}
			part, err = w.selection(s.SelectionSet, within)
		case *ast.FragmentSpread:
			part, err = w.fragment(s.Name, s.Position)
		}
		if err != nil {
			return weight{}, err
		}
		total.add(part)
	}
	return total, nil
}

func (w *weigher) fragment(name string, at *ast.Position) (weight, error) {
	if known, ok := w.fragments[name]; ok {
		if known == nil {
			return weight{}, &Error{
				Message:   `Cannot spread fragment "` + shorten(name) + `" within itself.`,
				Locations: []Location{locate(at)},
				class:     ErrInvalid,
			}
		}
		return *known, nil
	}
	definition := w.parsed.Fragments.ForName(name)
	if definition == nil {
		return weight{}, nil // Validate refuses it
	}
	w.fragments[name] = nil
	total, err := w.selection(definition.SelectionSet, w.schema.schema.Types[definition.TypeCondition])
	if err != nil {
		return weight{}, err
	}
	w.fragments[name] = &total
	return total, nil
}

func (w *weigher) field(field *ast.Field, parent *ast.Definition) (weight, error) {
	var definition *ast.FieldDefinition
	if parent != nil {
		definition = parent.Fields.ForName(field.Name)
	}
	own := w.own(field, parent)
	if definition == nil { // __typename, or an unknown field that Validate refuses
		below, err := w.selection(field.SelectionSet, nil)
		return weight{depth: 1 + below.depth, fields: own + below.fields}, err
	}
	below, err := w.selection(field.SelectionSet, w.schema.schema.Types[definition.Type.Name()])
	if err != nil {
		return weight{}, err
	}
	if isConnection(definition.Type.Name()) {
		below.fields += below.perNode * float64(w.pageLength(field))
	}
	if isConnection(parent.Name) && definition.Type.Elem != nil { // nodes or edges
		return weight{depth: 1 + below.depth, fields: own, perNode: below.fields}, nil
	}
	return weight{depth: 1 + below.depth, fields: own + below.fields}, nil
}

// KeyBytes is the length of a response key from which on a field costs more. An answer repeats the
// key for each entry of a list, and an alias can be as long as the document.
const KeyBytes = 64

// own returns the cost of a field without its selection.
func (w *weigher) own(field *ast.Field, parent *ast.Definition) float64 {
	cost := 1 + len(field.Alias)/KeyBytes
	if parent == nil || len(w.schema.limits.Costs) == 0 {
		return float64(cost)
	}
	name := parent.Name + "." + field.Name
	cost += w.schema.limits.Costs[name]
	for _, argument := range field.Arguments {
		if more := w.schema.limits.Costs[name+"("+argument.Name+")"]; more > 0 && w.given(argument.Value) {
			cost += more
		}
	}
	return float64(cost)
}

// given reports whether an argument is present and not null.
func (w *weigher) given(value *ast.Value) bool {
	if value.Kind == ast.Variable {
		if given, ok := w.variables[value.Raw]; ok {
			return given != nil
		}
		definition := w.selected.VariableDefinitions.ForName(value.Raw)
		if definition == nil || definition.DefaultValue == nil {
			return false
		}
		value = definition.DefaultValue
	}
	return value.Kind != ast.NullValue
}

func isConnection(typeName string) bool { return strings.HasSuffix(typeName, "Connection") }

// pageLength returns the maximum number of nodes that a connection may return. It is at least 1,
// because the executor processes the selection of an empty page too.
func (w *weigher) pageLength(field *ast.Field) int {
	length := -1
	for _, name := range []string{"first", "last"} {
		if argument := field.Arguments.ForName(name); argument != nil {
			if n, ok := w.number(argument.Value); ok {
				length = max(length, n, 0)
			}
		}
	}
	if length < 0 {
		length = w.schema.limits.DefaultPage
	}
	if most := w.schema.limits.MaxPage; most >= 0 {
		length = min(length, most)
	}
	return max(length, 1)
}

// number returns the value of a page argument. ok is false if it is null or missing. A value that
// is not a number counts as the maximum, because it will be refused.
func (w *weigher) number(value *ast.Value) (int, bool) {
	if value.Kind == ast.Variable {
		given, ok := w.variables[value.Raw]
		if ok {
			return variableNumber(given)
		}
		definition := w.selected.VariableDefinitions.ForName(value.Raw)
		if definition == nil || definition.DefaultValue == nil {
			return 0, false
		}
		value = definition.DefaultValue
	}
	if value.Kind == ast.NullValue {
		return 0, false
	}
	return literalNumber(value.Raw), true
}

func literalNumber(raw string) int {
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return maxNumber
	}
	return clamp(f)
}

// maxNumber is the largest Int.
const maxNumber = 1<<31 - 1

func variableNumber(given any) (int, bool) {
	switch n := given.(type) {
	case nil:
		return 0, false
	case float64:
		return clamp(n), true
	case json.Number:
		return literalNumber(string(n)), true
	case int:
		return clamp(float64(n)), true
	case int32:
		return int(n), true
	case int64:
		return clamp(float64(n)), true
	}
	return maxNumber, true
}

func clamp(f float64) int {
	if f >= 0 && f <= maxNumber {
		return int(f)
	}
	if f < 0 {
		return 0
	}
	return maxNumber // also for NaN
}
