package gqldoc

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

const (
	// MaxErrors is how many errors [Document.Validate] returns at most.
	MaxErrors = 64
	// A message quotes what is wrong, which may be long.
	maxMessage = 500
)

// Validate holds the whole document against the rules of the GraphQL specification and returns what
// is wrong with it, at most [MaxErrors], each an [ErrInvalid]. The messages are those of the
// reference implementation, without its suggestions, which would tell what the schema has, and
// without the values that it quotes.
//
// One rule is left to the executor, which checks all of them once more: that fields of one name do not
// contradict each other. Its cost is quadratic in the document, and the executor has a bound for it.
func (d *Document) Validate() []*Error {
	var errs []*Error
	events := &core.Events{}
	for _, rule := range append(specified(), d.singleFieldSubscriptions(), intsOf32Bits()) {
		rule.RuleFunc(events, func(options ...core.ErrorOption) {
			if len(errs) == MaxErrors {
				return
			}
			var e gqlerror.Error
			for _, option := range options {
				option(&e)
			}
			found := fromParser(&e, ErrInvalid)
			found.Message = shorten(withoutValue(found.Message))
			errs = append(errs, found)
		})
	}
	core.Walk(d.schema.schema, d.parsed, events)
	return errs
}

// specified returns the rules of the specification, those that suggest things in the form that does not.
func specified() []core.Rule {
	return []core.Rule{
		rules.FieldsOnCorrectTypeRuleWithoutSuggestions,
		rules.FragmentsOnCompositeTypesRule,
		rules.KnownArgumentNamesRuleWithoutSuggestions,
		rules.KnownDirectivesRule,
		rules.KnownFragmentNamesRule,
		rules.KnownRootTypeRule,
		rules.KnownTypeNamesRuleWithoutSuggestions,
		rules.LoneAnonymousOperationRule,
		rules.MaxIntrospectionDepth,
		rules.NoFragmentCyclesRule,
		rules.NoUndefinedVariablesRule,
		rules.NoUnusedFragmentsRule,
		rules.NoUnusedVariablesRule,
		rules.PossibleFragmentSpreadsRule,
		rules.ProvidedRequiredArgumentsRule,
		rules.ScalarLeafsRuleWithoutSuggestions,
		rules.UniqueArgumentNamesRule,
		rules.UniqueDirectivesPerLocationRule,
		rules.UniqueFragmentNamesRule,
		rules.UniqueInputFieldNamesRule,
		rules.UniqueOperationNamesRule,
		rules.UniqueVariableNamesRule,
		rules.ValuesOfCorrectTypeRuleWithoutSuggestions,
		rules.VariablesAreInputTypesRule,
		rules.VariablesInAllowedPositionRule,
	}
}

// singleFieldSubscriptions stands for the library's rule, which takes a field under two aliases for one.
func (d *Document) singleFieldSubscriptions() core.Rule {
	check := func(addError core.AddErrFunc, operation *ast.OperationDefinition) {
		name := "Anonymous Subscription"
		if operation.Name != "" {
			name = "Subscription " + strconv.Quote(operation.Name)
		}
		for i, root := range d.rootFields(operation) {
			if i == 1 {
				addError(core.Message("%s must select only one top level field.", name), core.At(root.field.Position))
			}
			if strings.HasPrefix(root.Name, "__") {
				addError(core.Message("%s must not select an introspection top level field.", name), core.At(root.field.Position))
			}
		}
	}
	return core.Rule{Name: "SingleFieldSubscriptions", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
		events.OnOperation(func(_ *core.Walker, operation *ast.OperationDefinition) {
			if operation.Operation == ast.Subscription {
				check(addError, operation)
			}
		})
	}}
}

// intsOf32Bits adds what the library's rule about values leaves out.
func intsOf32Bits() core.Rule {
	return core.Rule{Name: "IntsOf32Bits", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
		events.OnValue(func(_ *core.Walker, value *ast.Value) {
			if value.Kind != ast.IntValue || value.Definition == nil || value.Definition.Name != "Int" {
				return
			}
			// Beyond 64 bits the other rule finds it.
			n, err := strconv.ParseInt(value.Raw, 10, 64)
			if err == nil && int64(int32(n)) != n {
				addError(
					core.Message("Int cannot represent non 32-bit signed integer value."),
					core.At(value.Position),
				)
			}
		})
	}}
}

// shorten cuts a message where it is too long to be worth reading.
func shorten(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	cut := maxMessage
	for !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "…"
}
