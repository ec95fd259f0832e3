package user

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/buddychat/buddychat/storage"
)

// Bounds of a list of users.
const (
	// MinSearch is the fewest characters of a search, without the white space around it.
	MinSearch = 2
	// MaxSearchWords is the most words of a search.
	MaxSearchWords = 20
	// MaxCount is the most that users are counted to: of more users than that the count is MaxCount.
	MaxCount = 10_000
)

// maxFilter bounds what is searched for, in characters. A host's own names may be longer than ours.
const maxFilter = 255

// Words returns the words of the search, folded, without those that are parts of others: what has the others has them too.
// Without a search there are none.
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

// Matches reports whether the filter picks a user. It is for a [Lister] that has its users in memory.
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

// CheckSearch refuses what cannot be searched for: fewer than [MinSearch] characters, or more than [MaxSearchWords] words. The error is
// [storage.ErrInvalid] about search.
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

// check refuses what no user could match. It names the GraphQL arguments.
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

// list names the list that f picks; filters that pick the same have the same name.
func (f Filter) list() string {
	return fmt.Sprintf("users %q %q %q %q", Fold(f.Username), Fold(f.FirstName), Fold(f.LastName), Fold(strings.TrimSpace(f.Search)))
}
