package gqldoc

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// maxSpread is the maximum number of fields that the search visits, counting spread fragments each
// time.
const maxSpread = 10_000

// checkNames refuses documents whose aliases multiply one large text. It merges fields with the
// same response key as the executor does, so components that select the same text under the same
// key count once.
func (d *Document) checkNames() error {
	bound := d.schema.limits.NamesOfText
	if bound < 0 || d.aliases == 0 || len(d.schema.texts) == 0 {
		return nil // without aliases each text has one name
	}
	n := names{Document: d}
	most, text := n.of([]within{{d.selected.SelectionSet, d.root()}})
	if n.spread > maxSpread {
		return exceedsUnless("spread fewer fragments within each other", "fields in its fragments", n.spread, maxSpread)
	}
	return exceedsUnless("select it under one name", "names for one "+text, most, bound)
}

// within is a selection set and the type that it selects from.
type within struct {
	set    ast.SelectionSet
	parent *ast.Definition
}

// names finds the text that an operation selects under the most names.
type names struct {
	*Document
	spread int
}

// An aliasedField merges the selections with one response key in one object.
type aliasedField struct {
	identity string // the same for all aliases of a field of an object
	text     bool
	below    []within
}

// of returns the largest number of names of one text, and that text's field.
func (n *names) of(sets []within) (most int, text string) {
	fields := n.collect(sets)
	byIdentity := map[string]int{}
	for _, field := range fields {
		count, name := 0, ""
		if field.text {
			count, name = 1, field.identity
		} else if len(field.below) > 0 {
			count, name = n.of(field.below)
		}
		if count == 0 {
			continue
		}
		byIdentity[field.identity] += count
		if total := byIdentity[field.identity]; total > most {
			most, text = total, name
		}
	}
	return most, text
}

// collect merges selection sets by response key (CollectFields in the GraphQL specification,
// section 6.3.2). It includes fields with @skip or @include, whatever their condition.
func (n *names) collect(sets []within) []*aliasedField {
	var fields []*aliasedField
	byKey := map[string]*aliasedField{}
	entered := map[string]bool{}
	var enter func(within)
	enter = func(w within) {
		for _, selection := range w.set {
			if n.spread++; n.spread > maxSpread {
				return
			}
			switch s := selection.(type) {
			case *ast.Field:
				field, below := n.field(s, w.parent)
				if field == nil {
					continue
				}
				key := w.parent.Name + "." + s.Alias
				if known := byKey[key]; known != nil {
					known.below = append(known.below, below...)
					continue
				}
				field.below = below
				byKey[key] = field
				fields = append(fields, field)
			case *ast.InlineFragment:
				parent := w.parent
				if s.TypeCondition != "" {
					parent = n.schema.schema.Types[s.TypeCondition]
				}
				enter(within{s.SelectionSet, parent})
			case *ast.FragmentSpread:
				definition := n.parsed.Fragments.ForName(s.Name)
				if entered[s.Name] || definition == nil {
					continue
				}
				entered[s.Name] = true
				enter(within{definition.SelectionSet, n.schema.schema.Types[definition.TypeCondition]})
			}
		}
	}
	for _, w := range sets {
		enter(w)
	}
	return fields
}

// field returns nil for a field that the schema does not have.
func (n *names) field(field *ast.Field, parent *ast.Definition) (*aliasedField, []within) {
	if parent == nil {
		return nil, nil
	}
	definition := parent.Fields.ForName(field.Name)
	if definition == nil {
		return nil, nil
	}
	name := parent.Name + "." + field.Name
	a := &aliasedField{identity: name, text: n.schema.texts[name]}
	if len(field.Arguments) > 0 {
		var identity strings.Builder
		identity.WriteString(name)
		for _, argument := range field.Arguments {
			identity.WriteString(" " + argument.Name + ":" + argument.Value.String())
		}
		a.identity = identity.String()
	}
	if len(field.SelectionSet) == 0 {
		return a, nil
	}
	return a, []within{{field.SelectionSet, n.schema.schema.Types[definition.Type.Name()]}}
}
