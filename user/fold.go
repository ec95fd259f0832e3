package user

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the form in which names and searches are compared: compatibility composed (NFKC)
// and without case, so that "Ｓtraße", "STRASSE" and "strasse" are the same. Folding twice changes nothing,
// and of text that is valid UTF-8 the result is valid as well. It is safe for concurrent use.
func Fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	// This is the Unicode standard's compatibility caseless match (D146). Folding once is not enough:
	// composing can bring forth letters that have case, and folding what is no longer composed.
	once := cases.Fold().String(norm.NFD.String(s))
	twice := cases.Fold().String(norm.NFKD.String(once))
	return norm.NFKC.String(twice)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
