package user

import (
	"net/mail"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/buddychat/buddychat/storage"
)

// maxLocalPart is the maximum length of the part before the @ in bytes (RFC 5321, section
// 4.5.3.1.1).
const maxLocalPart = 64

// checkEmail accepts a plain address, without a display name, comments or quotes.
func checkEmail(field, s string) error {
	if err := checkText(field, s, 1, MaxEmail); err != nil {
		return err
	}
	if !plainAddress(s) {
		return storage.Invalid(field, "%s must be an email address such as name@example.com", field)
	}
	return nil
}

func plainAddress(s string) bool {
	for _, r := range s {
		if unicode.IsSpace(r) || !unicode.IsGraphic(r) || invisible(r) {
			return false
		}
	}
	a, err := mail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return false
	}
	local, domain, ok := strings.Cut(s, "@")
	return ok && len(local) <= maxLocalPart && mailDomain(domain)
}

// mailDomain reports whether mail from the internet can reach a domain, in Unicode or in punycode.
func mailDomain(domain string) bool {
	for label := range strings.SplitSeq(domain, ".") {
		if strings.Trim(label, "-") != label || strings.ContainsFunc(label, notInDomain) {
			return false
		}
	}
	ascii, err := domains.ToASCII(domain)
	if err != nil {
		return false
	}
	dot := strings.LastIndexByte(ascii, '.')
	// Without a dot it is a host of the local network; with a numeric last label it is an IPv4
	// address.
	return dot > 0 && !digits(ascii[dot+1:], 0, len(ascii))
}

func notInDomain(r rune) bool {
	return r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r)
}

// domains converts names the way domain registries do: UTS #46, without its transitional
// processing.
var domains = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.BidiRule(),
	// Many registered names have "--" as their third and fourth characters.
	idna.CheckHyphens(false),
	idna.StrictDomainName(true),
	idna.VerifyDNSLength(true),
)

// FoldEmail returns the form in which emails are compared: [Fold]ed, with the domain in Unicode. So
// "Ada@BÜCHER.example" and "ada@xn--bcher-kva.example" are equal. It is safe for concurrent use.
func FoldEmail(email string) string {
	at := strings.LastIndexByte(email, '@')
	if at >= 0 && utf8.ValidString(email) {
		if domain, err := domains.ToUnicode(email[at+1:]); err == nil {
			email = email[:at+1] + domain
		}
	}
	return Fold(email)
}
