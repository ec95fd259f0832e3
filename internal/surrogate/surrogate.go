// Package surrogate finds unpaired UTF-16 surrogates, which no valid text contains. JSON and
// GraphQL can both write one as an escape, and decoders silently replace it with another character.
package surrogate

import (
	"strconv"
	"strings"
)

// Lone reports whether a text that contains string literals, in JSON or GraphQL notation, has a
// \uXXXX escape for half of a surrogate pair without the other half. Outside of valid literals, the
// text must have no backslashes.
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

// escapedUnit returns the UTF-16 unit of the \uXXXX escape at the beginning of text and the length
// of that escape in bytes. Any other beginning returns the unit -1.
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
