package gqldoc

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// CoerceVariables converts the variables of the selected operation to the types that the executor
// expects: int32 for Int, float64 for Float, string for String, ID and enums, bool, map[string]any
// and []any. It fills in defaults and drops variables that the operation does not declare. The
// document must have passed [Document.Validate]. The error is an [ErrInvalid].
//
// As the specification requires, Int accepts any whole number of 32 bits, including 3.0; ID accepts
// strings and whole numbers; String accepts only strings; and a single value stands for a list of
// one.
func (d *Document) CoerceVariables() (map[string]any, error) {
	coerced := make(map[string]any, len(d.selected.VariableDefinitions))
	for _, definition := range d.selected.VariableDefinitions {
		c := coercion{types: d.schema.schema.Types, path: "$" + definition.Variable, at: definition.Position}
		given, ok := d.variables[definition.Variable]
		if !ok && definition.DefaultValue == nil {
			if definition.Type.NonNull {
				return nil, c.refuse("of required type %q was not provided", definition.Type)
			}
			continue
		}
		if !ok {
			given = literal(definition.DefaultValue)
		}
		value, err := c.coerce(given, definition.Type)
		if err != nil {
			return nil, err
		}
		// A nullable variable with a default may be used where a value is required, but not if the
		// client passes null.
		if value == nil && d.required[definition.Variable] {
			return nil, c.refuse("must not be null where it is used")
		}
		coerced[definition.Variable] = value
	}
	return coerced, nil
}

// coercion converts a value from JSON or from a literal to its type.
type coercion struct {
	types map[string]*ast.Definition
	path  string
	at    *ast.Position
}

// refuse returns an error that says what is wrong and where. It must not contain the value, which
// may be a secret.
func (c coercion) refuse(format string, args ...any) error {
	message := fmt.Sprintf("Variable %q ", c.path) + fmt.Sprintf(format, args...) + "."
	return &Error{Message: shorten(message), Locations: []Location{locate(c.at)}, class: ErrInvalid}
}

func (c coercion) below(path string) coercion {
	c.path += path
	return c
}

func (c coercion) coerce(value any, typ *ast.Type) (any, error) {
	if value == nil {
		if typ.NonNull {
			return nil, c.refuse("of non-null type %q must not be null", typ)
		}
		return nil, nil
	}
	if typ.Elem != nil {
		return c.list(value, typ)
	}
	definition := c.types[typ.NamedType]
	if definition == nil {
		return nil, c.refuse("is of the unknown type %q", typ)
	}
	switch definition.Kind {
	case ast.Enum:
		return c.enum(value, definition)
	case ast.InputObject:
		return c.object(value, definition)
	}
	return c.scalar(value, definition.Name)
}

func (c coercion) list(value any, typ *ast.Type) (any, error) {
	items, ok := value.([]any)
	if !ok {
		item, err := c.coerce(value, typ.Elem)
		return []any{item}, err
	}
	coerced := make([]any, len(items))
	for i, item := range items {
		var err error
		if coerced[i], err = c.below("["+strconv.Itoa(i)+"]").coerce(item, typ.Elem); err != nil {
			return nil, err
		}
	}
	return coerced, nil
}

func (c coercion) enum(value any, definition *ast.Definition) (any, error) {
	name, ok := value.(string)
	if !ok || definition.EnumValues.ForName(name) == nil {
		return nil, c.refuse("must be a value of the enum %q", definition.Name)
	}
	return name, nil
}

func (c coercion) object(value any, definition *ast.Definition) (any, error) {
	given, ok := value.(map[string]any)
	if !ok {
		return nil, c.refuse("must be an object of type %q", definition.Name)
	}
	for name := range given {
		if definition.Fields.ForName(name) == nil {
			return nil, c.refuse("has the field %q, which type %q does not define", shorten(name), definition.Name)
		}
	}
	coerced := make(map[string]any, len(given))
	for _, field := range definition.Fields {
		value, ok := given[field.Name]
		if !ok && field.DefaultValue == nil {
			if field.Type.NonNull {
				return nil, c.refuse("lacks the field %q of required type %q", field.Name, field.Type)
			}
			continue
		}
		if !ok {
			value = literal(field.DefaultValue)
		}
		var err error
		if coerced[field.Name], err = c.below("."+field.Name).coerce(value, field.Type); err != nil {
			return nil, err
		}
	}
	return coerced, nil
}

func (c coercion) scalar(value any, name string) (any, error) {
	switch name {
	case "Int":
		// A float64 represents every 32-bit number exactly.
		n, ok := number(value)
		if !ok || n != math.Trunc(n) {
			return nil, c.refuse("must be an integer")
		}
		if n < math.MinInt32 || n > math.MaxInt32 {
			return nil, c.refuse("must be an integer of 32 bits")
		}
		return int32(n), nil
	case "Float":
		if n, ok := number(value); ok {
			return n, nil
		}
		return nil, c.refuse("must be a number")
	case "String":
		if text, ok := value.(string); ok {
			return text, nil
		}
		return nil, c.refuse("must be a string")
	case "Boolean":
		if b, ok := value.(bool); ok {
			return b, nil
		}
		return nil, c.refuse("must be true or false")
	case "ID":
		if id, ok := identifier(value); ok {
			return id, nil
		}
		return nil, c.refuse("must be a string or an integer")
	}
	return plain(value), nil // a custom scalar, which the host's code parses
}

// number returns a Go or JSON number as a float64. ok is false if it is not finite.
func number(value any) (float64, bool) {
	var f float64
	switch n := value.(type) {
	case float64:
		f = n
	case json.Number:
		var err error
		if f, err = n.Float64(); err != nil {
			return 0, false
		}
	case int:
		f = float64(n)
	case int32:
		f = float64(n)
	case int64:
		f = float64(n)
	default:
		return 0, false
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

// identifier returns the text of an ID. It accepts whole numbers that are still exact: any text of
// digits, and a float64 below 2^53.
func identifier(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case int:
		return strconv.Itoa(v), true
	case int32:
		return strconv.FormatInt(int64(v), 10), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		if v != math.Trunc(v) || math.Abs(v) >= exact {
			return "", false
		}
		return strconv.FormatInt(int64(v), 10), true
	case json.Number:
		return string(v), strings.Trim(string(v), "-0123456789") == ""
	}
	return "", false
}

// plain replaces each json.Number by a float64, because executors do not know json.Number.
func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		f, _ := v.Float64()
		return f
	case []any:
		copied := make([]any, len(v))
		for i := range v {
			copied[i] = plain(v[i])
		}
		return copied
	case map[string]any:
		copied := make(map[string]any, len(v))
		for key := range v {
			copied[key] = plain(v[key])
		}
		return copied
	}
	return value
}

// literal returns a constant of the document as if it were decoded from JSON.
func literal(value *ast.Value) any {
	switch value.Kind {
	case ast.NullValue:
		return nil
	case ast.IntValue, ast.FloatValue:
		return json.Number(value.Raw)
	case ast.BooleanValue:
		return value.Raw == "true"
	case ast.ListValue:
		items := make([]any, len(value.Children))
		for i, child := range value.Children {
			items[i] = literal(child.Value)
		}
		return items
	case ast.ObjectValue:
		fields := make(map[string]any, len(value.Children))
		for _, child := range value.Children {
			fields[child.Name] = literal(child.Value)
		}
		return fields
	}
	return value.Raw
}
