package buddychat_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/memory"
)

// closable is a store that counts the purges after it was closed.
type closable struct {
	*memory.Store
	mu     sync.Mutex
	closed bool
	late   int // purges after close
}

func (s *closable) Purge(ctx context.Context, keep time.Duration, limit int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.late++
		return 0, errors.New("the store is closed")
	}
	return s.Store.Purge(ctx, keep, limit)
}

func (s *closable) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func newApp(t testing.TB, store buddychat.Store, o *buddychat.Options) *buddychat.App {
	t.Helper()
	if o == nil {
		o = &buddychat.Options{}
	}
	o.Directory = names{}
	app, err := buddychat.New(store, o)
	require.NoError(t, err)
	return app
}

func TestRunReturnsNilWhenShutdownComesAtAnyTime(t *testing.T) {
	t.Parallel()
	for range 500 {
		store := &closable{Store: memory.New(nil)}
		app := newApp(t, store, nil)
		var both sync.WaitGroup
		var ran, shut error
		both.Go(func() { ran = app.Run(t.Context()) })
		both.Go(func() {
			shut = app.Shutdown(t.Context())
			store.close()
		})
		both.Wait()
		require.NoError(t, ran)
		require.NoError(t, shut)
		require.Zero(t, store.late, "Run must not use the store after Shutdown has returned")
	}
}

func TestRunAfterShutdownDoesNothing(t *testing.T) {
	t.Parallel()
	store := &closable{Store: memory.New(nil)}
	app := newApp(t, store, nil)
	require.NoError(t, app.Shutdown(t.Context()))
	store.close()
	require.NoError(t, app.Run(t.Context()))
	require.NoError(t, app.Run(t.Context()))
	require.NoError(t, app.Shutdown(t.Context()))
	require.Zero(t, store.late)
	_, err := app.Hub.Position(t.Context())
	require.ErrorIs(t, err, realtime.ErrClosed)
}

func TestAnAppRunsOnlyOnce(t *testing.T) {
	t.Parallel()
	app := newApp(t, memory.New(nil), nil)
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- app.Run(ctx) }()
	_, err := app.Hub.Position(t.Context()) // it runs
	require.NoError(t, err)
	require.ErrorContains(t, app.Run(t.Context()), "already running")
	_, err = app.Hub.Position(t.Context())
	require.NoError(t, err, "the second Run has no effect on the first")

	var several sync.WaitGroup
	cancel()
	for range 3 {
		several.Go(func() { require.NoError(t, app.Shutdown(t.Context())) })
	}
	several.Wait()
	require.NoError(t, <-ran)
	require.ErrorIs(t, app.Run(t.Context()), realtime.ErrClosed)
	require.NoError(t, app.Shutdown(t.Context()))
}

func TestShutdownStopsWaitingWhenItsContextEnds(t *testing.T) {
	t.Parallel()
	store := &stuck{Store: memory.New(nil), entered: make(chan struct{}), free: make(chan struct{})}
	app := newApp(t, store, nil)
	ran := make(chan error, 1)
	go func() { ran <- app.Run(context.Background()) }()
	<-store.entered
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, app.Shutdown(ctx), context.Canceled)
	close(store.free)
	require.NoError(t, app.Shutdown(t.Context()))
	require.NoError(t, <-ran)
}

// stuck is a store whose purges block until free is closed.
type stuck struct {
	*memory.Store
	entered, free chan struct{}
	once          sync.Once
}

func (s *stuck) Purge(context.Context, time.Duration, int) (int, error) {
	s.once.Do(func() { close(s.entered) })
	<-s.free
	return 0, nil
}

func TestTheHubSaysToCallRunIfItWasNotCalled(t *testing.T) {
	t.Parallel()
	app := newApp(t, memory.New(nil), nil)
	began := time.Now()
	_, err := app.Hub.Position(t.Context())
	require.ErrorIs(t, err, realtime.ErrNotRunning)
	require.ErrorContains(t, err, "call App.Run")
	_, err = app.Hub.Subscribe(t.Context(), "ada", "")
	require.ErrorIs(t, err, realtime.ErrNotRunning)
	require.Less(t, time.Since(began), 5*time.Second)
}
