package buddychat_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/notify"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// transaction is a transaction of the application, on any store.
type transaction interface {
	Commit() error
	Rollback() error
}

// transactional is a store, with a function that begins a transaction on its database.
type transactional struct {
	buddychat.Store
	begin func() transaction
}

func onSQL(t *testing.T, store buddychat.Store, db *sql.DB) transactional {
	return transactional{store, func() transaction {
		tx, err := db.BeginTx(context.Background(), nil)
		require.NoError(t, err)
		return tx
	}}
}

// onStores runs a test on every store.
func onStores(t *testing.T, test func(t *testing.T, s transactional)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		store := memory.New(nil)
		test(t, transactional{store, func() transaction { return store.Begin() }})
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		db, err := sqlite.Open(t.Context(), ":memory:", &sqlite.Options{Migrate: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		test(t, onSQL(t, db, db.SQL()))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		db, err := postgres.Open(t.Context(), pgtest.URL(t), &postgres.Options{Migrate: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		test(t, onSQL(t, db, db.SQL()))
	})
}

// in begins a transaction and returns it with the app's services in it.
func in(t *testing.T, app *buddychat.App, s transactional) (transaction, *buddychat.Services) {
	t.Helper()
	tx := s.begin()
	t.Cleanup(func() { _ = tx.Rollback() })
	services, err := app.In(tx)
	require.NoError(t, err)
	return tx, services
}

// newAppOn returns an app on the store of s, as an application would make it.
func newAppOn(t *testing.T, s transactional, o *buddychat.Options) *buddychat.App {
	t.Helper()
	app, err := buddychat.New(s.Store, o)
	require.NoError(t, err)
	return app
}

func builtIn() *buddychat.Options {
	return &buddychat.Options{
		Users:  user.Options{Hash: user.HashParams{Memory: 8, Iterations: 1, Parallelism: 1}, MinPassword: 20},
		Tokens: token.Options{Keys: []token.Key{{ID: "test", Secret: bytes.Repeat([]byte{7}, 32)}}, Issuer: "the app"},
	}
}

func registration(name, password string) user.Registration {
	return user.Registration{
		Username: name, Email: name + "@example.com", Password: password, FirstName: "Given", LastName: "Family",
		Phone: user.Phone{Number: fmt.Sprintf("1%010d", len(name)), CountryCode: "49"},
	}
}

func TestServicesInATransactionUseTheOptionsOfTheApp(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, s transactional) {
		ctx := t.Context()
		app := newAppOn(t, s, &buddychat.Options{
			Directory: anyUser{}, Messages: chat.Options{MaxContentLength: 5, MaxPageSize: 2}, MaxGroupMembers: 2,
		})
		tx, services := in(t, app, s)
		mine, _, err := services.Chats.Open(ctx, "ada", "grace")
		require.NoError(t, err)
		_, err = services.Chats.Send(ctx, "ada", mine.ID, chat.Draft{Content: "123456"})
		require.ErrorIs(t, err, storage.ErrInvalid)
		_, err = services.Messages.Send(ctx, mine.Copy(), chat.Draft{Content: "123456"})
		require.ErrorIs(t, err, storage.ErrInvalid)
		_, err = services.Chats.Send(ctx, "ada", mine.ID, chat.Draft{Content: "12345"})
		require.NoError(t, err)

		_, own, err := services.Groups.Create(ctx, "ada", group.Draft{Title: "Group"})
		require.NoError(t, err)
		_, err = services.Groups.Send(ctx, "ada", own.ID, chat.Draft{Content: "123456"})
		require.ErrorIs(t, err, storage.ErrInvalid)
		_, err = services.Groups.Add(ctx, "ada", own.ID, "grace")
		require.NoError(t, err)
		_, err = services.Groups.Add(ctx, "ada", own.ID, "alan")
		require.ErrorIs(t, err, storage.ErrConflict)

		for name, list := range map[string]func(p storage.Page) error{
			"chats":         func(p storage.Page) error { _, err := services.Chats.List(ctx, "ada", chat.Filter{}, p); return err },
			"groups":        func(p storage.Page) error { _, err := services.Groups.List(ctx, "ada", group.Filter{}, p); return err },
			"messages":      func(p storage.Page) error { _, err := services.Messages.List(ctx, mine.Copy(), p); return err },
			"notifications": func(p storage.Page) error { return pageOfNotifications(ctx, services, p) },
		} {
			require.NoError(t, list(storage.First(2)), name)
			require.ErrorIs(t, list(storage.First(3)), storage.ErrInvalid, name)
		}
		require.Nil(t, services.Users)
		require.Nil(t, services.Tokens)
		require.NoError(t, tx.Commit())
	})
}

