package surrogate_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/internal/surrogate"
)

func TestLoneFindsUnpairedSurrogatesAnywhere(t *testing.T) {
	t.Parallel()
	for text, lone := range map[string]bool{
		``:                           false,
		`"plain"`:                    false,
		`"\n\\\"\/"`:                 false,
		`"\u00e9\uFFFD"`:             false,
		`"\ud83d\ude00"`:             false,
		`"\uD83D\uDE00\uD83D\uDE00"`: false,
		`"\\ud83d"`:                  false, // an escaped backslash followed by letters
		`"\u{1F600}"`:                false, // only GraphQL has this notation
		`"\ud83d"`:                   true,
		`"\ude00"`:                   true,
		`"\ude00\ud83d"`:             true,
		`"\ud83d \ude00"`:            true,
		`"\ud83d\n"`:                 true,
		`"\ud83d\ud83d\ude00"`:       true,
		`"\ud83d\ude00\ude00"`:       true,
		`"\\\ud83d"`:                 true,
		`{"a": [1, {"b": "c\ud83d"}], "x": "\ud83d\ude00"}`: true,
	} {
		require.Equal(t, lone, surrogate.Lone(text), text)
	}
}
