// Package mattn tests the store on github.com/mattn/go-sqlite3, which uses SQLite itself by cgo.
package mattn

import (
	"testing"

	_ "github.com/mattn/go-sqlite3"

	"github.com/buddychat/buddychat/internal/sqlitetest"
)

func TestAHostCanUseThisDriver(t *testing.T) {
	t.Parallel()
	sqlitetest.Run(t, sqlitetest.Driver{
		Name:      "sqlite3",
		Settings:  "_journal_mode=WAL&_busy_timeout=10000&_foreign_keys=on&_synchronous=OFF",
		Package:   "github.com/mattn/go-sqlite3",
		Unsettled: "_busy_timeout=0",
	})
}
