// Package driver has the interfaces that a store implements in addition to those of the domain
// packages.
package driver

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// Acts is all changes and reads that users make in a store.
type Acts interface {
	user.Store
	token.Store
	chat.Store
	group.Store
	notify.Store
}

// Transactor is an optional interface of a store that can act inside a transaction that the
// application began. It is required for [github.com/buddychat/buddychat.App.In].
type Transactor interface {
	// InTx returns the store's [Acts], bound to a transaction. Their changes become visible, and
	// their events are delivered, when the application commits, and never if it rolls back. Each
	// method is atomic: if it fails, the transaction is as it was before the call and can go on,
	// unless the error says that the transaction is gone.
	//
	// InTx returns an error for nil and for a type of transaction that it does not take; the error
	// names the right one. InTx itself does not touch the database. The result must be used by one
	// goroutine at a time, and ends with the transaction.
	InTx(tx any) (Acts, error)
}

// Checker is an optional interface of a store that can tell whether its database is ready for use.
// [github.com/buddychat/buddychat.New] and graphqlapi.NewHandler call it, so that an application
// without tables fails when it starts instead of at its first request.
type Checker interface {
	// Check returns an error if the tables are missing, of an earlier version, or unreadable. The
	// error says what to do. Check changes nothing, and is safe for concurrent use.
	Check(ctx context.Context) error
}
