package realtime

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice user.ID = "alice"
	bob   user.ID = "bob"
	carol user.ID = "carol"
)

// inBubble runs a test with a fake clock, which advances when all goroutines wait.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

func start(t *testing.T, w *world, opts *Options) *Hub {
	t.Helper()
	h := NewHub(w, opts)
	run(t, h)
	return h
}

func run(t *testing.T, h *Hub) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- h.Run(t.Context()) }()
	t.Cleanup(func() {
		require.NoError(t, h.Shutdown(context.Background()))
		require.NoError(t, <-ended)
	})
}

func subscribe(t *testing.T, h *Hub, u user.ID, after string) *Subscription {
	t.Helper()
	s, err := h.Subscribe(t.Context(), u, after)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// drain returns the events of the next ten seconds, in which everything pending happens.
func drain(t *testing.T, s *Subscription) []Event {
	t.Helper()
	events, err := receive(t, s)
	require.NoError(t, err)
	return events
}

func receive(t *testing.T, s *Subscription) (events []Event, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for e, err := range s.Events(ctx) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// lines returns a short text for each event.
func lines(events []Event) []string {
	found := []string{}
	for _, e := range events {
		line := fmt.Sprintf("%s %s", e.ID, e.Operation)
		if e.Message != nil {
			line += " " + e.Message.Content
		}
		found = append(found, line)
	}
	return found
}

// at returns the record id in a cursor.
func at(t *testing.T, cursor string) int64 {
	t.Helper()
	p, err := ParseCursor(cursor)
	require.NoError(t, err)
	return p.ID
}

func TestBothUsersOfAChatGetAMessageAndTheRecipientANotification(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, nil)
		first, second, hers, others := subscribe(t, h, alice, ""), subscribe(t, h, alice, ""), subscribe(t, h, bob, ""), subscribe(t, h, carol, "")
		w.do(func(x *tx) { x.send(c, alice, "hello") })

		sent := drain(t, first)
		require.Equal(t, []string{"3 CHAT_MESSAGE_CREATED hello"}, lines(sent))
		require.Equal(t, sent, drain(t, second))
		require.Equal(t, int64(3), at(t, sent[0].Cursor))

		got := drain(t, hers)
		require.Equal(t, []string{"3 CHAT_MESSAGE_CREATED hello", "3n NOTIFICATION_CREATED hello"}, lines(got))
		require.Equal(t, int64(2), at(t, got[0].Cursor), "a resume after the message alone must repeat it, to bring its notification")
		require.Equal(t, int64(3), at(t, got[1].Cursor))
		require.Equal(t, w.copyOf(c, bob).Copy, got[0].Copy)
		require.Equal(t, c.id, got[0].Conversation)
		require.Equal(t, alice, got[0].Actor)
		require.Equal(t, time.Unix(3, 0).UTC(), got[0].At)

		require.Empty(t, drain(t, others))
	})
}

func TestAChatWithOneselfHasNoNotifications(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		s := subscribe(t, start(t, w, nil), alice, "")
		w.do(func(x *tx) { x.send(c, alice, "note") })
		require.Equal(t, []string{"3 CHAT_MESSAGE_CREATED note"}, lines(drain(t, s)))
	})
}

func TestAUserGetsEventsOfAChatOpenedWhileOnline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		s := subscribe(t, start(t, w, nil), bob, "")
		c := w.chat(alice, bob)
		w.do(func(x *tx) { x.send(c, alice, "hello") })
		require.Equal(t, []string{"3 CHAT_MESSAGE_CREATED hello", "3n NOTIFICATION_CREATED hello"}, lines(drain(t, s)))
	})
}

func TestAMemberGetsEventsFromJoiningToLeaving(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		g := w.group(alice)
		h := start(t, w, nil)
		s, from := subscribe(t, h, bob, ""), subscribe(t, h, bob, "").Start()
		w.do(func(x *tx) { x.send(g, alice, "before") })
		w.do(func(x *tx) { x.join(g, bob) })
		w.do(func(x *tx) { x.send(g, alice, "within") })
		require.Equal(t, []string{"4 MEMBER_ADDED", "5 GROUP_MESSAGE_CREATED within", "5n NOTIFICATION_CREATED within"}, lines(drain(t, s)))

		w.do(func(x *tx) { x.leave(g, w.copyOf(g, bob)) })
		w.do(func(x *tx) { x.send(g, alice, "after") })
		w.do(func(x *tx) { x.join(g, bob) })
		require.Equal(t, []string{"6 MEMBER_LEFT", "8 MEMBER_ADDED"}, lines(drain(t, s)))

		w.do(func(x *tx) { x.removeGroup(g) })
		require.Equal(t, []string{"9 GROUP_PERMANENTLY_REMOVED"}, lines(drain(t, s)))
		require.Equal(t, []string{"6 MEMBER_LEFT", "9 GROUP_PERMANENTLY_REMOVED"}, lines(drain(t, subscribe(t, h, bob, from))),
			"a resume gets only the end of a copy that ended")
	})
}

