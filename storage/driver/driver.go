// Package driver has what the author of a store implements beside the interfaces of the domain packages.
package driver

import (
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
