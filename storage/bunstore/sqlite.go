package bunstore

import (
	"regexp"
	"strings"
)

// placeholder matches the placeholder of an argument. It also matches texts and quoted names, which may contain what looks
// like one.
var placeholder = regexp.MustCompile(`'[^']*'|"[^"]*"|\$\d+`)

// numbered replaces the placeholders $1, $2, … of a statement by ?1, ?2, …. In SQLite $2 is a name. Names are numbered by their
// first appearance, so a driver that binds by position would swap the arguments.
func numbered(statement string) string {
	return placeholder.ReplaceAllStringFunc(statement, func(match string) string {
		if number, found := strings.CutPrefix(match, "$"); found {
			return "?" + number
		}
		return match
	})
}

// isBusy reports whether SQLite says that another connection holds a lock. It goes by SQLite's own messages, which every driver
// passes on, since each driver has its own type of error.
// They are those of the codes SQLITE_BUSY, SQLITE_LOCKED and SQLITE_PROTOCOL, see https://www.sqlite.org/rescode.html.
func isBusy(err error) bool {
	return hasAny(err, "database is locked", "database table is locked", "database schema is locked", "locking protocol")
}

func hasAny(err error, texts ...string) bool {
	if err == nil {
		return false
	}
	message := err.Error()
	for _, text := range texts {
		if strings.Contains(message, text) {
			return true
		}
	}
	return false
}
