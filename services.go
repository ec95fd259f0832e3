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

// Services are what users do: those of an [App] on its store, and those of [App.In] inside a transaction.
type Services struct {
	// Users and Tokens are the built-in users; nil where the host has its own.
	Users  *user.Service
	Tokens *token.Service
	// Directory says how users are shown, whoever keeps them.
	Directory user.Directory

	Chats         *chat.Service
	Groups        *group.Service
	Notifications *notify.Service
	// Messages is what chats and groups share, by [chat.Copy].
	Messages *chat.Messages

	acts driver.Acts
}

// EndSessions ends a login of a host's own user, or with session "" all of them: what hangs on it (sockets, subscriptions) ends
// within seconds, on every node. The session is the one that the host's authenticator named.
func (s *Services) EndSessions(ctx context.Context, u user.ID, session string) error {
	return s.acts.EndSession(ctx, u, session)
}

// Erase erases a user, a host's or a built-in one, with everything that they wrote: see [user.Store]. The id must not be used again.
func (s *Services) Erase(ctx context.Context, u user.ID) error { return s.acts.EraseUser(ctx, u) }

// In returns the services inside a transaction that the application began, with the same options as the
// app's own. What they do becomes visible, and its events are delivered, when and only when the application
// commits:
//
//	tx, err := db.SQL().BeginTx(ctx, nil)
//	defer tx.Rollback()
//	_, err = tx.ExecContext(ctx, "INSERT INTO orders …")
//	inTx, err := app.In(tx)
//	_, err = inTx.Chats.Send(ctx, shop, id, chat.Draft{Content: "Your order is on its way."})
//	err = tx.Commit()
//	app.Hub.Hint() // the message is delivered at once, and not with the hub's next poll
//
// The stores on SQLite and PostgreSQL take a *[database/sql.Tx] of the database that they are on, and
// storage/memory takes its own Tx. In returns an error for anything else, and where the store cannot act in
// a transaction. It does not touch the database.
//
// Each act is all or nothing: one that fails leaves the transaction as it was before it. An act holds the lock
// of its conversation until the transaction ends, so keep transactions short; other conversations go on. On
// SQLite begin the transaction with a write, or with BEGIN IMMEDIATE as storage/sqlite does.
//
// Built-in users are looked up inside the transaction too, so that one who registers in it can be written to
// in it. A host's own [user.Directory] is asked as ever, outside of it.
//
// The services are for one goroutine at a time, as the transaction is, and end with it.
func (a *App) In(tx any) (*Services, error) {
	store, ok := a.store.(driver.Transactor)
	if !ok {
		return nil, fmt.Errorf("buddychat: the store %T cannot act in a transaction: use one of storage/sqlite, storage/postgres, "+
			"storage/bunstore or storage/memory, or implement storage/driver.Transactor", a.store)
	}
	acts, err := store.InTx(tx)
	if err != nil {
		return nil, fmt.Errorf("buddychat: %w", err)
	}
	s := a.on(acts)
	return &s, nil
}

// on returns the services on these acts, with the app's options.
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

// buildUsers makes the built-in users, where the host has none of its own.
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

var errNoStore = errors.New("buddychat: a store is required: see the packages storage/sqlite, storage/postgres and storage/memory")