func TestTheErasureOfTheOtherUserIsTheLastEventOfAChat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, nil)
		his, hers := subscribe(t, h, alice, ""), subscribe(t, h, bob, "")
		w.do(func(x *tx) { x.eraseChat(c, bob) })
		require.Empty(t, drain(t, his))
		got := drain(t, hers)
		require.Equal(t, []string{"3 CHAT_DELETED"}, lines(got))
		require.True(t, got[0].Erased)
	})
}

func TestAReadMarkReachesItsReaderAndTheSendersItCovers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		g := w.group(alice, bob)
		h := start(t, w, nil)
		a, b, c := subscribe(t, h, alice, ""), subscribe(t, h, bob, ""), subscribe(t, h, carol, "")
		w.set(func() { w.hook = nil }) // so that all of it comes in one batch
		w.do(func(x *tx) { x.join(g, carol) })
		var hers, last *sentMessage
		w.do(func(x *tx) { hers = x.send(g, carol, "carol's") })
		w.do(func(x *tx) { last = x.send(g, alice, "alice's") })
		w.do(func(x *tx) { x.read(g, w.copyOf(g, bob), last) })

		of := func(s *Subscription) Event {
			events := drain(t, s)
			return events[len(events)-1]
		}
		reader, first, second := of(b), of(a), of(c)
		for _, e := range []Event{reader, first, second} {
			require.Equal(t, GroupMessageRead, e.Operation)
			require.Equal(t, "7", e.ID)
			require.Equal(t, bob, e.Actor)
		}
		require.Equal(t, last.id, reader.MessageID)
		require.Equal(t, last.id, first.MessageID)
		require.Equal(t, hers.id, second.MessageID, "to a member who joined in the same batch, too")
		require.Equal(t, "carol's", second.Message.Content)
		text := func(e Event) any { return e.Memo("text", func() any { return e.Message.Content }) }
		require.Equal(t, "alice's", text(reader))
		require.Equal(t, "carol's", text(second), "the memo must not share what differs by recipient")
	})
}

func TestPositionWaitsForAPollThatBeganAfterTheCall(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		h := start(t, w, nil)
		w.set(func() { w.hook = nil })
		for range 10 {
			id := w.do(func(x *tx) { x.endSession(alice, "") })
			p, err := h.Position(t.Context())
			require.NoError(t, err)
			require.Equal(t, id, at(t, p))
		}
	})
}

func TestTheEndOfASessionClosesItsWatches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		h := start(t, w, nil)
		watch := func(u user.ID, session string) <-chan struct{} {
			ended, stop := h.WatchSession(u, session)
			t.Cleanup(stop)
			t.Cleanup(stop)
			return ended
		}
		closed := func(c <-chan struct{}) bool {
			synctest.Wait()
			select {
			case <-c:
				return true
			default:
				return false
			}
		}
		_, err := h.Position(t.Context())
		require.NoError(t, err)
		one, same, two, his := watch(alice, "1"), watch(alice, "1"), watch(alice, "2"), watch(bob, "1")
		_, stop := h.WatchSession(alice, "1")
		stop()
		w.do(func(x *tx) { x.endSession(alice, "1") })
		time.Sleep(time.Second)
		require.True(t, closed(one))
		require.True(t, closed(same))
		require.False(t, closed(two))
		require.False(t, closed(his))
		w.do(func(x *tx) { x.endSession(alice, "") })
		time.Sleep(time.Second)
		require.True(t, closed(two))
		require.False(t, closed(his))
		h.mu.Lock()
		defer h.mu.Unlock()
		require.Len(t, h.watches, 1)
	})
}

func TestAHubRunsOnceAndEndsEverySubscription(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		h := start(t, w, nil)
		s := subscribe(t, h, alice, "")
		require.ErrorContains(t, h.Run(t.Context()), "already running")
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := receive(t, s)
			require.ErrorIs(t, err, ErrClosed)
		})
		synctest.Wait()
		require.NoError(t, h.Shutdown(t.Context()))
		require.NoError(t, h.Shutdown(t.Context()))
		waiting.Wait()
		require.ErrorIs(t, h.Run(t.Context()), ErrClosed)
		_, err := h.Subscribe(t.Context(), alice, "")
		require.ErrorIs(t, err, ErrClosed)
		_, err = h.Subscribe(t.Context(), alice, s.Start())
		require.ErrorIs(t, err, ErrClosed)
		_, err = h.Position(t.Context())
		require.ErrorIs(t, err, ErrClosed)
		w.set(func() { require.Nil(t, w.hook) })
	})
}

