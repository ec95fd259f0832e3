package user

import (
	"strings"
	"unicode"

	"github.com/buddychat/buddychat/storage"
)

// CheckLine returns [storage.ErrInvalid] about field if text cannot be shown as a name or a title:
// it has no visible character, or it has control characters, line breaks, or characters that
// override the direction of the text around it. CheckLine does not check the length.
func CheckLine(field, text string) error {
	if err := checkVisible(field, text); err != nil {
		return err
	}
	if strings.ContainsFunc(text, breaksLine) {
		return storage.Invalid(field, "%s must be one line: take out its line breaks", field)
	}
	return nil
}

// CheckLines is [CheckLine] for a text of several lines, such as a description: line breaks are
// allowed, and text may be empty.
func CheckLines(field, text string) error {
	if text == "" {
		return nil
	}
	return checkVisible(field, text)
}

func checkVisible(field, text string) error {
	seen := false
	for _, r := range text {
		switch {
		case unicode.IsControl(r) && !breaksLine(r):
			return storage.Invalid(field, "%s must have no control characters: take them out", field)
		case unicode.Is(bidiControls, r):
			return storage.Invalid(field, "%s must have no characters that override the direction of text: take them out", field)
		}
		seen = seen || visible(r)
	}
	if !seen {
		return storage.Invalid(field, "%s must have a character that can be seen", field)
	}
	return nil
}

// breaksLine reports whether r starts a new line. No other control characters do.
func breaksLine(r rune) bool {
	return r == '\n' || r == '\r' || unicode.In(r, unicode.Zl, unicode.Zp)
}

// bidiControls are the embeddings, overrides and isolates of the Unicode bidirectional algorithm
// (UAX #9, section 2). They also affect the text around the one that contains them. The marks LRM,
// RLM and ALM do not, and ordinary text has them.
var bidiControls = &unicode.RangeTable{R16: []unicode.Range16{{Lo: 0x202a, Hi: 0x202e, Stride: 1}, {Lo: 0x2066, Hi: 0x2069, Stride: 1}}}

// visible reports whether r alone can be seen.
func visible(r rune) bool {
	switch r {
	case '\u2800', '\U0001d159': // the Braille pattern without dots, and a note without a head
		return false
	}
	return unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.IsMark(r) && !invisible(r)
}

// invisible reports whether r shows nothing, so that two names that differ only in r look the same.
func invisible(r rune) bool {
	return unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector, unicode.Cf)
}
