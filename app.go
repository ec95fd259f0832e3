package buddychat

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/driver"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// The defaults of [Options].
const (
	// DefaultRetention is how far back a client can resume events.
	DefaultRetention = 72 * time.Hour
	// DefaultUpkeepInterval is how often [App.Run] purges the store.
	DefaultUpkeepInterval = 20 * time.Second

	upkeepBatch = 500

	// checkTimeout is how long New waits for the database.
	checkTimeout = 10 * time.Second
)

// Options configures an [App]. The zero value of each field means what its comment says.
type Options struct {
	// Directory looks up the users of your application. If nil, the app uses the built-in accounts,
	// and Tokens.Keys is required.
	Directory user.Directory
	// UserIDs reports whether your application could have issued an id: [user.NumericIDs],
	// [user.UUIDs], or a function of your own. Other ids never reach Directory, so an id that a
	// client made up is NOT_FOUND instead of an error of your database. If nil, ids may have any
	// form.
	UserIDs func(user.ID) bool
	// Users configures the built-in accounts.
	Users user.Options
	// Tokens configures the tokens that built-in accounts log in with.
	Tokens token.Options
	// Messages limits the length of messages and the size of pages.
	Messages chat.Options
	// MaxGroupMembers is the maximum number of members of a group; 0 means [group.MaxMembers].
	MaxGroupMembers int
	// Realtime configures event delivery. If it has no Bus, New uses the store's own, if there is
	// one: storage/postgres has one.
	Realtime realtime.Options
	// Retention is how far back a client can resume events; 0 means [DefaultRetention].
	Retention time.Duration
	// UpkeepInterval is how often each node purges the store; 0 means [DefaultUpkeepInterval].
	UpkeepInterval time.Duration
	// Logger gets what an operator should know. The built-in accounts, the hub and the API use it
	// too, unless they have a logger of their own. If nil, nothing is logged. Content, tokens,
	// passwords and emails are never logged.
	Logger *slog.Logger
}

// App holds the services of one application and delivers their events. It is safe for concurrent
// use.
type App struct {
	Services
	// Hub delivers events while [App.Run] runs.
	Hub *realtime.Hub

	store   Store
	options Options
	// The built-in accounts. Both are nil if Options has a Directory.
	users  *user.Service
	tokens *token.Service

	mu   sync.Mutex
	shut bool               // Shutdown was called
	stop context.CancelFunc // ends Run; nil until Run is called
	done chan struct{}      // closed when Run has returned
}

// Logger returns the logger of [Options], or a silent one if there is none. Handlers that serve the
// app, such as [github.com/buddychat/buddychat/graphqlapi], log there unless they have a logger of
// their own.
func (a *App) Logger() *slog.Logger { return a.options.Logger }

// New returns an app on a store. It starts no goroutine: call [App.Run].
//
// The tables must exist. If they are missing or of an earlier version, New returns an error that
// says what to run. To check this, New queries the database once and waits for at most
// ten seconds.
func New(store Store, o *Options) (*App, error) {
	if store == nil {
		return nil, errNoStore
	}
	a := &App{store: store, options: o.withDefaults()}
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	if err := a.Check(ctx); err != nil {
		return nil, err
	}
	if err := a.buildUsers(); err != nil {
		return nil, err
	}
	a.Services = a.on(store)
	hub := a.options.Realtime
	if hub.Logger == nil {
		hub.Logger = a.options.Logger
	}
	if own, ok := store.(interface{ Bus() realtime.Bus }); ok && hub.Bus == nil {
		hub.Bus = own.Bus()
	}
	a.Hub = realtime.NewHub(store, &hub)
	return a, nil
}

// Check returns an error if the store is not ready for use: its tables are missing, of an earlier
// version, or unreadable. It returns nil for a store that is no [driver.Checker]. It may be called
// at any time.
func (a *App) Check(ctx context.Context) error {
	store, ok := a.store.(driver.Checker)
	if !ok {
		return nil
	}
	if err := store.Check(ctx); err != nil {
		return fmt.Errorf("buddychat: %w", err)
	}
	return nil
}

// withDefaults returns a copy of o in which every option that App itself reads has a value.
func (o *Options) withDefaults() Options {
	var d Options
	if o != nil {
		d = *o
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Directory != nil && d.UserIDs != nil {
		d.Directory = user.Only(d.Directory, d.UserIDs)
	}
	if d.Users.Logger == nil {
		d.Users.Logger = d.Logger
	}
	if d.Retention <= 0 {
		d.Retention = DefaultRetention
	}
	if d.UpkeepInterval <= 0 {
		d.UpkeepInterval = DefaultUpkeepInterval
	}
	return d
}

// Run delivers events and purges the store until ctx ends or [App.Shutdown] is called. It then
// returns nil. While the database cannot be reached, Run retries.
//
// Run and Shutdown may be called in any order, from any goroutine. Run does nothing and returns nil
// if Shutdown was called before it. An app runs once: a second Run returns an error.
//
// Unless Run is running, [App.Hub] returns [realtime.ErrNotRunning], and the GraphQL API answers
// INTERNAL to eventCursor and to subscriptions.
func (a *App) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	switch started, err := a.start(cancel); {
	case err != nil:
		return err
	case !started:
		return nil
	}
	defer close(a.done)

	var upkeep sync.WaitGroup
	upkeep.Go(func() { a.purgeLoop(ctx) })
	err := a.Hub.Run(ctx)
	cancel()
	upkeep.Wait()
	return err
}

// start claims the only run of the app. It returns false if Shutdown was called before.
func (a *App) start(cancel context.CancelFunc) (started bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stop != nil:
		select {
		case <-a.done:
			return false, fmt.Errorf("buddychat: Run was called before, and an app runs once: make another app with New: %w", realtime.ErrClosed)
		default:
			return false, errors.New("buddychat: the app is already running: call Run once")
		}
	case a.shut:
		return false, nil
	}
	a.stop, a.done = cancel, make(chan struct{})
	return true, nil
}

// Shutdown ends Run and every subscription. It returns nil when Run has returned, or the error of
// ctx if that ends first. It may be called at any time, before, during and after Run, and
// repeatedly.
func (a *App) Shutdown(ctx context.Context) error {
	a.mu.Lock()
	a.shut = true
	stop, done := a.stop, a.done
	a.mu.Unlock()
	if stop == nil {
		return a.Hub.Shutdown(ctx)
	}
	stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// purgeLoop purges the store when it starts and then once every UpkeepInterval, until ctx ends.
func (a *App) purgeLoop(ctx context.Context) {
	tick := time.NewTicker(a.options.UpkeepInterval)
	defer tick.Stop()
	for {
		if err := a.purge(ctx); err != nil && ctx.Err() == nil {
			a.options.Logger.ErrorContext(ctx, "purging the store failed; it is retried", "error", err, "after", a.options.UpkeepInterval)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// purge runs batches until nothing is left to purge.
func (a *App) purge(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := a.store.Purge(ctx, a.options.Retention, upkeepBatch)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}
