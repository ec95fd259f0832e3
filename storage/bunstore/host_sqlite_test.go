package bunstore_test

import (
	"testing"

	"github.com/buddychat/buddychat/internal/sqlitetest"
)

// Other drivers run the same tests in the module internal/sqlitedrivers.
func TestAHostMayOpenItsSQLiteDatabasePlainly(t *testing.T) {
	t.Parallel()
	sqlitetest.Run(t, sqlitetest.Driver{
		Name:      "sqlite",
		Settings:  "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)&_pragma=synchronous(OFF)",
		Package:   "modernc.org/sqlite",
		Unsettled: "_pragma=busy_timeout(0)",
	})
}
