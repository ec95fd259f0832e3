package bunstore

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// controlledQueues is a groupCommit whose batches the test ends one by one.
type controlledQueues struct {
	groupCommit
	begun chan []*pendingSend // each batch when serving begins
	serve chan struct{}       // ends a batch
	ended chan error          // what do returned to each caller
}

func newControlledQueues() *controlledQueues {
	return &controlledQueues{begun: make(chan []*pendingSend), serve: make(chan struct{}), ended: make(chan error, 2*maxBatch)}
}

// enter starts a caller in the queue and returns when it blocks.
func (s *controlledQueues) enter(ctx context.Context, queue int64) *pendingSend {
	p := &pendingSend{}
	go func() {
		s.ended <- s.do(ctx, queue, p, func(ctx context.Context, batch []*pendingSend) {
			s.begun <- batch
			select {
			case <-s.serve:
			case <-ctx.Done():
			}
			for _, p := range batch {
				p.err = ctx.Err()
			}
		})
	}()
	synctest.Wait()
	return p
}

func TestCallersThatArriveWhileABatchIsServedFormTheNextBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newControlledQueues()
		first := s.enter(t.Context(), 1)
		require.Equal(t, []*pendingSend{first}, <-s.begun, "a caller that finds the queue idle is served at once")
		var later []*pendingSend
		for range maxBatch + 1 {
			later = append(later, s.enter(t.Context(), 1))
		}
		elsewhere := s.enter(t.Context(), 2)
		require.Equal(t, []*pendingSend{elsewhere}, <-s.begun, "queues do not wait for each other")

		s.serve <- struct{}{}
		s.serve <- struct{}{}
		require.Equal(t, later[:maxBatch], <-s.begun, "in order of arrival, up to the limit")
		s.serve <- struct{}{}
		require.Equal(t, later[maxBatch:], <-s.begun)
		s.serve <- struct{}{}
		for range maxBatch + 3 {
			require.NoError(t, <-s.ended)
		}
		synctest.Wait()
		require.Empty(t, s.waiting, "a queue without callers is removed")
	})
}

func TestACallerThatLeavesBlocksNoOtherCallerAndCancelsNoBatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newControlledQueues()
		s.enter(t.Context(), 1)
		<-s.begun

		impatient, leave := context.WithCancel(t.Context())
		s.enter(impatient, 1)
		stays := s.enter(t.Context(), 1)
		leave()
		require.ErrorIs(t, <-s.ended, context.Canceled, "before the batch began")
		s.serve <- struct{}{}
		require.NoError(t, <-s.ended)
		require.Equal(t, []*pendingSend{stays}, <-s.begun, "the canceled caller is in no batch")

		impatient, leave = context.WithCancel(t.Context())
		s.enter(impatient, 1)
		stays2 := s.enter(t.Context(), 1)
		s.serve <- struct{}{}
		require.NoError(t, <-s.ended)
		require.Len(t, <-s.begun, 2)
		leave()
		require.ErrorIs(t, <-s.ended, context.Canceled, "while the batch is served")
		s.serve <- struct{}{}
		require.NoError(t, <-s.ended)
		require.NoError(t, stays2.err, "the batch went on for the other caller")
	})
}

func TestABatchWithoutWaitingCallersIsCanceledBeforeTheLastCallerReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newControlledQueues()
		s.enter(t.Context(), 1)
		<-s.begun
		impatient, leave := context.WithCancel(t.Context())
		waiting := []*pendingSend{s.enter(impatient, 1), s.enter(impatient, 1)}
		s.serve <- struct{}{}
		require.NoError(t, <-s.ended)
		require.Equal(t, waiting, <-s.begun)
		leave()
		got := []error{<-s.ended, <-s.ended}
		require.Contains(t, got, context.Canceled)
		require.Contains(t, got, nil, "the last caller gets the result of the batch")
		for _, p := range waiting {
			require.ErrorIs(t, p.err, context.Canceled)
		}

		require.ErrorIs(t, s.do(impatient, 1, &pendingSend{}, nil), context.Canceled, "a caller whose context has ended is not served")
		synctest.Wait()
		require.Empty(t, s.waiting)
	})
}

func TestAPanicInABatchIsRaisedInEveryWaitingCallerAndTheQueueGoesOn(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){"panic": func() { panic("a hook of the host") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var g groupCommit
				next, panicked := make(chan func()), make(chan any, 3)
				serve := func(context.Context, []*pendingSend) { (<-next)() }
				enter := func() {
					go func() {
						defer func() { panicked <- recover() }()
						assert.NoError(t, g.do(t.Context(), 1, &pendingSend{}, serve))
					}()
					synctest.Wait()
				}
				enter()
				enter()
				enter()
				next <- func() {}
				require.Nil(t, <-panicked, "the first caller serves itself")
				synctest.Wait()
				enter() // after the batch of two
				next <- fail
				for range 2 {
					require.ErrorContains(t, (<-panicked).(error), "bunstore: a batch of messages panicked")
				}
				next <- func() {}
				require.Nil(t, <-panicked)
				synctest.Wait()
				require.Empty(t, g.waiting)
			})
		})
	}
}
