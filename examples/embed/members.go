package main

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/buddychat/buddychat/user"
)

// makeTables makes the application's own tables. BuddyChat's stand beside them, with a prefix, and know nothing of them.
func (s *site) makeTables(ctx context.Context) error {
	_, err := s.db.ExecContext(ctx, `
		CREATE TABLE members (id TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, full_name TEXT NOT NULL);
		INSERT INTO members VALUES ('m-1815', 'ada', 'Ada Lovelace'), ('m-1906', 'grace', 'Grace Hopper');
		CREATE TABLE logins (id TEXT PRIMARY KEY, member TEXT NOT NULL REFERENCES members)`)
	return err
}

// members shows the application's members in chat. It is a [user.Directory].
type members struct{ db *sql.DB }

func (m members) Lookup(ctx context.Context, ids ...user.ID) (_ map[user.ID]user.Profile, err error) {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = string(id)
	}
	places := strings.TrimSuffix(strings.Repeat("?,", len(ids)), ",")
	rows, err := m.db.QueryContext(ctx, `SELECT id, name, full_name FROM members WHERE id IN (`+places+`)`, args...) //nolint:gosec // places are ?s
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
