package buddychat

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/driver"
)

// Store is everything that a database keeps for BuddyChat. The packages storage/memory and
// storage/bunstore have one; storage/storagetest holds any other to the same promises. One that can act in a
// transaction of the application's implements [driver.Transactor] too.
type Store interface {
	driver.Acts
	realtime.Log

	// Purge does at most limit rows of each kind of upkeep, and returns how many it did; 0 says that nothing is left, or that
	// limit is not positive.
	//
	//   - The content of messages that no copy shows any more, and of users who were erased, is emptied. No list moves and no count changes.
	//   - Records older than keep are removed from the beginning of the log on, but for the newest of those, by which positions are
	//     known (one that looks old because the clock went back waits for those before it); memberships
	//     that ended before them, and conversations left without a copy, go with them.
	//   - Refresh tokens that have expired are removed, and sessions all of whose tokens have: see [token.Store.PurgeSessions].
	//
	// It may run on several nodes at once, and may be interrupted at any point.
	Purge(ctx context.Context, keep time.Duration, limit int) (int, error)
}
