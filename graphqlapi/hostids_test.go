package graphqlapi_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// uuidMembers are the host's users, in a table with ids of type UUID. Lists are ordered by id.
type uuidMembers struct{ db *sql.DB }

func (m uuidMembers) Lookup(ctx context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	var texts []string
	for _, id := range ids {
		texts = append(texts, string(id))
	}
	users, err := m.query(ctx, `SELECT id, name FROM members WHERE id = ANY($1::uuid[])`, "{"+strings.Join(texts, ",")+"}")
	found := map[user.ID]user.Profile{}
	for _, u := range users {
		found[u.ID] = u.Profile
	}
	return found, err
}

func (m uuidMembers) ListUsers(ctx context.Context, f user.Filter, r storage.Range) ([]user.User, error) {
	after, before, order := "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "ASC"
	if r.After != nil {
		after = r.After.Text
	}
	if r.Before != nil {
		before = r.Before.Text
	}
	if r.Backward {
		order = "DESC"
	}
	users, err := m.query(ctx, `SELECT id, name FROM members WHERE id > $1::uuid AND id < $2::uuid AND strpos(name, $3) > 0 ORDER BY id `+order+` LIMIT $4`,
		after, before, f.Search, r.Limit)
	if r.Backward {
		slices.Reverse(users)
	}
	return users, err
}

func (m uuidMembers) CountUsers(ctx context.Context, f user.Filter) (n int, err error) {
	err = m.db.QueryRowContext(ctx, `SELECT count(*) FROM members WHERE strpos(name, $1) > 0`, f.Search).Scan(&n)
	return n, err
}

func (m uuidMembers) query(ctx context.Context, query string, args ...any) (users []user.User, err error) {
	rows, err := m.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var u user.User
		if err := rows.Scan(&u.ID, &u.Username); err != nil {
			return nil, err
		}
		users = append(users, u)
	}
	return users, rows.Err()
}

// trusting accepts the id of a user as the token.
type trusting struct{}

func (trusting) Authenticate(_ context.Context, _ *http.Request, token string) (graphqlapi.Identity, error) {
	return graphqlapi.Identity{User: user.ID(token)}, nil
}

func serveUUIDs(t *testing.T) (a *api, ids []user.ID) {
	t.Helper()
	db, err := sql.Open("pgx", pgtest.URL(t))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	_, err = db.ExecContext(t.Context(), `CREATE TABLE members (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), name TEXT NOT NULL);
		INSERT INTO members (name) SELECT 'member ' || n FROM generate_series(1, 7) n`)
	require.NoError(t, err)
	members := uuidMembers{db}
	all, err := members.ListUsers(t.Context(), user.Filter{}, storage.Range{Limit: 100})
	require.NoError(t, err)
	for _, u := range all {
		ids = append(ids, u.ID)
	}
	return serve(t, func(s *setup) {
		s.app.Directory, s.app.UserIDs = members, user.UUIDs
		s.api.Authenticator = trusting{}
	}), ids
}

func TestInvalidUserIDsNeverReachTheHostsDatabase(t *testing.T) {
	t.Parallel()
	a, ids := serveUUIDs(t)
	viewer := string(ids[0])
	own := at(a.must(t, viewer, `mutation { createGroup(title: "the group") { groupCopy { id } } }`, nil), "createGroup", "groupCopy", "id")
	require.NotEmpty(t, a.must(t, viewer, `mutation($id: ID!) { createChat(otherUserId: $id) { chat { id } } }`, map[string]any{"id": graphqlapi.UserID(ids[1])}))
	for _, madeUp := range []user.ID{
		"7", "nobody", "' OR 1=1 --", "{}", user.ID(strings.ToUpper(string(ids[1]))), "{" + ids[1] + "}", "00000000-0000-0000-0000-000000000000", ids[1] + "0",
	} {
		id := map[string]any{"id": graphqlapi.UserID(madeUp), "own": own}
		for _, document := range []string{
			`query($id: ID!) { user(id: $id) { id } }`, `query($id: ID!) { node(id: $id) { id } }`,
			`mutation($id: ID!) { createChat(otherUserId: $id) { chat { id } } }`,
			`mutation($id: ID!, $own: ID!) { createGroupMember(groupCopyId: $own, memberId: $id) { groupMember { id } } }`,
		} {
			got := a.ask(t, viewer, document, id)
			require.Equal(t, "NOT_FOUND", got.code(), "%s with %q: %s", document, madeUp, got.text)
		}
	}
}

func TestHostsCanListUsersByUUID(t *testing.T) {
	t.Parallel()
	a, ids := serveUUIDs(t)
	want := make([]any, len(ids))
	for i, id := range ids {
		want[i] = graphqlapi.UserID(id)
	}
	page := func(args string) (ids []any, info map[string]any) {
		data := a.must(t, "", `{ users(`+args+`) { totalCount nodes { id username } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`, nil)
		require.EqualValues(t, len(want), at(data, "users", "totalCount"))
		for _, n := range at(data, "users", "nodes").([]any) {
			ids = append(ids, at(n, "id"))
		}
		return ids, at(data, "users", "pageInfo").(map[string]any)
	}
	var forward, backward []any
	for args := "first: 2"; ; {
		got, info := page(args)
		if forward = append(forward, got...); !info["hasNextPage"].(bool) {
			break
		}
		args = fmt.Sprintf("first: 2, after: %q", info["endCursor"])
	}
	require.Equal(t, want, forward)
	for args := `last: 3, search: "member"`; ; {
		got, info := page(args)
		if backward = append(got, backward...); !info["hasPreviousPage"].(bool) {
			break
		}
		args = fmt.Sprintf(`last: 3, search: "member", before: %q`, info["startCursor"])
	}
	require.Equal(t, want, backward)

	other := a.ask(t, "", `{ users(first: 1, after: "`+base64.RawURLEncoding.EncodeToString([]byte("xxxx"+ids[0]))+`") { nodes { id } } }`, nil)
	require.Equal(t, "BAD_USER_INPUT", other.code(), "a cursor of another list")
}
