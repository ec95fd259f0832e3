package throttle

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGaugeBoundsEachKey(t *testing.T) {
	t.Parallel()
	g := NewGauge(2)
	require.True(t, g.Acquire("ann"))
	require.True(t, g.Acquire("ann"))
	require.False(t, g.Acquire("ann"))
	require.True(t, g.Acquire("bob"))
	require.Equal(t, 2, g.Held("ann"), "a refusal does not count")

	g.Release("ann")
	require.True(t, g.Acquire("ann"))
}

func TestGaugeForgetsKeysThatHoldNothing(t *testing.T) {
	t.Parallel()
	g := NewGauge(1)
	require.True(t, g.Acquire("ann"))
	g.Release("ann")
	g.Release("ann")
	g.Release("bob")
	require.Empty(t, g.held)
	require.True(t, g.Acquire("ann"))
	require.False(t, g.Acquire("ann"), "surplus releases do not raise the bound")
}

func TestNewGaugeWithoutABoundIsNil(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, -1} {
		g := NewGauge(most)
		require.Nil(t, g)
		require.True(t, g.Acquire("ann"))
		require.Zero(t, g.Held("ann"))
		g.Release("ann")
	}
}

func TestConcurrentHoldersStayWithinTheBound(t *testing.T) {
	t.Parallel()
	g := NewGauge(5)
	var holding, most atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 200 {
				if !g.Acquire("ann") {
					continue
				}
				now := holding.Add(1)
				for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
				}
				holding.Add(-1)
				g.Release("ann")
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, most.Load(), int64(5))
	require.Positive(t, most.Load())
	require.Empty(t, g.held)
}
