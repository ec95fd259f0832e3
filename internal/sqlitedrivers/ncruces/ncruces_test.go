// Package ncruces tests the store on github.com/ncruces/go-sqlite3, which is SQLite compiled to
// WebAssembly and translated to Go.
package ncruces

import (
	"testing"

	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/buddychat/buddychat/internal/sqlitetest"
)

func TestAHostCanUseThisDriver(t *testing.T) {
	t.Parallel()
	sqlitetest.Run(t, sqlitetest.Driver{
		Name:      "sqlite3",
		Settings:  "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)&_pragma=synchronous(OFF)&_txlock=deferred",
		Package:   "github.com/ncruces/go-sqlite3/driver",
		Unsettled: "_pragma=busy_timeout(0)&_pragma=foreign_keys(off)",
	})
}
