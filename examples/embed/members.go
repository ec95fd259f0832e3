package main

import (
	"context"
	"database/sql"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/user"
)

// makeTables creates the application's own tables. BuddyChat's tables are in the same database,
// with a prefix, and do not refer to them.
func (s *site) makeTables(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, `
		CREATE TABLE members (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, full_name TEXT NOT NULL);
		INSERT INTO members VALUES (1815, 'ada', 'Ada Lovelace'), (1906, 'grace', 'Grace Hopper');
		CREATE TABLE logins (id TEXT PRIMARY KEY, member INTEGER NOT NULL REFERENCES members)`)
	return err
}

// members gives chat the profiles of the application's members. It is a [user.Directory].
type members struct{ db *sql.DB }

func (m members) Lookup(ctx context.Context, ids ...user.ID) (_ map[user.ID]user.Profile, err error) {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = string(id)
	}
	places := strings.TrimSuffix(strings.Repeat("?,", len(ids)), ",")
	rows, err := m.db.QueryContext(ctx, `SELECT CAST(id AS TEXT), name, full_name FROM members WHERE id IN (`+places+`)`, args...) //nolint:gosec // places are ?s
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	found := make(map[user.ID]user.Profile, len(ids))
	for rows.Next() {
		var p user.Profile
		var fullName string
		if err := rows.Scan(&p.ID, &p.Username, &fullName); err != nil {
			return nil, err
		}
		p.FirstName, p.LastName, _ = strings.Cut(fullName, " ")
		found[p.ID] = p
	}
	return found, rows.Err()
}

var membersPage = template.Must(template.New("members").Parse(`<ul>{{range .}}
<li data-user="{{.ID}}">{{.Name}}</li>{{end}}
</ul>
`))

// list is one of the application's own pages. It gives each member's id as the chat API does, so
// that a script on the page can open a chat with that member.
func (s *site) list(w http.ResponseWriter, r *http.Request) {
	type member struct{ ID, Name string }
	var all []member
	rows, err := s.db.QueryContext(r.Context(), `SELECT CAST(id AS TEXT), full_name FROM members ORDER BY full_name`)
	if err == nil {
		defer rows.Close() //nolint:errcheck // rows.Err reports what went wrong
		for rows.Next() {
			var id user.ID
			var m member
			err = errors.Join(err, rows.Scan(&id, &m.Name))
			m.ID = graphqlapi.UserID(id)
			all = append(all, m)
		}
		err = errors.Join(err, rows.Err())
	}
	if err != nil {
		http.Error(w, "cannot list the members", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = membersPage.Execute(w, all) // fails only if the browser has disconnected
}
