package buddychat

import (
	"context"
	"errors"
	"fmt"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/storage/driver"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// Services is the Go API for what users do. [App] has them on its store; [App.In] returns them
// inside a transaction.
type Services struct {
	// Users and Tokens manage the built-in accounts. Both are nil if [Options] has a Directory.
	Users  *user.Service
	Tokens *token.Service
	// Directory looks up user profiles, of built-in accounts or of your application's users.
	Directory user.Directory

	Chats         *chat.Service
	Groups        *group.Service
	Notifications *notify.Service
	// Messages has the operations that chats and groups share. It addresses a conversation by
	// [chat.Copy].
	Messages *chat.Messages

	acts driver.Acts
}

// EndSessions ends one login of a user of your application, or all of them if session is "". Its
// sockets and subscriptions close within seconds, on every node. The session is the one that your
// authenticator returned.
func (s *Services) EndSessions(ctx context.Context, u user.ID, session string) error {
	return s.acts.EndSession(ctx, u, session)
}

// Erase erases a user, built-in or of your application, and everything that they wrote: see
// [user.Store]. The id must never be used again.
func (s *Services) Erase(ctx context.Context, u user.ID) error { return s.acts.EraseUser(ctx, u) }

// In returns the services inside a transaction that your application began, with the options of the
// app. Their changes become visible, and their events are delivered, when your application commits,
// and never if it rolls back:
//
//	tx, err := db.SQL().BeginTx(ctx, nil)
//	defer tx.Rollback()
//	_, err = tx.ExecContext(ctx, "INSERT INTO orders …")
//	inTx, err := app.In(tx)
//	_, err = inTx.Chats.Send(ctx, shop, id, chat.Draft{Content: "Your order is on its way."})
//	err = tx.Commit()
//	app.Hub.Hint() // delivers the message now instead of at the hub's next poll
//
// The stores on SQLite and PostgreSQL take a *[database/sql.Tx] of their own database, and
// storage/memory takes its own Tx. In returns an error for any other type, and if the store does
// not support transactions. In itself does not touch the database.
//
// Each operation is atomic. If one fails, the transaction is as it was before that operation, and
// can go on. An operation holds the lock of its conversation until the transaction ends, so keep
// transactions short. Other conversations are not blocked. On SQLite, begin the transaction with a
// write, or with BEGIN IMMEDIATE as storage/sqlite does.
//
// Built-in accounts are read inside the transaction, so a user who registers in it can be messaged
// in it. Your own [user.Directory] is called as usual, outside the transaction.
//
// Like the transaction, the services must be used by one goroutine at a time. They end with the
// transaction.
func (a *App) In(tx any) (*Services, error) {
	store, ok := a.store.(driver.Transactor)
	if !ok {
		return nil, fmt.Errorf("buddychat: the store %T does not support transactions: use storage/sqlite, storage/postgres, "+
			"storage/bunstore or storage/memory, or implement storage/driver.Transactor", a.store)
	}
	acts, err := store.InTx(tx)
	if err != nil {
		return nil, fmt.Errorf("buddychat: %w", err)
	}
	s := a.on(acts)
	return &s, nil
}

// on returns the services on these acts, with the options of the app.
func (a *App) on(acts driver.Acts) Services {
	s := Services{acts: acts, Directory: a.options.Directory}
	if a.users != nil {
		s.Users, s.Tokens = a.users.WithStore(acts), a.tokens.WithStore(acts)
		s.Directory = s.Users
	}
	messages := &a.options.Messages
	s.Messages = chat.NewMessages(acts, messages)
	s.Chats = chat.NewService(acts, s.Directory, messages)
	s.Groups = group.NewService(acts, s.Directory, &group.Options{Messages: *messages, MaxMembers: a.options.MaxGroupMembers})
	s.Notifications = notify.NewService(acts, &notify.Options{MaxPageSize: messages.MaxPageSize})
	return s
}

// buildUsers makes the services of the built-in accounts, unless the options have a Directory.
func (a *App) buildUsers() (err error) {
	if a.options.Directory != nil {
		return nil
	}
	if a.users, err = user.NewService(a.store, &a.options.Users); err != nil {
		return fmt.Errorf("buddychat: %w", err)
	}
	if a.tokens, err = token.NewService(a.store, &a.options.Tokens); err != nil {
		return fmt.Errorf("buddychat: %w", err)
	}
	return nil
}

var errNoStore = errors.New("buddychat: the store is nil: open one with storage/sqlite, storage/postgres or storage/memory")
