package throttle

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAGaugeAllowsEachKeySoMany(t *testing.T) {
	t.Parallel()
	g := NewGauge(2)
	require.True(t, g.Acquire("ann"))
	require.True(t, g.Acquire("ann"))
	require.False(t, g.Acquire("ann"))
	require.True(t, g.Acquire("bob"))
	require.Equal(t, 2, g.Held("ann"), "what was refused is not held")

	g.Release("ann")
	require.True(t, g.Acquire("ann"))
}

func TestAGaugeRemembersOnlyWhoHoldsSomething(t *testing.T) {
	t.Parallel()
	g := NewGauge(1)
	require.True(t, g.Acquire("ann"))
	g.Release("ann")
	g.Release("ann")
	g.Release("bob")
	require.Empty(t, g.held)
	require.True(t, g.Acquire("ann"))
	require.False(t, g.Acquire("ann"), "to release too often gives nothing")
}

func TestWithoutABoundThereIsNoGauge(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, -1} {
		g := NewGauge(most)
		require.Nil(t, g)
		require.True(t, g.Acquire("ann"))
		require.Zero(t, g.Held("ann"))
		g.Release("ann")
	}
}

func TestManyAtOnceHoldNoMoreThanTheBound(t *testing.T) {
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
