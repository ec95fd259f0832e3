package user

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	zxcvbn "github.com/ccojocar/zxcvbn-go"
	"github.com/ccojocar/zxcvbn-go/matching"
	"golang.org/x/text/unicode/norm"

	"github.com/buddychat/buddychat/storage"
)

// Limits of a password, in characters.
const (
	DefaultMinPassword = 8
	MaxPassword        = 1024
)

// passwordPolicy decides which passwords are accepted.
type passwordPolicy struct {
	min  int
	rule func(password string) error
	// common are words that an attacker of this application tries early, the likeliest first.
	common []string
}

func newPasswordPolicy(shortest int, rule func(string) error) passwordPolicy {
	common := []string{"buddychat", "chat"}
	for year := 2039; year >= 1930; year-- {
		common = append(common, strconv.Itoa(year))
	}
	return passwordPolicy{min: shortest, rule: rule, common: common}
}

// clean checks a new password and returns it in the form in which passwords are compared.
func (p passwordPolicy) clean(field, password string) (string, error) {
	// This check limits the work of normalising.
	if err := checkText(field, password, 0, MaxPassword); err != nil {
		return "", err
	}
	password = normalPassword(password)
	if err := checkText(field, password, p.min, MaxPassword); err != nil {
		return "", err
	}
	if p.rule == nil {
		return password, nil
	}
	if err := p.rule(password); err != nil {
		return "", storage.Invalid(field, "%s", err)
	}
	return password, nil
}

// normalPassword returns the form in which passwords are compared (NFKC). Keyboards and systems
// encode the same character in different ways (NIST SP 800-63B, section 3.1.1.2).
func normalPassword(password string) string { return norm.NFKC.String(password) }

// checkGuess refuses a password that is easy to guess for an attacker who knows these words about
// the user.
func (p passwordPolicy) checkGuess(field, password string, about ...string) error {
	required := float64(minEntropy)
	if containsWord(password, about) {
		required = minEntropyBesideWords
	}
	if p.entropy(password, about) < required {
		return storage.Invalid(field, "%s is too easy to guess: use something longer that is not a common password, a pattern, or made of your own name or email", field)
	}
	return nil
}

const (
	// minEntropy is the entropy that a password needs, in bits. It excludes the first 16,000
	// guesses, which an attacker tries early. Throttling keeps an attacker from trying many more
	// (NIST SP 800-63B, 3.2.2).
	minEntropy = 14
	// minEntropyBesideWords is what the rest of a password needs if it contains the user's own
	// words. An attacker who knows those words tries longer.
	minEntropyBesideWords = 20
	// judged is how many characters are estimated. The time that zxcvbn takes grows with the cube
	// of the length, and a password whose first characters are hard to guess stays so with more of
	// them.
	judged = 48
	// readable is how many characters are searched for the user's own words, which do not count.
	readable = 4 * judged
)

// entropy estimates the bits that an attacker must guess who knows the user's own words. It leaves
// out those words, repetitions and steady sequences. For the rest, zxcvbn knows words, names,
// common passwords and keyboard patterns. The estimate is that of the easiest reading.
func (p passwordPolicy) entropy(password string, about []string) float64 {
	rest := withoutWords(letters(password, readable), ownWords(about))
	if len(rest) > judged {
		rest = rest[:judged]
	}
	least := p.estimate(rest)
	for _, reading := range [][]rune{unleet(rest, 'i'), unleet(rest, 'l'), condense(rest)} {
		if !slices.Equal(reading, rest) {
			least = min(least, p.estimate(reading))
		}
	}
	return least
}

// estimate asks zxcvbn. Its own matching of letters written as digits is off: it tries all
// combinations, which takes half a second for some passwords of 64 characters. unleet tries the
// likely ones.
func (p passwordPolicy) estimate(s []rune) float64 {
	return zxcvbn.PasswordStrength(placeholders(s), p.common, matching.FilterL33tMatcher).Entropy
}

// letters returns the first most characters of s without accents, which attackers leave off too.
func letters(s string, most int) []rune {
	if isASCII(s) {
		return []rune(s[:min(len(s), most)])
	}
	out := make([]rune, 0, most)
	taken := 0
	for _, r := range s {
		if taken++; taken > most {
			break
		}
		for _, part := range norm.NFKD.String(string(r)) {
			if !unicode.Is(unicode.Mn, part) {
				out = append(out, part)
			}
		}
	}
	return out
}

// placeholders makes s ASCII, because zxcvbn confuses bytes and characters. Every other character
// becomes a control character, which occurs in none of its words, keyboards and sequences.
func placeholders(s []rune) string {
	const first, count = 1, 31
	seen := map[rune]byte{}
	var b strings.Builder
	for _, r := range s {
		if r < utf8.RuneSelf {
			b.WriteByte(byte(r))
			continue
		}
		if _, ok := seen[r]; !ok {
			seen[r] = byte(first + len(seen)%count)
		}
		b.WriteByte(seen[r])
	}
	return b.String()
}

