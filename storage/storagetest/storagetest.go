// Package storagetest tests that a store keeps every promise of its interface: what each method
// does and refuses, what it records in the event log, what happens when many callers use it at
// once, and what happens inside a transaction of the application. If you write a store, run the
// whole suite in one test:
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

// Harness gives the suite access to the stores that it tests.
type Harness struct {
	// New returns a fresh and empty store for one test, with now as its clock. It must register its
	// cleanup with t.Cleanup. It is called from several goroutines at the same time. The clock has
	// nanoseconds and a time zone, and the store must keep neither.
	New func(t testing.TB, now func() time.Time) buddychat.Store

	// Tx runs act in a transaction of the application on the database of store. It passes act a
	// store that is bound to the transaction. It commits if act returns nil, and otherwise rolls
	// back and returns the error. If Tx is nil, the tests of transactions are skipped.
	Tx func(ctx context.Context, store buddychat.Store, act func(tx buddychat.Store) error) error

	// Budget is how long new random histories of each kind are started, up to the number of the
	// flag -rapid.checks. 0 means ten seconds, or three with -short.
	Budget time.Duration
}

// test tests one promise, on a store of its own.
type test struct {
	name string
	run  func(*fixture)
}

// Run tests the stores of h. All tests run in parallel, so a database should accept a few dozen
// connections.
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
	t.Run("random histories: a view equals a real copy of the messages", func(t *testing.T) {
		t.Parallel()
		histories(t, h)
	})
	t.Run("random histories: a store answers and records the same as storage/memory", func(t *testing.T) {
		t.Parallel()
		lockstep(t, h)
	})
}
