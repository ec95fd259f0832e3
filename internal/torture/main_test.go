// Package torture holds BuddyChat to what it promises of realtime, by random histories on real databases with several nodes: a model that knows what
// every subscriber must get and must not, clients that keep copies of their own, and a proof that both fail where the library is broken.
//
// A short run of each is among the ordinary tests. BUDDYCHAT_TORTURE makes them long: 1 for as long as they should take, or a duration.
package torture

import (
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// tortured reports whether this is a long run.
func tortured() bool { return os.Getenv("BUDDYCHAT_TORTURE") != "" }

// budget returns until when a test goes on with one history after another.
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
