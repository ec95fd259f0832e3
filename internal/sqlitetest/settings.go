package sqlitetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/user"
)

// The settings in docs/sqlite.md are accepted as written there, and each of them has an effect.
func (d Driver) documentedSettingsWork(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile(filepath.Join(moduleRoot(t), "docs", "sqlite.md"))
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(docs), "`"+d.Package+"`:\n\n    ")
	require.True(t, found, "docs/sqlite.md has no line for %s", d.Package)
	d.Settings, _, _ = strings.Cut(rest, "\n")
	file := filepath.Join(t.TempDir(), "host.db")
	db := d.open(t, file)
	_, err = bunstore.Open(db, bunstore.SQLite, nil)
	require.NoError(t, err)
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "secure_delete": "1"} {
		var got string
		require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
	plain := Driver{Name: d.Name, Settings: d.Unsettled}
	_, err = bunstore.Open(plain.open(t, filepath.Join(t.TempDir(), "plain.db")), bunstore.SQLite, nil)
	require.ErrorContains(t, err, "PRAGMA journal_mode = WAL")
	require.ErrorContains(t, err, "PRAGMA busy_timeout")
	require.ErrorContains(t, err, "PRAGMA foreign_keys = on")
	require.ErrorContains(t, err, d.Settings, "the error has the documented settings, too")
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	require.NoError(t, err)
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "docs", "sqlite.md")); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("docs/sqlite.md is not above this directory")
	return ""
}

// A PRAGMA statement on the pool sets only the connection that happens to run it.
func (d Driver) settingsOfOneConnectionAreNotEnough(t *testing.T) {
	t.Parallel()
	plain := Driver{Name: d.Name, Settings: d.Unsettled}
	db := plain.open(t, filepath.Join(t.TempDir(), "host.db"))
	_, err := db.ExecContext(t.Context(), `PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA foreign_keys = on`)
	require.NoError(t, err)
	_, err = bunstore.Open(db, bunstore.SQLite, nil)
	require.ErrorContains(t, err, "not every connection")
	require.NotContains(t, err.Error(), "PRAGMA journal_mode", "the file keeps this setting")
}

func (d Driver) concurrentOperationsSucceed(t *testing.T) {
	t.Parallel()
	const callers, each = 8, 30
	h := d.new(t, nil)
	var all sync.WaitGroup
	for caller := range callers {
		all.Go(func() {
			for i := range each {
				if err := h.openAndJoin(t.Context(), fmt.Sprintf("user %d of caller %d", i, caller)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var copies int
	require.NoError(t, h.db.QueryRowContext(t.Context(), `SELECT count(*) FROM buddychat_copies`).Scan(&copies))
	require.Equal(t, callers*each*4, copies)
}

func (h hosted) openAndJoin(ctx context.Context, name string) error {
	if _, _, err := h.OpenChat(ctx, user.ID(name), "everybody's friend"); err != nil {
		return err
	}
	_, own, err := h.CreateGroup(ctx, user.ID(name), group.Draft{Title: "A group"})
	if err != nil {
		return err
	}
	_, err = h.AddMember(ctx, own.Copy(), "everybody's friend", 10)
	return err
}
