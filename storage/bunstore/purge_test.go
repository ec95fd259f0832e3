package bunstore_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/user"
)

// tablesWith returns the tables that contain a text in any column of any row.
func tablesWith(t *testing.T, db database, text string) (found []string) {
	t.Helper()
	names := `SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'buddychat%'`
	if db.dialect == bunstore.PostgreSQL {
		names = `SELECT tablename FROM pg_tables WHERE tablename LIKE 'buddychat%'`
	}
	for _, table := range texts(t, db, names) {
		for _, row := range everyRow(t, db, table) {
			if strings.Contains(row, text) {
				found = append(found, table)
				break
			}
		}
	}
	return found
}

func texts(t *testing.T, db database, query string) (all []string) {
	t.Helper()
	rows, err := db.sql.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close() //nolint:errcheck // the test fails before that matters
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		all = append(all, s)
	}
	require.NoError(t, rows.Err())
	return all
}

func everyRow(t *testing.T, db database, table string) (all []string) {
	t.Helper()
	rows, err := db.sql.QueryContext(t.Context(), `SELECT * FROM `+table)
	require.NoError(t, err)
	defer rows.Close() //nolint:errcheck // the test fails before that matters
	columns, err := rows.Columns()
	require.NoError(t, err)
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		all = append(all, fmt.Sprintf("%s", values))
	}
	require.NoError(t, rows.Err())
	return all
}

func TestContentThatNoUserCanSeeIsInNoTable(t *testing.T) {
	t.Parallel()
	for name, open := range eachDatabase() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, ctx := migrated(t, open), t.Context()
			alice, bob := user.ID("alice"), register(t, db, account("canary-bob")).ID
			send := func(c chat.Copy, content string) chat.Message {
				t.Helper()
				m, err := db.AppendMessage(ctx, c, chat.Draft{Content: content, ClientID: "id of " + content})
				require.NoError(t, err)
				return m
			}
			purge := func() {
				t.Helper()
				for n := 1; n > 0; {
					var err error
					n, err = db.Purge(ctx, time.Hour, 3)
					require.NoError(t, err)
				}
			}
			mine, others, err := db.OpenChat(ctx, alice, bob)
			require.NoError(t, err)
			_, admin, err := db.CreateGroup(ctx, alice, group.Draft{Title: "Climbing"})
			require.NoError(t, err)
			member, err := db.AddMember(ctx, admin.Copy(), bob, 10)
			require.NoError(t, err)
			bobs := chat.Copy{Kind: chat.Group, ID: member.ID, Owner: bob}

			unsent := send(mine.Copy(), "canary-unsent")
			require.Equal(t, []string{"buddychat_messages"}, tablesWith(t, db, "canary-unsent"))
			require.NoError(t, db.UnsendMessage(ctx, mine.Copy(), unsent.ID))
			for _, row := range everyRow(t, db, "buddychat_messages") {
				require.Equal(t, 1, strings.Count(row, "canary-unsent"), "only the ClientID is left, at once: %s", row)
			}

			deleted := send(admin.Copy(), "canary-deleted")
			require.NoError(t, db.HideMessage(ctx, admin.Copy(), deleted.ID))
			purge()
			require.Contains(t, strings.Join(everyRow(t, db, "buddychat_messages"), "\n"), "canary-deleted id of", "one copy still shows it")
			require.NoError(t, db.ClearCopy(ctx, bobs))
			purge()
			require.NotContains(t, strings.Join(everyRow(t, db, "buddychat_messages"), "\n"), "canary-deleted id of")

			send(others.Copy(), "canary-bob in a chat")
			send(bobs, "canary-bob in a group")
			require.NotEmpty(t, tablesWith(t, db, "canary-bob"))
			require.NoError(t, db.EraseUser(ctx, bob))
			purge()
			require.Empty(t, tablesWith(t, db, "canary-bob"))
		})
	}
}