// leet returns the letter that a digit or sign often stands for.
func leet(r rune) (rune, bool) {
	switch r {
	case '0':
		return 'o', true
	case '1', '!', '|':
		return 'i', true
	case '3':
		return 'e', true
	case '4', '@':
		return 'a', true
	case '5', '$':
		return 's', true
	case '7', '+':
		return 't', true
	case '8':
		return 'b', true
	case '9', '6':
		return 'g', true
	}
	return r, false
}

// unleet replaces signs next to a letter by the letters that they stand for. The parameter one is
// the reading of 1: i or l. Other signs stay, so that a year after a word stays a year.
func unleet(s []rune, one rune) []rune {
	out := slices.Clone(s)
	for i, r := range s {
		letter, ok := leet(r)
		beside := i > 0 && unicode.IsLetter(out[i-1]) || i+1 < len(s) && unicode.IsLetter(s[i+1])
		if !ok || !beside {
			continue
		}
		if out[i] = letter; letter == 'i' {
			out[i] = one
		}
	}
	return out
}

// skeleton maps characters that look alike to the same one: it ignores case, reads digits as
// letters, and takes l for i.
func skeleton(r rune) rune {
	r, _ = leet(unicode.ToLower(r))
	if r == 'l' {
		return 'i'
	}
	return r
}

func skeletons(s []rune) []rune {
	out := make([]rune, len(s))
	for i, r := range s {
		out[i] = skeleton(r)
	}
	return out
}

// wordRx finds the parts of a name or an email: runs of letters or of digits.
var wordRx = regexp.MustCompile(`\p{L}{3,}|\p{Nd}{3,}`)

// ownWords returns the skeletons of the words that are known about a user: each text as a whole,
// the local part of an email, the runs of letters and of digits, and each of these backwards.
func ownWords(about []string) [][]rune {
	var words [][]rune
	add := func(s string) {
		if w := skeletons([]rune(s)); len(w) >= 3 {
			backwards := slices.Clone(w)
			slices.Reverse(backwards)
			words = append(words, w, backwards)
		}
	}
	for _, s := range about {
		s = string(letters(s, MaxEmail))
		add(s)
		if local, domain, isEmail := strings.Cut(s, "@"); isEmail {
			add(local)
			if dot := strings.LastIndexByte(domain, '.'); dot >= 0 {
				domain = domain[:dot]
			}
			s = local + " " + domain
		}
		for _, part := range wordRx.FindAllString(s, -1) {
			add(part)
		}
	}
	return words
}

// containsWord reports whether the password contains one of the user's own words.
func containsWord(password string, about []string) bool {
	s := letters(password, readable)
	return len(withoutWords(s, ownWords(about))) < len(s)
}

// withoutWords removes the words from s, in any spelling with the same skeleton. Where words
// overlap, it removes those that leave the least of s.
func withoutWords(s []rune, words [][]rune) []rune {
	skel := skeletons(s)
	left := make([]int, len(s)+1) // left[i] is how many characters of s[i:] remain
	step := make([]int, len(s))   // step[i] is the length of the word removed at i, or 0
	for i := len(s) - 1; i >= 0; i-- {
		left[i] = 1 + left[i+1]
		for _, w := range words {
			if len(w) <= len(s)-i && left[i+len(w)] < left[i] && slices.Equal(skel[i:i+len(w)], w) {
				left[i], step[i] = left[i+len(w)], len(w)
			}
		}
	}
	out := make([]rune, 0, left[0])
	for i := 0; i < len(s); i += max(step[i], 1) {
		if step[i] == 0 {
			out = append(out, s[i])
		}
	}
	return out
}

// condense removes what costs an attacker nothing: the continuation of a steady sequence (aaa, abc,
// 321), the repetition of a block (xyxy), and the separators in a date.
func condense(s []rune) []rune {
	var steps []rune
	for i, r := range s {
		step := func(k int) rune { return s[k] - s[k-1] }
		if i >= 2 && step(i) == step(i-1) && -1 <= step(i) && step(i) <= 1 {
			continue
		}
		if strings.ContainsRune(" -/._:", r) && i > 0 && i+1 < len(s) && unicode.IsDigit(s[i-1]) && unicode.IsDigit(s[i+1]) {
			continue
		}
		steps = append(steps, r)
	}
	var out []rune
	for i := 0; i < len(steps); {
		n := repeated(steps[i:])
		if n == 0 {
			out = append(out, steps[i])
			n = 1
		}
		i += n
	}
	return out
}

// repeated returns the length of a block at the start of s that is followed by the same block, or
// 0. A doubled letter does not count, because words have those.
func repeated(s []rune) int {
	for n := 2; 2*n <= len(s); n++ {
		if slices.Equal(s[:n], s[n:2*n]) {
			return n
		}
	}
	return 0
}
