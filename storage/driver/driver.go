// Package driver has what the author of a store implements beside the interfaces of the domain packages.
package driver

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// Acts is everything that users do in a store.
type Acts interface {
	user.Store
	token.Store
	chat.Store
	group.Store
	notify.Store
}

// Transactor is implemented by a store that can act inside a transaction that the application began. It is
// what [github.com/buddychat/buddychat.App.In] needs.
type Transactor interface {
	// InTx returns the acts of the store, bound to a transaction. They become visible, and their events are
	// delivered, when and only when the application commits it. Each act is all or nothing: one that fails
	// leaves the transaction as it was before the act, and fit to go on, unless its error says that the
	// transaction is gone.
	//
	// The store says which types of transaction it takes, by an error for any other and for nil. InTx itself
	// does not touch the database. What it returns is for one goroutine at a time, and ends with the
	// transaction.
	InTx(tx any) (Acts, error)
}

// Checker is implemented by a store that can tell whether its database is ready to be used.
// [github.com/buddychat/buddychat.New] and graphqlapi.NewHandler ask it, so that an application without tables fails when it
// starts and not with its first request.
type Checker interface {
	// Check returns an error where the tables are missing, are of an earlier version, or cannot be read. The error says what to
	// do. Check changes nothing, and is safe for concurrent use.
	Check(ctx context.Context) error
}
