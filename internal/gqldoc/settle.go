package gqldoc

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
)

// settle rewrites values into the one form that parsers and executors read alike. In the same walk
// it finds introspection fields and variables that must have a value. texts are the document's
// string literals by position.
func (d *Document) settle(texts map[int]text) {
	events := &core.Events{}
	events.OnField(func(_ *core.Walker, field *ast.Field) {
		if field.Name == "__schema" || field.Name == "__type" {
			d.UsesIntrospection = true
		}
	})
	events.OnValue(func(walker *core.Walker, value *ast.Value) {
		if value.Kind == ast.Variable && walker.CurrentOperation == d.selected && value.ExpectedType != nil && value.ExpectedType.NonNull {
			d.required[value.Raw] = true
		}
		if text, ok := texts[value.Position.Start]; ok {
			value.Position.Line, value.Position.Column = text.at.Line, text.at.Column
			if text.block != nil {
				value.Kind, value.Raw = ast.StringValue, *text.block
			}
		}
		// A whole number for an ID means its digits. Executors accept only 32-bit numbers.
		if value.Kind == ast.IntValue && value.Definition != nil && value.Definition.Name == "ID" {
			value.Kind = ast.StringValue
		}
	})
	core.Walk(d.schema.schema, d.parsed, events)
}

// newlines normalizes newlines. The specification treats all kinds alike, and the lexer counts
// columns correctly only after "\n".
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// blockValue returns the value of a block string from the text between its quotes, with normalized
// newlines: BlockStringValue in the GraphQL specification, section 2.9.4. The parser's own value is
// wrong, because it includes the first line in the common indentation.
func blockValue(raw string) string {
	lines := strings.Split(strings.ReplaceAll(raw, `\"""`, `"""`), "\n")
	common := -1
	for _, line := range lines[1:] {
		if n := indentation(line); n < len(line) && (common < 0 || n < common) {
			common = n
		}
	}
	for i := 1; i < len(lines) && common > 0; i++ {
		lines[i] = lines[i][min(common, len(lines[i])):]
	}
	for len(lines) > 0 && indentation(lines[0]) == len(lines[0]) {
		lines = lines[1:]
	}
	for len(lines) > 0 && indentation(lines[len(lines)-1]) == len(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines, "\n")
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " \t")) }
