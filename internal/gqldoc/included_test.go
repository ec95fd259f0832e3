package gqldoc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSelectsNothingFollowsSkipAndInclude(t *testing.T) {
	t.Parallel()
	for document, nothing := range map[string]bool{
		`{ me { id } }`:                                                                                false,
		`{ me @skip(if: true) { id } }`:                                                                true,
		`{ me @skip(if: false) { id } }`:                                                               false,
		`{ me @include(if: false) { id } }`:                                                            true,
		`{ me @include(if: true) { id } }`:                                                             false,
		`{ me @include(if: true) @skip(if: true) { id } }`:                                             true,
		`query($no: Boolean = false) { me @include(if: $no) { id } }`:                                  true,
		`query($no: Boolean = false) { me @skip(if: $no) { id } }`:                                     false,
		`query($yes: Boolean!) { me @skip(if: $yes) { id } }`:                                          true,
		`query($yes: Boolean!) { me @include(if: $yes) { id } }`:                                       false,
		`query($yes: Boolean!) { ... @skip(if: $yes) { me { id } } }`:                                  true,
		`query($yes: Boolean!) { ...f @skip(if: $yes) } fragment f on Query { me { id } }`:             true,
		`query($yes: Boolean!) { ...f } fragment f on Query { me @skip(if: $yes) { id } }`:             true,
		`{ ...f @skip(if: true) ...f } fragment f on Query { me { id } }`:                              false,
		`{ me @skip(if: true) { id } __typename }`:                                                     false,
		`{ ...f ...g @skip(if: true) } fragment f on Query { ...g } fragment g on Query { me { id } }`: false,
	} {
		doc, err := newSchema(t, Limits{}).Parse(document, "", map[string]any{"yes": true})
		require.NoError(t, err, document)
		require.Empty(t, doc.Validate(), document)
		variables, err := doc.CoerceVariables()
		require.NoError(t, err, document)
		require.Equal(t, nothing, doc.SelectsNothing(variables), document)
	}
}
