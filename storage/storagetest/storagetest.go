// Package storagetest holds a store of BuddyChat to everything that its interface promises: what each
// method does and refuses, what it records in the event log, what happens when many call it at once, and what a host's
// own transaction makes of it. Whoever writes a store runs it against the whole suite in one test:
//
//	func TestStore(t *testing.T) {
//		storagetest.Run(t, storagetest.Harness{
//			New: func(t testing.TB, now func() time.Time) buddychat.Store {
//				return open(t, now) // a fresh, empty database
//			},
//		})
//	}
package storagetest

import (
	"context"
	"testing"
	"time"

	"github.com/buddychat/buddychat"
)

// Harness is how the suite gets at the stores that it tests.
type Harness struct {
	// New returns a fresh and empty store whose clock is now, for one test; t.Cleanup removes it. It is called from
	// several goroutines at the same time. The clock has nanoseconds and a time zone, neither of which the store may keep.
	New func(t testing.TB, now func() time.Time) buddychat.Store

	// Tx runs act in a transaction of the host's own on the database of store, with a store that is bound to
	// it. It commits where act returns nil; else it rolls back and returns the error. Where Tx is nil the tests of
	// such transactions are skipped.
	Tx func(ctx context.Context, store buddychat.Store, act func(tx buddychat.Store) error) error

	// Budget is how long random histories of each kind are begun, as many at most as the flag -rapid.checks says. 0
	// is ten seconds, and three with -short.
	Budget time.Duration
}

// test is one promise. It has a store of its own.
type test struct {
	name string
	run  func(*fixture)
}

// Run tests the stores of h. Everything in it runs in parallel, so a database should take a few dozen connections.
func Run(t *testing.T, h Harness) {
	t.Helper()
	domains := []struct {
		name  string
		tests []test
	}{
		{"users", userTests()},
		{"sessions", sessionTests()},
		{"chats", chatTests()},
		{"messages", messageTests()},
		{"lists of messages", messageListTests()},
		{"groups", groupTests()},
		{"members", memberTests()},
		{"read marks", readMarkTests()},
		{"notifications", notificationTests()},
		{"log", logTests()},
		{"views", viewTests()},
		{"purge", purgeTests()},
		{"erasure", erasureTests()},
		{"text", textTests()},
		{"concurrency", concurrencyTests()},
	}
	if h.Tx != nil {
		domains = append(domains, struct {
			name  string
			tests []test
		}{"transactions", transactionTests()})
	}
	for _, domain := range domains {
		t.Run(domain.name, func(t *testing.T) {
			t.Parallel()
			for _, each := range domain.tests {
				t.Run(each.name, func(t *testing.T) {
					t.Parallel()
					each.run(newFixture(t, h))
				})
			}
		})
	}
	t.Run("whatever happens, a view is what a copy of one's own would be", func(t *testing.T) {
		t.Parallel()
		histories(t, h)
	})
	t.Run("whatever is done to it, a store answers and records what storage/memory does", func(t *testing.T) {
		t.Parallel()
		lockstep(t, h)
	})
}
