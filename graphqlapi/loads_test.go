package graphqlapi

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestReadsOfOneClientDoNotDelayAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLoads()
		const each = maxLoadedAtOnce / 8
		ctx, cancel := context.WithCancel(t.Context())
		flood := make(chan error, 1000)
		for range cap(flood) {
			go func() {
				leave, err := l.enter(ctx, "flood", each)
				if err == nil {
					<-ctx.Done()
					leave()
				}
				flood <- err
			}()
		}
		synctest.Wait()
		for range 8 {
			leave, err := l.enter(t.Context(), "other", each)
			require.NoError(t, err)
			defer leave()
		}

		bounded, stop := context.WithCancel(t.Context())
		third := make(chan error)
		go func() {
			_, err := l.enter(bounded, "third", each)
			third <- err
		}()
		synctest.Wait()
		require.Empty(t, third, "all clients together are bounded as well")
		stop()
		require.ErrorIs(t, <-third, context.Canceled)

		cancel()
		refused := 0
		for range cap(flood) {
			if <-flood != nil {
				refused++
			}
		}
		require.Equal(t, cap(flood)-8, refused)
		require.Len(t, l.byClient, 1, "clients without reads are forgotten")
	})
}
