package bunstore_test

import (
	"testing"

	"github.com/buddychat/buddychat/internal/sqlitetest"
)

// The module internal/sqlitedrivers runs the same tests with other drivers.
func TestAHostCanOpenItsSQLiteDatabaseItself(t *testing.T) {
	t.Parallel()
	sqlitetest.Run(t, sqlitetest.Driver{
		Name:      "sqlite",
		Settings:  "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)&_pragma=synchronous(OFF)",
		Package:   "modernc.org/sqlite",
		Unsettled: "_pragma=busy_timeout(0)",
	})
}
