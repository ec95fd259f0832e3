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
	// MaxErrors is the maximum number of errors that [Document.Validate] returns.
	MaxErrors = 64
	// maxMessage is the maximum length of a message in bytes. Messages may quote long names.
	maxMessage = 500
)

// Validate checks the whole document against the rules of the GraphQL specification. It returns at
// most [MaxErrors] errors, each an [ErrInvalid]. The messages are those of the reference
// implementation, without suggestions, which would reveal schema names, and without quoted values.
//
// It leaves one rule to the executor, which checks all rules again: fields with the same response
// key must not conflict. That check is quadratic in the document, and the executor bounds it.
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

// specified returns the rules of the specification, in the variants without suggestions.
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

// singleFieldSubscriptions replaces the library's rule, which counts two aliases of a field as one.
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

// intsOf32Bits adds the check for 32 bits that the library's rule about values lacks.
func intsOf32Bits() core.Rule {
	return core.Rule{Name: "IntsOf32Bits", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
		events.OnValue(func(_ *core.Walker, value *ast.Value) {
			if value.Kind != ast.IntValue || value.Definition == nil || value.Definition.Name != "Int" {
				return
			}
			// The library's rule rejects numbers beyond 64 bits.
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

// shorten truncates a message to maxMessage bytes.
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
