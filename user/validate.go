package user

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/buddychat/buddychat/storage"
)

// Bounds of what an account holds, in characters (code points).
const (
	MinUsername = 4
	MaxUsername = 150
	MinName     = 2
	MaxName     = 150
	MaxEmail    = 254
	MaxBio      = 500
	MaxImage    = 2048
)

// maxNameBytes bounds names before work is spent on them. No form of an acceptable one is longer: it
// leaves each character its base, and several marks yet to be composed with it.
const maxNameBytes = 16 * MaxUsername

// checkText refuses text that is not valid UTF-8, has a NUL, or is of another length than shortest to
// longest characters.
func checkText(field, s string, shortest, longest int) error {
	if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
		return storage.Invalid(field, "%s must be valid UTF-8 text without NUL", field)
	}
	switch n := utf8.RuneCountInString(s); {
	case n < shortest && n == 0:
		return storage.Invalid(field, "%s must not be empty", field)
	case n < shortest:
		return storage.Invalid(field, "%s must have at least %d characters", field, shortest)
	case n > longest:
		return storage.Invalid(field, "%s must have at most %d characters", field, longest)
	}
	return nil
}

// cleanUsername returns a username as it is stored, composed (NFKC).
func cleanUsername(field, s string) (string, error) {
	if err := checkText(field, s, 0, maxNameBytes); err != nil {
		return "", err
	}
	s = norm.NFKC.String(s)
	if n := utf8.RuneCountInString(s); n < MinUsername || n > MaxUsername {
		return "", storage.Invalid(field, "%s must have %d to %d characters", field, MinUsername, MaxUsername)
	}
	afterLetter := false
	for _, r := range s {
		mark := unicode.IsMark(r) && afterLetter // the vowels of many scripts are marks on letters
		afterLetter = unicode.IsLetter(r) || mark
		if invisible(r) || !afterLetter && !unicode.IsDigit(r) && !strings.ContainsRune("_.+-@", r) {
			return "", storage.Invalid(field, "%s may have letters, digits and _ . + - @ only", field)
		}
	}
	return s, nil
}

// cleanName returns a first or last name as it is stored, without white space around it.
func cleanName(field, s string) (string, error) {
	s = strings.TrimSpace(s)
	if err := checkText(field, s, MinName, MaxName); err != nil {
		return "", err
	}
	if err := CheckLine(field, s); err != nil {
		return "", err
	}
	return s, nil
}

// cleanPhone returns a phone number as it is stored. The names of its fields begin with prefix.
func cleanPhone(prefix string, p Phone) (Phone, error) {
	number, code := prefix+"number", prefix+"countryCode"
	p.CountryCode = strings.TrimPrefix(p.CountryCode, "+")
	if !digits(p.Number, 8, 15) {
		return Phone{}, storage.Invalid(number, "%s must have 8 to 15 digits and nothing else", number)
	}
	if !digits(p.CountryCode, 1, 4) {
		return Phone{}, storage.Invalid(code, "%s must have 1 to 4 digits; a + may stand before them", code)
	}
	return Phone{Number: p.Number, CountryCode: p.CountryCode}, nil
}

func digits(s string, shortest, longest int) bool {
	return len(s) >= shortest && len(s) <= longest && strings.Trim(s, "0123456789") == ""
}

// CheckImage decides what can be shown as an image of a user or a group: an http(s) URL with a host,
// or a path on the host that serves the application, at most [MaxImage] characters, without white
// space. "" is none, and is taken. The error is [storage.ErrInvalid] about field.
func CheckImage(field, value string) error {
	if value == "" {
		return nil
	}
	if err := checkText(field, value, 0, MaxImage); err != nil {
		return err
	}
	if !imageReference(value) {
		return storage.Invalid(field, "%s must be an http or https URL, or a path such as /images/me.png", field)
	}
	return nil
}

func imageReference(s string) bool {
	for _, r := range s {
		// Browsers drop white space and control characters, and read a backslash as a slash: what they see
		// would not be what is checked here.
		if unicode.IsSpace(r) || !unicode.IsGraphic(r) || r == '\\' {
			return false
		}
	}
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	switch u.Scheme {
	case "http", "https":
		return u.Hostname() != ""
	case "":
		return !strings.HasPrefix(s, "//") && u.Path != ""
	}
	return false
}

// clean returns u as it is stored.
func (u Update) clean() (Update, error) {
	var err error
	if u.FirstName, err = cleanOptional("firstName", u.FirstName); err != nil {
		return Update{}, err
	}
	if u.LastName, err = cleanOptional("lastName", u.LastName); err != nil {
		return Update{}, err
	}
	if u.Bio != nil {
		if err := checkText("bio", *u.Bio, 0, MaxBio); err != nil {
			return Update{}, err
		}
	}
	if u.Picture != nil {
		if err := CheckImage("profilePicture", *u.Picture); err != nil {
			return Update{}, err
		}
	}
	return u, nil
}

func cleanOptional(field string, name *string) (*string, error) {
	if name == nil {
		return nil, nil
	}
	s, err := cleanName(field, *name)
	return &s, err
}
