// Package surrogate finds what no text can have: half of a pair of UTF-16 surrogates. JSON and GraphQL both can write one, as an
// escape, and decoders put another character in its place without a word.
package surrogate

import (
	"strconv"
	"strings"
)

// Lone reports whether a text with string literals in it, in the notation of JSON or of GraphQL, has a \uXXXX escape that is half of a
// surrogate pair without the other half. Backslashes must be in valid literals only.
func Lone(literals string) bool {
	for {
		i := strings.IndexByte(literals, '\\')
		if i < 0 || i+1 >= len(literals) {
			return false
		}
		unit, size := escapedUnit(literals[i:])
		literals = literals[i+size:]
		switch {
		case unit < 0xD800 || unit > 0xDFFF:
			continue
		case unit >= 0xDC00:
			return true
		}
		low, size := escapedUnit(literals)
		if low < 0xDC00 || low > 0xDFFF {
			return true
		}
		literals = literals[size:]
	}
}

// escapedUnit returns the UTF-16 unit that the text begins with an escape of, and the size of the escape. The unit
// is -1 for every other beginning.
func escapedUnit(text string) (unit int64, size int) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' || text[2] == '{' {
		return -1, min(2, len(text))
	}
	unit, err := strconv.ParseInt(text[2:6], 16, 32)
	if err != nil {
		return -1, 2
	}
	return unit, 6
}
