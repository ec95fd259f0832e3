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
	// DefaultRetention is for how far back events can be resumed.
	DefaultRetention = 72 * time.Hour
	// DefaultUpkeepInterval is how often the store is purged.
	DefaultUpkeepInterval = 20 * time.Second

	upkeepBatch = 500

	// checkTimeout is how long New waits for the database.
	checkTimeout = 10 * time.Second
)

// Options has what can be set. Each zero value means what its comment says.
type Options struct {
	// Directory says who the host's own users are. Nil: the users are the built-in ones, and Tokens.Keys is required.
	Directory user.Directory
	// UserIDs says which ids the host's own users can have: [user.NumericIDs], [user.UUIDs], or a function of your own. The directory is
	// asked for no other, so that an id which a client made up is NOT_FOUND and not an error of your database. Nil: ids may have any form.
	UserIDs func(user.ID) bool
	// Users sets up the built-in users.
	Users user.Options
	// Tokens sets up what the built-in users log in with.
	Tokens token.Options
	// Messages bounds messages and pages.
	Messages chat.Options
	// MaxGroupMembers is the most members of a group; 0 is [group.MaxMembers].
	MaxGroupMembers int
	// Realtime sets up the delivery of events. Where it names no Bus, and the store has one, as storage/postgres has, that is used.
	Realtime realtime.Options
	// Retention is for how far back events can be resumed; 0 is [DefaultRetention].
	Retention time.Duration
	// UpkeepInterval is how often the store is purged, on each node; 0 is [DefaultUpkeepInterval].
	UpkeepInterval time.Duration
	// Logger gets what an operator should know, also from the built-in users, the hub and the API, unless they have another;
	// nil is silence. No content, token, password or email is ever logged.
	Logger *slog.Logger
}

// App is the services of one application, wired, and what delivers their events. It is safe for concurrent use.
type App struct {
	Services
	// Hub delivers events, while [App.Run] runs.
	Hub *realtime.Hub

	store   Store
	options Options
	users   *user.Service  // nil where the host has its own
	tokens  *token.Service // likewise

	mu   sync.Mutex
	shut bool               // Shutdown was called
	stop context.CancelFunc // of Run; nil before it
	done chan struct{}      // closed when Run has returned
}

// Logger returns the logger of [Options], which is silent where there is none. Handlers on top of the app, such as that of
// [github.com/buddychat/buddychat/graphqlapi], log there unless they are given another.
func (a *App) Logger() *slog.Logger { return a.options.Logger }

// New returns the services on a store. It starts nothing: see [App.Run].
//
// Make the tables before: where they are missing or of an earlier version, New returns an error that says what to run. It asks
// the database once for that, and waits ten seconds at most.
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
	following := a.options.Realtime
	if following.Logger == nil {
		following.Logger = a.options.Logger
	}
	if own, ok := store.(interface{ Bus() realtime.Bus }); ok && following.Bus == nil {
		following.Bus = own.Bus()
	}
	a.Hub = realtime.NewHub(store, &following)
	return a, nil
}

// Check returns an error where the store is not ready to be used: its tables are missing, are of an earlier version, or cannot be
// read. It is nil for a store that cannot tell: see [driver.Checker]. It may be called at any time.
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

// withDefaults returns a copy of o without zero values that App itself needs.
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

// Run delivers events and keeps the store in order until ctx ends or [App.Shutdown] is called, and then returns nil. A store
// that is away is waited for.
//
// Run and Shutdown may come in any order, from any goroutine. A Run that comes after Shutdown does
// nothing and returns nil. An app runs once: a second Run returns an error.
//
// While nothing runs, [App.Hub] answers [realtime.ErrNotRunning], and the GraphQL API answers INTERNAL to
// eventCursor and to subscriptions.
func (a *App) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	switch begun, err := a.begin(cancel); {
	case err != nil:
		return err
	case !begun:
		return nil
	}
	defer close(a.done)

	var upkeep sync.WaitGroup
	upkeep.Go(func() { a.keepUp(ctx) })
	err := a.Hub.Run(ctx)
	cancel()
	upkeep.Wait()
	return err
}

func (a *App) begin(cancel context.CancelFunc) (begun bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.stop != nil:
		select {
		case <-a.done:
			return false, fmt.Errorf("buddychat: the app ran already, and runs once: make another with New: %w", realtime.ErrClosed)
		default:
			return false, errors.New("buddychat: the app runs already: call Run once")
		}
	case a.shut:
		return false, nil
	}
	a.stop, a.done = cancel, make(chan struct{})
	return true, nil
}

// Shutdown ends Run, and with it every subscription, and waits until Run has returned or ctx ends, whose
// error it returns then. It may be called at any time: before Run, during it, after it, and again.
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

// keepUp purges the store, batch by batch, again and again.
func (a *App) keepUp(ctx context.Context) {
	tick := time.NewTicker(a.options.UpkeepInterval)
	defer tick.Stop()
	for {
		if err := a.purge(ctx); err != nil && ctx.Err() == nil {
			a.options.Logger.ErrorContext(ctx, "upkeep failed, and is tried again", "error", err, "after", a.options.UpkeepInterval)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (a *App) purge(ctx context.Context) error {
	for ctx.Err() == nil {
		n, err := a.store.Purge(ctx, a.options.Retention, upkeepBatch)
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}
