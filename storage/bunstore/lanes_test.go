package bunstore

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// served is a lane whose batches are served when the test says so.
type served struct {
	lanes
	begun chan []*sending // a batch that is being served
	serve chan struct{}   // ends it
	ended chan error      // what each caller got, as nil or the error of its context
}

func newServed() *served {
	return &served{begun: make(chan []*sending), serve: make(chan struct{}), ended: make(chan error, 2*maxBatch)}
}

// enter sends somebody into the lane, and returns when they wait there.
func (s *served) enter(ctx context.Context, lane int64) *sending {
	w := &sending{}
	go func() {
		s.ended <- s.pass(ctx, lane, w, func(ctx context.Context, batch []*sending) {
			s.begun <- batch
			select {
			case <-s.serve:
			case <-ctx.Done():
			}
			for _, w := range batch {
				w.err = ctx.Err()
			}
		})
	}()
	synctest.Wait()
	return w
}

func TestWhoeverComesWhileABatchIsServedIsInTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServed()
		first := s.enter(t.Context(), 1)
		require.Equal(t, []*sending{first}, <-s.begun, "who finds the lane empty is served at once")
		var later []*sending
		for range maxBatch + 1 {
			later = append(later, s.enter(t.Context(), 1))
		}
		elsewhere := s.enter(t.Context(), 2)
		require.Equal(t, []*sending{elsewhere}, <-s.begun, "lanes do not wait for each other")

		s.serve <- struct{}{}
		s.serve <- struct{}{}
		require.Equal(t, later[:maxBatch], <-s.begun, "in the order in which they came, up to the limit")
		s.serve <- struct{}{}
		require.Equal(t, later[maxBatch:], <-s.begun)
		s.serve <- struct{}{}
		for range maxBatch + 3 {
			require.NoError(t, <-s.ended)
		}
		synctest.Wait()
		require.Empty(t, s.waiting, "a lane without anybody is no more")
	})
}

func TestWhoeverLeavesALaneHoldsUpNobodyAndStopsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServed()
		s.enter(t.Context(), 1)
		<-s.begun

		impatient, leave := context.WithCancel(t.Context())
		s.enter(impatient, 1)
		stays := s.enter(t.Context(), 1)
		leave()
		require.ErrorIs(t, <-s.ended, context.Canceled, "before the batch began")
		s.serve <- struct{}{}
		require.NoError(t, <-s.ended)
		require.Equal(t, []*sending{stays}, <-s.begun, "and it is in none")

		impatient, leave = context.WithCancel(t.Context())
		s.enter(impatient, 1)
		stays2 := s.enter(t.Context(), 1)
		s.serve <- struct{}{}
		require.NoError(t, <-s.ended)
		require.Len(t, <-s.begun, 2)
		leave()
		require.ErrorIs(t, <-s.ended, context.Canceled, "while it is served")
		s.serve <- struct{}{}
		require.NoError(t, <-s.ended)
		require.NoError(t, stays2.err, "the batch went on for who stayed")
	})
}

func TestABatchThatNobodyWaitsForIsStoppedBeforeTheLastCallerReturns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServed()
		s.enter(t.Context(), 1)
		<-s.begun
		impatient, leave := context.WithCancel(t.Context())
		waiting := []*sending{s.enter(impatient, 1), s.enter(impatient, 1)}
		s.serve <- struct{}{}
		require.NoError(t, <-s.ended)
		require.Equal(t, waiting, <-s.begun)
		leave()
		got := []error{<-s.ended, <-s.ended}
		require.Contains(t, got, context.Canceled)
		require.Contains(t, got, nil, "the last one has the answer of the batch")
		for _, w := range waiting {
			require.ErrorIs(t, w.err, context.Canceled)
		}

		require.ErrorIs(t, s.pass(impatient, 1, &sending{}, nil), context.Canceled, "whose time is over does not begin")
		synctest.Wait()
		require.Empty(t, s.waiting)
	})
}

func TestWhatPanicsInABatchPanicsInAllWhoWaitForItAndTheLaneGoesOn(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(){"panic": func() { panic("a hook of the host's") }, "exit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var l lanes
				next, panicked := make(chan func()), make(chan any, 3)
				serve := func(context.Context, []*sending) { (<-next)() }
				enter := func() {
					go func() {
						defer func() { panicked <- recover() }()
						assert.NoError(t, l.pass(t.Context(), 1, &sending{}, serve))
					}()
					synctest.Wait()
				}
				enter()
				enter()
				enter()
				next <- func() {}
				require.Nil(t, <-panicked, "the first serves itself")
				synctest.Wait()
				enter() // behind the batch of two
				next <- fail
				for range 2 {
					require.ErrorContains(t, (<-panicked).(error), "bunstore: a batch of messages panicked")
				}
				next <- func() {}
				require.Nil(t, <-panicked)
				synctest.Wait()
				require.Empty(t, l.waiting)
			})
		})
	}
}
