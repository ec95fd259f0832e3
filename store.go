package buddychat

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/driver"
)

// Store is everything that a database keeps for BuddyChat. The packages storage/memory and
// storage/bunstore implement it; storage/storagetest tests any other implementation. A store that
// can act inside a transaction of the application also implements [driver.Transactor].
type Store interface {
	driver.Acts
	realtime.Log

	// Purge removes at most limit rows of each of the kinds below, and returns how many it removed.
	// It returns 0 if nothing is left to remove, or if limit is not positive.
	//
	//   - It empties the content of messages that no copy shows any more and of messages of erased
	//     users. No list and no count changes.
	//   - It removes event records older than keep, from the start of the log. It keeps the newest
	//     of them, because positions are known by it. A record that looks old because the clock
	//     went back waits until all records before it are old. Memberships that ended before the
	//     removed records go with them, as do conversations that no copy is left of.
	//   - It removes expired refresh tokens, and sessions whose tokens have all expired: see
	//     [token.Store.PurgeSessions].
	//
	// Purge may run on several nodes at once, and may be interrupted at any point.
	Purge(ctx context.Context, keep time.Duration, limit int) (int, error)
}
