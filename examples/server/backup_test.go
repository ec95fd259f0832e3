package main

import (
	"database/sql"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
	"nhooyr.io/websocket/wsjson"

	"github.com/buddychat/buddychat/internal/pgserver"
	"github.com/buddychat/buddychat/internal/pgtest"
)

// backups runs the backup commands of docs/operations.md, while the server runs. backUp returns a
// function that restores the database, to be called once the server has stopped.
var backups = map[string]func(t *testing.T, dir string) (address string, backUp func() (restore func())){
	"SQLite":     backUpSQLite,
	"PostgreSQL": backUpPostgres,
}

func backUpSQLite(t *testing.T, dir string) (address string, backUp func() (restore func())) {
	file, backup := filepath.Join(dir, "buddychat.db"), filepath.Join(dir, "backup.db")
	return "sqlite:" + file, func() func() {
		commands := documented(t, "sqlite3 ")
		if _, err := exec.LookPath("sqlite3"); err == nil {
			runShell(t, dir, commands)
			requirePrivate(t, backup)
		} else { // without the sqlite3 program, run the same statement by the driver
			db, err := sql.Open("sqlite", file)
			require.NoError(t, err)
			_, err = db.ExecContext(t.Context(), strings.ReplaceAll(between(t, commands, `"`, `"`), "backup.db", backup))
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}
		return func() {
			for _, suffix := range []string{"", "-wal", "-shm"} {
				require.NoError(t, os.RemoveAll(file+suffix))
			}
			content, err := os.ReadFile(backup)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, content, 0o600))
		}
	}
}

func backUpPostgres(t *testing.T, dir string) (address string, backUp func() (restore func())) {
	address = pgtest.URL(t)
	run := func(commands string) {
		require.Contains(t, commands, "postgres://…")
		runShell(t, dir, strings.ReplaceAll(commands, "postgres://…", "'"+address+"'"))
	}
	return address, func() func() {
		run(documented(t, "pg_dump "))
		requirePrivate(t, filepath.Join(dir, "backup.dump"))
		return func() { run(documented(t, "pg_restore ")) }
	}
}

// documented returns the commands in docs/operations.md that call the program.
func documented(t *testing.T, program string) string {
	t.Helper()
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "operations.md"))
	require.NoError(t, err)
	for _, block := range strings.Split(string(docs), "```sh\n")[1:] {
		if commands, _, _ := strings.Cut(block, "```\n"); strings.Contains(commands, program) {
			return commands
		}
	}
	t.Fatalf("docs/operations.md does not call %s", program)
	return ""
}

// runShell runs commands in a directory. PostgreSQL's programs are on the PATH if this machine has
// them.
func runShell(t *testing.T, dir, commands string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", commands)
	cmd.Dir = dir
	if program, err := pgserver.Program("pg_dump"); err == nil {
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(program)+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func requirePrivate(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "%s can be read by others", file)
}

func TestRestoredBackupExpiresCursorsAndKeepsLogins(t *testing.T) {
	t.Parallel()
	for name, prepare := range backups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			address, backUp := prepare(t, dir)
			p := start(t, dir, "-database", address)
			ada := register(t, p, "ada.lovelace", "12345678")
			before := cursor(t, ada)
			makeGroup(t, ada, "before")
			restore := backUp()
			makeGroup(t, ada, "after")
			makeGroup(t, ada, "after that")
			after := cursor(t, ada)
			late := register(t, p, "grace.hopper", "12345679")
			status, _ := p.stop(t, syscall.SIGTERM)
			require.Zero(t, status)
			restore()

			p = start(t, dir, "-database", address)
			ada.url, late.url = p.url+"/graphql", p.url+"/graphql"
			require.Equal(t, "ada.lovelace", whoAmI(t, ada), "a login of before the backup goes on")
			require.Empty(t, whoAmI(t, late), "one of after it does not")
			require.Equal(t, []string{"before"}, groups(t, ada))
			require.Contains(t, firstEvent(t, ada, before), "MEMBER_ADDED", "a cursor of before the backup is good")
			require.Contains(t, firstEvent(t, ada, after), "CURSOR_EXPIRED", "one of after it is not")
			for range 4 {
				makeGroup(t, ada, "again") // the new log grows past the cursor
			}
			require.Contains(t, firstEvent(t, ada, after), "CURSOR_EXPIRED")
		})
	}
}

func cursor(t *testing.T, c client) string {
	t.Helper()
	var answer struct{ EventCursor string }
	require.NoError(t, c.do(t.Context(), &answer, `{ eventCursor }`, nil))
	return answer.EventCursor
}

func makeGroup(t *testing.T, c client, title string) {
	t.Helper()
	var answer struct{}
	require.NoError(t, c.do(t.Context(), &answer, `mutation ($title: String!) { createGroup(title: $title) { userGroup { id } } }`, map[string]any{"title": title}))
}

func groups(t *testing.T, c client) (titles []string) {
	t.Helper()
	var answer struct {
		Groups struct {
			Nodes []struct {
				Member struct{ Group struct{ Title string } }
			}
		}
	}
	require.NoError(t, c.do(t.Context(), &answer, `{ groups { nodes { member { group { title } } } } }`, nil))
	for _, n := range answer.Groups.Nodes {
		titles = append(titles, n.Member.Group.Title)
	}
	return titles
}

// firstEvent returns the first frame of a subscription that starts after the cursor.
func firstEvent(t *testing.T, c client, after string) string {
	t.Helper()
	socket := dial(t, c)
	require.NoError(t, wsjson.Write(t.Context(), socket, map[string]any{"id": "1", "type": "subscribe", "payload": map[string]any{
		"query": `subscription ($after: String) { events(after: $after) { operation } }`, "variables": map[string]any{"after": after},
	}}))
	frame, err := json.Marshal(receive(t, socket))
	require.NoError(t, err)
	return string(frame)
}
