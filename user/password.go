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

// Bounds of a password, in characters.
const (
	DefaultMinPassword = 8
	MaxPassword        = 1024
)

// passwordPolicy decides which passwords are taken.
type passwordPolicy struct {
	min  int
	rule func(password string) error
	// common are words that a guesser of this application tries early, the likeliest first.
	common []string
}

func newPasswordPolicy(shortest int, rule func(string) error) passwordPolicy {
	common := []string{"buddychat", "chat"}
	for year := 2039; year >= 1930; year-- {
		common = append(common, strconv.Itoa(year))
	}
	return passwordPolicy{min: shortest, rule: rule, common: common}
}

// clean returns a new password in the form in which passwords are compared, and refuses what could
// not be anybody's.
func (p passwordPolicy) clean(field, password string) (string, error) {
	if err := checkText(field, password, 0, MaxPassword); err != nil { // bounds the work of normalising
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

// normalPassword returns the form in which passwords are compared (NFKC): keyboards and systems
// differ in how they write the same character (NIST SP 800-63B, section 3.1.1.2).
func normalPassword(password string) string { return norm.NFKC.String(password) }

// checkGuess refuses what is easily guessed by whoever knows these words about the user.
func (p passwordPolicy) checkGuess(field, password string, about ...string) error {
	least := float64(minEntropy)
	if containsWord(password, about) {
		least = minEntropyBesideWords
	}
	if p.entropy(password, about) < least {
		return storage.Invalid(field, "%s is too easy to guess: use something longer that is not a common password, a pattern, or made of your own name or email", field)
	}
	return nil
}

const (
	// minEntropy is what a password must have, in bits: what is not among the first sixteen thousand guesses. It keeps out
	// what a guesser tries early; that nobody gets to guess more is what the throttle is for (NIST SP 800-63B, 3.2.2).
	minEntropy = 14
	// minEntropyBesideWords is what it must have beside the user's own words, where it has any: whoever knows them tries longer.
	minEntropyBesideWords = 20
	// judged is how many characters are looked at. The time that zxcvbn takes grows with the cube of the
	// length, and what is hard to guess within so many stays so, whatever follows.
	judged = 48
	// readable is how many are looked at for the user's own words, which are not counted.
	readable = 4 * judged
)

// entropy estimates how many bits a guesser must try, who leaves out what is known: the user's
// own words, repetition, and steady sequences. For what is left zxcvbn knows words, names,
// common passwords and keyboards. The easiest reading counts.
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

// estimate asks zxcvbn. Its own search for letters written as digits is left out: it tries all
// combinations, half a second for some passwords of 64 characters; unleet tries the likely ones.
func (p passwordPolicy) estimate(s []rune) float64 {
	return zxcvbn.PasswordStrength(placeholders(s), p.common, matching.FilterL33tMatcher).Entropy
}

// letters returns the first most characters of s without accents, which a guesser leaves off too.
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

// placeholders makes s ASCII, as zxcvbn confuses bytes and characters: every other character becomes a
// control character, of which it knows no word, keyboard or sequence.
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

// leet says which letter a digit or sign is often written for.
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

// unleet writes the signs that stand beside a letter as the letters they stand for, with one reading
// of 1, which can be i or l. Others are left: the year behind a word is a year.
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

// skeleton is what r looks like: without case, digits as letters, i and l alike.
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

// A part of a name or an email: letters or digits alone.
var partRx = regexp.MustCompile(`\p{L}{3,}|\p{Nd}{3,}`)

// ownWords returns the skeletons of the words in what is known about a user: each whole, an email's local
// part, and the runs of letters and of digits in them, and each of these backwards as well.
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
		for _, part := range partRx.FindAllString(s, -1) {
			add(part)
		}
	}
	return words
}

// containsWord reports whether one of the user's own words is in the password.
func containsWord(password string, about []string) bool {
	s := letters(password, readable)
	return len(withoutWords(s, ownWords(about))) < len(s)
}

// withoutWords removes the words from s, however their letters are written, and those of them that leave the least where
// they overlap.
func withoutWords(s []rune, words [][]rune) []rune {
	look := skeletons(s)
	left := make([]int, len(s)+1) // of s from there on
	step := make([]int, len(s))   // the length of the word there, 0 for none
	for i := len(s) - 1; i >= 0; i-- {
		left[i] = 1 + left[i+1]
		for _, w := range words {
			if len(w) <= len(s)-i && left[i+len(w)] < left[i] && slices.Equal(look[i:i+len(w)], w) {
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

// condense removes what adds nothing for a guesser: the steady continuation of a sequence (aaa, abc,
// 321), the repetition of a block (xyxy), and what separates the digits of a date.
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

// repeated returns the length of the block at the start of s that follows once more at once, 0 for none.
// A doubled letter is no block: words have those.
func repeated(s []rune) int {
	for n := 2; 2*n <= len(s); n++ {
		if slices.Equal(s[:n], s[n:2*n]) {
			return n
		}
	}
	return 0
}
