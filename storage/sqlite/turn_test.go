package sqlite

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTurnsComeInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := make(turn, 1)
		require.NoError(t, turns.take(t.Context()))
		order := make(chan int, 3)
		for i := range 3 {
			go func() {
				if turns.take(t.Context()) == nil {
					order <- i
					turns.give()
				}
			}()
			synctest.Wait()
		}
		turns.give()
		for i := range 3 {
			require.Equal(t, i, <-order)
		}
	})
}

func TestWaitingForATurnHasATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		turns := make(turn, 1)
		require.NoError(t, turns.take(t.Context()))

		began := time.Now()
		require.ErrorContains(t, turns.take(t.Context()), "bind it with In")
		require.Equal(t, busyTimeout, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, turns.take(ctx), context.DeadlineExceeded)

		turns.give()
		require.NoError(t, turns.take(t.Context()), "a waiter that gave up must not get a turn")
	})
}
