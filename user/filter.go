package user

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/buddychat/buddychat/storage"
)

// Limits of a list of users.
const (
	// MinSearch is the minimum length of a search in characters, without surrounding white space.
	MinSearch = 2
	// MaxSearchWords is the maximum number of words of a search.
	MaxSearchWords = 20
	// MaxCount is where counting of users stops. If more users match, the count is MaxCount.
	MaxCount = 10_000
)

// maxFilter is the maximum length of a filter's text in characters. An application's own names may
// be longer than [MaxName].
const maxFilter = 255

// Words returns the words of the search, folded and longest first. It leaves out words that are
// part of another one, because a name that contains the longer word contains both. Without a search
// it returns no words.
func (f Filter) Words() []string {
	words := strings.Fields(Fold(f.Search))
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	var all []string
	for _, word := range words {
		if !slices.ContainsFunc(all, func(longer string) bool { return strings.Contains(longer, word) }) {
			all = append(all, word)
		}
	}
	return all
}

// Matches reports whether the filter matches a profile. It is for a [Lister] that has its users in
// memory.
func (f Filter) Matches(p Profile) bool {
	is := func(name, wanted string) bool { return wanted == "" || Fold(name) == Fold(wanted) }
	if !is(p.Username, f.Username) || !is(p.FirstName, f.FirstName) || !is(p.LastName, f.LastName) {
		return false
	}
	words := f.Words()
	if len(words) == 0 {
		return true
	}
	names := []string{Fold(p.Username), Fold(p.FirstName), Fold(p.LastName)}
	for _, word := range words {
		if !slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, word) }) {
			return false
		}
	}
	return true
}

// CheckSearch returns [storage.ErrInvalid] about search if the search has fewer than [MinSearch]
// characters or more than [MaxSearchWords] words.
func CheckSearch(search string) error {
	if err := checkText("search", search, 0, maxFilter); err != nil {
		return err
	}
	if utf8.RuneCountInString(strings.TrimSpace(search)) < MinSearch {
		return storage.Invalid("search", "search must have at least %d characters", MinSearch)
	}
	switch words := len(strings.Fields(Fold(search))); {
	case words == 0:
		return storage.Invalid("search", "search must have a character that can be seen")
	case words > MaxSearchWords:
		return storage.Invalid("search", "search has %d words; at most %d are allowed", words, MaxSearchWords)
	}
	return nil
}

// check refuses a filter that no user can match. Its errors name the GraphQL arguments.
func (f Filter) check() error {
	for _, c := range []struct{ field, value string }{
		{"username", f.Username}, {"firstName", f.FirstName}, {"lastName", f.LastName},
	} {
		if err := checkText(c.field, c.value, 0, maxFilter); err != nil {
			return err
		}
	}
	if f.Search == "" {
		return nil
	}
	return CheckSearch(f.Search)
}

// list names the list that f selects. Filters that select the same users have the same name.
func (f Filter) list() string {
	return fmt.Sprintf("users %q %q %q %q", Fold(f.Username), Fold(f.FirstName), Fold(f.LastName), Fold(strings.TrimSpace(f.Search)))
}