func TestAHubShutDownBeforeRunDoesNotRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		h := NewHub(w, nil)
		require.NoError(t, h.Shutdown(t.Context()))
		require.NoError(t, h.Run(t.Context()), "Shutdown and Run may come in any order")
		_, err := h.Position(t.Context())
		require.ErrorIs(t, err, ErrClosed)
		w.set(func() { require.Nil(t, w.hook) })
	})
}

func TestCallsOnAHubThatDoesNotRunSaySo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := NewHub(newWorld(), nil)
		began := time.Now()
		_, err := h.Position(t.Context())
		require.ErrorIs(t, err, ErrNotRunning)
		require.ErrorContains(t, err, "call App.Run")
		_, err = h.Subscribe(t.Context(), alice, "")
		require.ErrorIs(t, err, ErrNotRunning)
		_, err = h.Subscribe(t.Context(), alice, Position{ID: 1}.String())
		require.ErrorIs(t, err, ErrNotRunning)
		require.Equal(t, 3*startGrace, time.Since(began))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = h.Position(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestCallsWaitForAHubThatIsAboutToRun(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := NewHub(newWorld(), nil)
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := h.Position(t.Context())
			require.NoError(t, err)
		})
		waiting.Go(func() {
			s, err := h.Subscribe(t.Context(), alice, "")
			require.NoError(t, err)
			s.Close()
		})
		synctest.Wait()
		time.Sleep(startGrace - time.Millisecond)
		run(t, h)
		waiting.Wait()
	})
}

func TestAReplayEndsWithTheHub(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := start(t, w, &Options{Window: 1})
		from := subscribe(t, h, bob, "").Start()
		for range 5 {
			w.do(func(x *tx) { x.send(c, alice, "m") })
		}
		s := subscribe(t, h, alice, from)
		w.set(func() { w.broken["Records"] = true })
		var waiting sync.WaitGroup
		waiting.Go(func() {
			_, err := receive(t, s)
			require.ErrorIs(t, err, ErrClosed)
		})
		synctest.Wait()
		require.NoError(t, h.Shutdown(t.Context()))
		waiting.Wait()
	})
}

func TestAClosedSubscriptionEndsWithoutErrorAndIsForgotten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := start(t, w, nil)
		s, other := subscribe(t, h, alice, ""), subscribe(t, h, alice, "")
		var waiting sync.WaitGroup
		waiting.Go(func() { require.Empty(t, drain(t, s)) })
		synctest.Wait()
		s.Close()
		s.Close()
		waiting.Wait()
		w.do(func(x *tx) { x.send(c, alice, "m") })
		require.Empty(t, drain(t, s))
		require.Len(t, drain(t, other), 1)
		other.Close()
		_, err := h.Position(t.Context())
		require.NoError(t, err)
		w.set(func() { clear(w.calls) })
		w.do(func(x *tx) { x.send(c, alice, "m") })
		_, err = h.Position(t.Context())
		require.NoError(t, err)
		require.Zero(t, w.count("View"), "no user is online")
	})
}

func TestEventsContinuesWhereTheLastCallStopped(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := start(t, w, nil)
		live := subscribe(t, h, alice, "")
		for range 3 {
			w.do(func(x *tx) { x.send(c, alice, "m") })
		}
		for _, s := range []*Subscription{live, subscribe(t, h, alice, live.Start())} {
			var ids []string
			for range 3 {
				for e, err := range s.Events(t.Context()) {
					require.NoError(t, err)
					ids = append(ids, e.ID)
					break
				}
			}
			require.Equal(t, []string{"3", "4", "5"}, ids)
		}
	})
}

func TestContentThatAllRecipientsShareIsRenderedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.group(alice, bob, carol)
		h := start(t, w, nil)
		subs := []*Subscription{subscribe(t, h, alice, ""), subscribe(t, h, bob, ""), subscribe(t, h, carol, "")}
		w.do(func(x *tx) { x.send(c, alice, "m") })
		made := map[Operation]int{}
		for _, s := range subs {
			for _, e := range drain(t, s) {
				text := e.Memo("text", func() any { made[e.Operation]++; return string(e.Operation) })
				require.Equal(t, string(e.Operation), text)
				require.Equal(t, 7, e.Memo(7, func() any { return 7 }))
			}
		}
		require.Equal(t, map[Operation]int{GroupMessageCreated: 1, NotificationCreated: 1}, made)
		require.Equal(t, "new", Event{}.Memo("text", func() any { return "new" }))
	})
}
