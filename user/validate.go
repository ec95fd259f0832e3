package user

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/buddychat/buddychat/storage"
)

// Limits of the fields of an account, in characters (code points).
const (
	MinUsername = 4
	MaxUsername = 150
	MinName     = 2
	MaxName     = 150
	MaxEmail    = 254
	MaxBio      = 500
	MaxImage    = 2048
)

// maxNameBytes limits a username before it is normalised, which takes time. It leaves room for a
// base character and several combining marks for each of [MaxUsername] characters, so no acceptable
// username is longer.
const maxNameBytes = 16 * MaxUsername

// checkText refuses text that is not valid UTF-8, has a NUL, or has fewer than shortest or more
// than longest characters.
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

// cleanUsername checks a username and returns it normalised to NFKC.
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
		// In many scripts, vowels are marks on letters.
		mark := unicode.IsMark(r) && afterLetter
		afterLetter = unicode.IsLetter(r) || mark
		if invisible(r) || !afterLetter && !unicode.IsDigit(r) && !strings.ContainsRune("_.+-@", r) {
			return "", storage.Invalid(field, "%s may only have letters, digits and _ . + - @", field)
		}
	}
	return s, nil
}

// cleanName checks a first or last name and returns it without surrounding white space.
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

// cleanPhone checks a phone number and returns it as it is stored. In its errors, prefix comes
// before the field names.
func cleanPhone(prefix string, p Phone) (Phone, error) {
	number, code := prefix+"number", prefix+"countryCode"
	p.CountryCode = strings.TrimPrefix(p.CountryCode, "+")
	if !digits(p.Number, 8, 15) {
		return Phone{}, storage.Invalid(number, "%s must have 8 to 15 digits and nothing else", number)
	}
	if !digits(p.CountryCode, 1, 4) {
		return Phone{}, storage.Invalid(code, "%s must have 1 to 4 digits, with or without a + before them", code)
	}
	return Phone{Number: p.Number, CountryCode: p.CountryCode}, nil
}

func digits(s string, shortest, longest int) bool {
	return len(s) >= shortest && len(s) <= longest && strings.Trim(s, "0123456789") == ""
}

// CheckImage checks the image of a user or a group. It must be an http or https URL with a host, or
// a path on the host that serves the application, of at most [MaxImage] characters and without
// white space. An empty value means no image and is accepted. The error is [storage.ErrInvalid]
// about field.
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
		// Browsers drop white space and control characters, and read a backslash as a slash. They
		// would see another reference than the one checked here.
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

// clean checks u and returns it as it is stored.
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
