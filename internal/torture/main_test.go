// Package torture tests BuddyChat's realtime promises with random histories, on real databases with
// several nodes. A model knows what every subscriber must and must not receive. Clients keep their
// own copies of the data. A further test proves that the model detects a broken library.
//
// The ordinary tests include a short run of each. BUDDYCHAT_TORTURE makes the runs long: set it to
// 1 for the default length, or to a duration.
package torture

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for an event that must arrive.
const patience = 10 * time.Second

// tortured reports whether this is a long run.
func tortured() bool { return os.Getenv("BUDDYCHAT_TORTURE") != "" }

// budget returns the time at which a test must stop starting new histories.
func budget(t *testing.T, long time.Duration) time.Time {
	t.Helper()
	most := 4 * time.Second
	if testing.Short() {
		most = time.Second
	}
	if tortured() {
		most = long
		if d, err := time.ParseDuration(os.Getenv("BUDDYCHAT_TORTURE")); err == nil {
			most = d
		}
	}
	return time.Now().Add(most)
}
