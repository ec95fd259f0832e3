package user

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold returns the form in which names and searches are compared: normalised to NFKC and without
// case, so that "Ｓtraße", "STRASSE" and "strasse" are equal. Folding twice gives the same result as
// folding once. Valid UTF-8 stays valid. It is safe for concurrent use.
func Fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	// This is the compatibility caseless match of the Unicode standard (D146). Folding once is not
	// enough: decomposing the folded text can produce letters that have case again.
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
