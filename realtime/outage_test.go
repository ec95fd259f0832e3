package realtime

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAnOutageDelaysEverythingAndLosesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		var logged bytes.Buffer
		h := start(t, w, &Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		s := subscribe(t, h, bob, "")
		for _, call := range []string{"Next", "View"} {
			w.set(func() { w.broken[call] = true })
			w.do(func(x *tx) { x.send(c, alice, "hello") })
			require.Empty(t, drain(t, s))

			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := h.Position(ctx)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			_, err = h.Subscribe(ctx, alice, "")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			cancel()

			var waiting sync.WaitGroup
			waiting.Go(func() {
				_, err := h.Position(t.Context())
				require.NoError(t, err)
				subscribe(t, h, alice, "")
				subscribe(t, h, alice, s.Start())
			})
			synctest.Wait()
			w.set(func() { w.broken[call] = false })
			waiting.Wait()
			require.Len(t, lines(drain(t, s)), 2, call)
		}
		require.Equal(t, 2, strings.Count(logged.String(), "level=WARN"), "one line for each outage")
		require.Equal(t, 2, strings.Count(logged.String(), "level=INFO"))
	})
}

func TestTheHubWaitsForADatabaseThatIsDownAtTheStart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		w.failures = 20
		h := start(t, w, nil)
		_, err := h.Position(t.Context())
		require.NoError(t, err)
		require.Equal(t, 21, w.count("Tail"))
	})
}

func TestWhenCopiesCannotBeLoadedOthersStillGetTheirEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, nil)
		s := subscribe(t, h, bob, "")
		w.set(func() { w.broken["Memberships"] = true })
		var waiting sync.WaitGroup
		waiting.Go(func() { subscribe(t, h, alice, "") })
		w.do(func(x *tx) { x.send(c, bob, "hello") })
		require.Len(t, drain(t, s), 1)
		w.set(func() { w.broken["Memberships"] = false })
		waiting.Wait()
	})
}

func TestAResumeContinuesAfterAnOutage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		var logged bytes.Buffer
		h := start(t, w, &Options{Window: 1, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		from := subscribe(t, h, bob, "").Start()
		for range 5 {
			w.do(func(x *tx) { x.send(c, alice, "m") })
		}
		s := subscribe(t, h, alice, from)
		w.set(func() { w.broken["Records"] = true })
		require.Empty(t, drain(t, s))
		w.set(func() { w.broken["Records"] = false })
		require.Len(t, drain(t, s), 5)
		require.Equal(t, 1, strings.Count(logged.String(), "level=WARN"))
	})
}

func TestALostHintDelaysEventsByAtMostOnePollInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		s := subscribe(t, start(t, w, &Options{Poll: 3 * time.Second}), alice, "")
		w.set(func() { w.hook = nil })
		began := time.Now()
		w.do(func(x *tx) { x.send(c, alice, "m") })
		for _, err := range s.Events(t.Context()) {
			require.NoError(t, err)
			break
		}
		require.LessOrEqual(t, time.Since(began), 3*time.Second)
		require.Greater(t, time.Since(began), time.Second)
	})
}

func TestConsecutiveHintsShareAPoll(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		h := start(t, w, nil)
		synctest.Wait()
		w.set(func() { clear(w.calls) })
		for range 100 {
			h.Hint()
			time.Sleep(busyGap / 50)
		}
		synctest.Wait()
		require.LessOrEqual(t, w.count("Next"), 4)
	})
}

func TestConcurrentSubscribersShareQueries(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		h := NewHub(w, nil)
		var waiting sync.WaitGroup
		for range 100 {
			waiting.Go(func() {
				_, err := h.Position(t.Context())
				require.NoError(t, err)
			})
			waiting.Go(func() { subscribe(t, h, alice, "") })
		}
		synctest.Wait()
		run(t, h)
		waiting.Wait()
		require.Equal(t, 1, w.count("Memberships"))
		require.LessOrEqual(t, w.count("Next"), 2)
	})
}
