package realtime

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
)

// A recorder is a bus that records the hints it is told.
type recorder struct {
	mu      sync.Mutex
	heard   func()
	told    [][]Stream
	follows map[Stream]int
	fail    chan error
	runs    int
}

func newRecorder() *recorder { return &recorder{follows: map[Stream]int{}, fail: make(chan error)} }

func (b *recorder) Run(ctx context.Context, heard func()) error {
	b.mu.Lock()
	b.heard = heard
	b.runs++
	b.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil
	case err := <-b.fail:
		return err
	}
}

func (b *recorder) Tell(news ...Stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, slices.Clone(news))
}

// hear simulates a hint of another node.
func (b *recorder) hear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.heard()
}

func (b *recorder) all() [][]Stream {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told
}

func (b *recorder) Follow(s Stream)   { b.count(s, 1) }
func (b *recorder) Unfollow(s Stream) { b.count(s, -1) }

func (b *recorder) count(s Stream, by int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.follows[s] += by; b.follows[s] == 0 {
		delete(b.follows, s)
	}
}

// followed returns the streams that are followed.
func (b *recorder) followed() []Stream {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Keys(b.follows))
}

func TestAnEndedHubUnfollowsAllStreams(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, b := newWorld(), newRecorder()
		w.chat(alice, bob)
		h := start(t, w, &Options{Bus: b})
		subscribe(t, h, alice, "")
		require.NotEmpty(t, b.followed())
		require.NoError(t, h.Shutdown(t.Context()))
		require.Empty(t, b.followed(), "the next hub may use the same bus")
	})
}

func TestTheHubFollowsTheStreamsOfOnlineUsers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, b := newWorld(), newRecorder()
		c, g := w.chat(alice, bob), w.group(alice)
		h := start(t, w, &Options{Bus: b})
		require.Empty(t, b.followed())

		two := []*Subscription{subscribe(t, h, alice, ""), subscribe(t, h, alice, "")}
		here := []Stream{{User: alice}, {Conversation: c.id}, {Conversation: g.id}}
		require.ElementsMatch(t, here, b.followed())

		w.do(func(x *tx) { x.join(g, carol) })
		subscribe(t, h, carol, "")
		require.ElementsMatch(t, append(here, Stream{User: carol}), b.followed())
		w.do(func(x *tx) { x.leave(g, w.copyOf(g, alice)) })
		time.Sleep(2 * time.Second)
		require.ElementsMatch(t, append(here, Stream{User: carol}), b.followed(), "carol is still online")
		w.do(func(x *tx) { x.leave(g, w.copyOf(g, carol)) })
		time.Sleep(2 * time.Second)
		require.ElementsMatch(t, []Stream{{User: alice}, {Conversation: c.id}, {User: carol}}, b.followed())

		_, stop := h.WatchSession(bob, "1")
		require.Contains(t, b.followed(), Stream{User: bob})
		stop()
		stop()
		for _, s := range two {
			s.Close()
		}
		time.Sleep(2 * time.Second)
		require.Equal(t, []Stream{{User: carol}}, b.followed())
	})
}

func TestAHintFromAnotherNodeMakesTheHubPollAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, b := newWorld(), newRecorder()
		c := w.chat(alice, bob)
		h := start(t, w, &Options{Bus: b, Poll: time.Hour})
		s := subscribe(t, h, bob, "")
		w.set(func() { w.hook = nil }) // from now on, commits come from another node
		w.do(func(x *tx) { x.send(c, alice, "hello") })
		require.Empty(t, drain(t, s))
		b.hear()
		require.Len(t, drain(t, s), 2)
		require.Empty(t, b.all(), "hints that were heard are not sent again")
		h.Hint()
		require.Equal(t, [][]Stream{nil}, b.all(), "a hint from the application covers all streams")
	})
}

func TestAFailedBusIsRestartedAndNoEventIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, b := newWorld(), newRecorder()
		c := w.chat(alice, bob)
		var logged bytes.Buffer
		h := start(t, w, &Options{Bus: b, Logger: slog.New(slog.NewTextHandler(&logged, nil))})
		s := subscribe(t, h, bob, "")
		for range 3 {
			b.fail <- errDown
			w.set(func() { w.hook = nil })
			w.do(func(x *tx) { x.send(c, alice, "hello") })
			time.Sleep(time.Second)
			require.Len(t, drain(t, s), 2, "the poll finds it")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		b.mu.Lock()
		defer b.mu.Unlock()
		require.Equal(t, 4, b.runs)
		require.Equal(t, 3, strings.Count(logged.String(), "no hints between nodes"))
	})
}

func TestALostLogEndsSubscriptionsAndSessionWatches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w, b := newWorld(), newRecorder()
		c := w.chat(alice, bob)
		h := start(t, w, &Options{Bus: b})
		s, other := subscribe(t, h, bob, ""), subscribe(t, h, bob, "")
		ended, stop := h.WatchSession(bob, "1")
		defer stop()
		w.set(func() { w.replaced = true })
		for _, sub := range []*Subscription{s, other} {
			events, err := receive(t, sub)
			require.Empty(t, events)
			require.ErrorIs(t, err, storage.ErrCursorExpired)
		}
		<-ended
		require.Empty(t, b.followed())

		fresh := subscribe(t, h, bob, "")
		w.do(func(x *tx) { x.send(c, alice, "hello") })
		require.Len(t, drain(t, fresh), 2)
		require.Equal(t, 2, w.count("Tail"))
	})
}
