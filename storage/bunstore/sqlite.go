package bunstore

import (
	"context"
	"database/sql"
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

// uninterrupted is a transaction of the host's. SQLite rolls the whole transaction back when a statement that writes is
// interrupted, and an interrupted read can take the next write with it. So the context is looked at before each statement, and
// no statement ends early for it.
type uninterrupted struct{ tx *sql.Tx }

func (u uninterrupted) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return u.tx.QueryContext(context.WithoutCancel(ctx), query, args...)
}

func (u uninterrupted) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return u.tx.ExecContext(context.WithoutCancel(ctx), query, args...)
}

// checkBegun returns ErrTransactionGone where SQLite has already rolled the host's transaction back, for instance because a
// statement of the host's own was cancelled: a savepoint would then begin a transaction, and its release commit it. SQLite has no
// function that tells, but it refuses to begin a transaction within another one.
func (t *tx) checkBegun(ctx context.Context) error {
	if t.dialect != SQLite {
		return nil
	}
	_, err := t.exec(ctx, `BEGIN`)
	if hasAny(err, "within a transaction") {
		return nil
	}
	if err == nil {
		if _, err = t.exec(context.WithoutCancel(ctx), `ROLLBACK`); err == nil {
			err = ErrTransactionGone
		}
	}
	return err
}
