package graphqlapi

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// slowLister answers when the test allows it, and counts concurrent calls.
type slowLister struct {
	hostDirectory
	let            chan struct{}
	running, asked *atomic.Int32
}

func (l slowLister) ListUsers(ctx context.Context, _ user.Filter, _ storage.Range) ([]user.User, error) {
	l.asked.Add(1)
	l.running.Add(1)
	defer l.running.Add(-1)
	select {
	case <-l.let:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (slowLister) CountUsers(context.Context, user.Filter) (int, error) { return 0, nil }

func TestConcurrentSearchesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lister := slowLister{let: make(chan struct{}), running: &atomic.Int32{}, asked: &atomic.Int32{}}
		w := newWorldOn(t, memory.New(nil), lister)
		const callers, most = 9, 3
		r := &resolver{app: w.app, searches: newSearches(most)}
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, callers)
		search := "ada"
		for range callers {
			go func() {
				_, err := (&queries{r}).Users(ctx, usersArgs{Search: &search})
				results <- err
			}()
		}
		for range callers - most {
			synctest.Wait()
			require.EqualValues(t, most, lister.running.Load())
			lister.let <- struct{}{}
			require.NoError(t, <-results)
		}
		synctest.Wait()
		require.EqualValues(t, callers, lister.asked.Load())

		go func() {
			_, err := (&queries{r}).Users(ctx, usersArgs{Search: &search})
			results <- err
		}()
		other := make(chan error)
		go func() {
			_, err := (&queries{r}).Users(ctx, usersArgs{})
			other <- err
		}()
		synctest.Wait()
		require.EqualValues(t, most+1, lister.running.Load(), "a list without a search does not wait")
		cancel()
		throttled := 0
		for range most + 1 {
			if errors.Is(<-results, errSearches) {
				throttled++
			}
		}
		require.Equal(t, 1, throttled, "waiting searches get no INTERNAL error")
		require.Error(t, <-other)
	})
}