func TestBuiltInAccountsInATransactionUseTheOptionsOfTheApp(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, s transactional) {
		ctx := t.Context()
		app := newAppOn(t, s, builtIn())
		tx, services := in(t, app, s)
		_, _, err := services.Users.Register(ctx, registration("adalovelace", "nineteen-characters"))
		require.ErrorIs(t, err, storage.ErrInvalid)
		ada, _, err := services.Users.Register(ctx, registration("adalovelace", "a-password-of-some-length"))
		require.NoError(t, err)
		grace, _, err := services.Users.Register(ctx, registration("gracehopper1", "another-password-like-it"))
		require.NoError(t, err)

		mine, _, err := services.Chats.Open(ctx, grace.ID, ada.ID)
		require.NoError(t, err, "a user who registered in the transaction can be messaged in it")
		_, err = services.Chats.Send(ctx, grace.ID, mine.ID, chat.Draft{Content: "Welcome!"})
		require.NoError(t, err)
		pair, err := services.Tokens.Login(ctx, ada)
		require.NoError(t, err)

		_, err = app.Users.Authenticate(ctx, "adalovelace", "a-password-of-some-length")
		require.ErrorIs(t, err, storage.ErrUnauthenticated, "the user is not visible outside the transaction yet")
		require.NoError(t, tx.Commit())
		_, err = app.Users.Authenticate(ctx, "adalovelace", "a-password-of-some-length")
		require.NoError(t, err)
		claims, err := app.Tokens.Verify(ctx, pair.Access)
		require.NoError(t, err, "the token must use the keys and issuer of the app")
		require.Equal(t, ada.ID, claims.UserID)
	})
}

func pageOfNotifications(ctx context.Context, s *buddychat.Services, p storage.Page) error {
	_, err := s.Notifications.List(ctx, "grace", notify.Filter{}, p)
	return err
}

func TestEventsOfATransactionAreDeliveredOnlyIfItCommits(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, s transactional) {
		ctx, cancel := context.WithCancel(t.Context())
		app := newAppOn(t, s, &buddychat.Options{Directory: anyUser{}})
		ran := make(chan error, 1)
		go func() { ran <- app.Run(ctx) }()
		events, err := app.Hub.Subscribe(ctx, "grace", "")
		require.NoError(t, err)
		defer func() {
			events.Close()
			cancel()
			require.NoError(t, <-ran)
		}()

		for _, text := range []string{"undone", "done"} {
			tx, services := in(t, app, s)
			mine, _, err := services.Chats.Open(ctx, "ada", "grace")
			require.NoError(t, err)
			_, err = services.Chats.Send(ctx, "ada", mine.ID, chat.Draft{Content: text})
			require.NoError(t, err)
			n, err := app.Chats.Count(ctx, "grace", chat.Filter{})
			require.NoError(t, err)
			require.Zero(t, n, "the chat is not visible outside the transaction yet")
			if text == "undone" {
				require.NoError(t, tx.Rollback())
			} else {
				require.NoError(t, tx.Commit())
			}
			_, err = services.Chats.Send(ctx, "ada", mine.ID, chat.Draft{Content: "too late"})
			require.Error(t, err, "the services end with the transaction")
		}
		app.Hub.Hint()
		for e, err := range events.Events(ctx) {
			require.NoError(t, err)
			if e.Operation == realtime.ChatMessageCreated {
				require.Equal(t, "done", e.Message.Content)
				break
			}
		}
	})
}

func TestRollbackUndoesAnErasure(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, s transactional) {
		ctx := t.Context()
		app := newAppOn(t, s, builtIn())
		ada, _, err := app.Users.Register(ctx, registration("adalovelace", "a-password-of-some-length"))
		require.NoError(t, err)
		pair, err := app.Tokens.Login(ctx, ada)
		require.NoError(t, err)

		tx, services := in(t, app, s)
		require.NoError(t, services.EndSessions(ctx, ada.ID, pair.Claims.Session))
		require.NoError(t, services.Erase(ctx, ada.ID))
		require.NoError(t, tx.Rollback())
		_, err = app.Tokens.Verify(ctx, pair.Access)
		require.NoError(t, err)

		tx, services = in(t, app, s)
		require.NoError(t, services.Erase(ctx, ada.ID))
		require.NoError(t, tx.Commit())
		_, err = app.Tokens.Verify(ctx, pair.Access)
		require.ErrorIs(t, err, storage.ErrUnauthenticated)
	})
}

// plain is a store without any optional interface.
type plain struct{ buddychat.Store }

func TestInRefusesWhatIsNoTransactionOfTheStore(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), ":memory:", &sqlite.Options{Migrate: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	other := memory.New(nil).Begin()
	t.Cleanup(func() { require.NoError(t, other.Rollback()) })
	for name, tc := range map[string]struct {
		store buddychat.Store
		tx    any
		want  string
	}{
		"a database":                   {db, db.SQL(), "a *sql.DB is not a transaction of this store: call BeginTx"},
		"nothing":                      {db, nil, "call BeginTx"},
		"a nil transaction":            {db, (*sql.Tx)(nil), "call BeginTx"},
		"another store's":              {db, other, "a *memory.Tx is not a transaction of this store"},
		"another store's, in memory":   {memory.New(nil), other, "the transaction is of another store"},
		"nothing, in memory":           {memory.New(nil), nil, "begin one with Store.Begin"},
		"a nil transaction in memory":  {memory.New(nil), (*memory.Tx)(nil), "begin one with Store.Begin"},
		"a store without transactions": {plain{db}, nil, "implement storage/driver.Transactor"},
	} {
		t.Run(name, func(t *testing.T) {
			app, err := buddychat.New(tc.store, &buddychat.Options{Directory: anyUser{}})
			require.NoError(t, err)
			services, err := app.In(tc.tx)
			require.ErrorContains(t, err, tc.want)
			require.Nil(t, services)
		})
	}
}
