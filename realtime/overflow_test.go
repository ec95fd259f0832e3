package realtime

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
)

func TestOnlyTheSlowConsumerEndsAndItMissesNothingWhenItResumes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, &Options{Queue: 8})
		slow, quick := subscribe(t, h, alice, ""), subscribe(t, h, alice, "")
		for range 9 {
			w.do(func(x *tx) { x.send(c, alice, "m") })
			require.Len(t, drain(t, quick), 1)
		}
		events, err := receive(t, slow)
		require.ErrorIs(t, err, ErrSlowConsumer)
		require.Empty(t, events)
		_, err = receive(t, slow)
		require.ErrorIs(t, err, ErrSlowConsumer, "a second call returns the same error")
		require.Len(t, drain(t, subscribe(t, h, alice, slow.Start())), 9)
	})
}

func TestAFullQueueEndsTheSubscriptionIfTheHubPollsOnTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, &Options{Queue: 8})
		s := subscribe(t, h, alice, "")
		_, err := h.Position(t.Context()) // it looks
		require.NoError(t, err)
		w.do(func(x *tx) {
			for range 9 {
				x.send(c, alice, "m")
			}
		})
		_, err = receive(t, s)
		require.ErrorIs(t, err, ErrSlowConsumer)
	})
}

// outage makes polls of the log fail for a while, and runs f during that time.
func outage(w *world, meanwhile func()) {
	w.set(func() { w.broken["Next"] = true })
	time.Sleep(2 * time.Second) // long enough for the hub to notice
	meanwhile()
	w.set(func() { w.broken["Next"] = false })
	time.Sleep(time.Minute)
}

func TestABurstAfterAnOutageIsReadAtTheConsumersSpeed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c, held := w.chat(alice, bob), w.chat(alice, carol) // 2, 3
		h := start(t, w, &Options{Queue: 8, Window: 16})
		s := subscribe(t, h, alice, "")
		late := w.begin()
		late.send(held, alice, "late") // 4
		want := []string{}
		burst := func(n int) {
			x := w.begin()
			for range n {
				id := x.write(c, Record{Operation: ChatDeleted, Recipient: alice}, nil)
				want = append(want, fmt.Sprintf("%d CHAT_DELETED", id))
			}
			x.commit()
		}
		burst(5)
		require.Equal(t, want, lines(drain(t, s)), "above an open record: the cursor does not say what was delivered")
		idle := subscribe(t, h, alice, s.Start())
		require.Len(t, drain(t, idle), 5)
		outage(w, func() { burst(30) })
		var got []Event
		for e, err := range s.Events(t.Context()) {
			require.NoError(t, err)
			if got = append(got, e); len(got) == 10 {
				break // in the middle of the resume
			}
		}
		outage(w, func() { burst(50) })
		got = append(got, drain(t, s)...)
		require.Equal(t, want[5:], lines(got), "each once, in order")
		late.commit()
		require.Equal(t, []string{"4 CHAT_MESSAGE_CREATED late"}, lines(drain(t, s)))
		burst(3)
		require.Equal(t, want[len(want)-3:], lines(drain(t, s)), "live again")

		idle.mu.Lock()
		require.LessOrEqual(t, len(idle.queue.events), 8, "an idle consumer holds no more than a queue")
		idle.mu.Unlock()
		_, err := receive(t, idle)
		require.ErrorIs(t, err, ErrSlowConsumer, "the consumer had a minute to read")
	})
}

// reading makes a consumer take one event every interval, up to enough. It returns how many events
// it got and how the subscription ended.
func reading(t *testing.T, s *Subscription, enough int, every time.Duration) (read func() (int, error)) {
	t.Helper()
	got, ended := 0, make(chan error, 1)
	go func() {
		for _, err := range s.Events(t.Context()) {
			if err != nil {
				ended <- err
				return
			}
			if got++; got == enough {
				break
			}
			time.Sleep(every)
		}
		ended <- nil
	}()
	return func() (int, error) {
		err := <-ended
		return got, err
	}
}

func TestASlowConsumerEndsEvenWhenEventsAreRare(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := start(t, w, &Options{Queue: 8})
		s := subscribe(t, h, alice, "")
		done, stop := context.WithCancel(t.Context())
		var sending sync.WaitGroup
		sending.Go(func() {
			for done.Err() == nil {
				w.do(func(x *tx) { x.send(c, alice, "m") }) // delivered at once
				time.Sleep(2 * lateAfter)
			}
		})
		got, err := reading(t, s, 1000, 4*lateAfter)()
		stop()
		sending.Wait()
		require.ErrorIs(t, err, ErrSlowConsumer)
		require.Less(t, got, 20)
	})
}

func TestAConsumerThatKeepsReadingHasAGracePeriodAfterAnOutage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, &Options{Queue: 64})
		s := subscribe(t, h, bob, "")
		const all = 300
		read := reading(t, s, all, 8*time.Millisecond)
		send := func() { // a hundred events, which take a second
			for range 50 {
				w.do(func(x *tx) { x.send(c, alice, "m") })
				time.Sleep(20 * time.Millisecond)
			}
		}
		send()
		w.set(func() { w.broken["Next"] = true })
		send()
		w.set(func() {
			w.broken["Next"] = false
			w.before["Next"] = func() {
				go func() {
					time.Sleep(time.Millisecond)
					send() // the hub polls on time again, and the queue is full
				}()
			}
		})
		got, err := read()
		require.NoError(t, err)
		require.Equal(t, all, got)
	})
}

func TestTheTimeThatTheHubNeedsForABatchDoesNotCountAgainstTheConsumer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := start(t, w, &Options{Queue: 64})
		s := subscribe(t, h, alice, "")
		w.set(func() { w.broken["Next"] = true })
		time.Sleep(2 * time.Second)
		w.sends(c, alice, 40)
		w.set(func() {
			w.before["View"] = func() {
				time.Sleep(2 * lateAfter)
				w.sends(c, alice, 40)
			}
			w.broken["Next"] = false
		})
		got, err := reading(t, s, 80, time.Millisecond)()
		require.NoError(t, err)
		require.Equal(t, 80, got)
	})
}

func TestABacklogWhileTheHubIsBusyDoesNotCountAgainstTheConsumer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := start(t, w, &Options{Queue: 8})
		s := subscribe(t, h, alice, "")
		_, err := h.Position(t.Context()) // it looks in time
		require.NoError(t, err)
		w.set(func() {
			w.before["View"] = func() {
				time.Sleep(2 * lateAfter)
				w.sends(c, alice, 20)
			}
		})
		w.do(func(x *tx) { x.send(c, alice, "m") })
		require.Len(t, drain(t, s), 21)
	})
}

func TestAnOverflowIsFreedAfterItsReplay(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c, held := w.chat(alice), w.chat(carol)
		h := start(t, w, &Options{Queue: 8})
		s := subscribe(t, h, alice, "")
		open := w.begin()
		open.send(held, carol, "late")
		for range 100 {
			w.do(func(x *tx) { x.endSession(carol, "1") })
		}
		_, err := h.Position(t.Context())
		require.NoError(t, err)
		outage(w, func() { w.sends(c, alice, 9) })
		s.mu.Lock()
		require.Len(t, s.overflow.without[0], 100)
		s.mu.Unlock()
		require.Len(t, drain(t, s), 9)
		require.Equal(t, resume{registered: true, checked: true}, s.resume)
		open.commit()
	})
}

func TestCloseEndsAReplayThatWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"Records", "Next", "CheckPosition"} {
		t.Run(call, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				w := newWorld()
				c := w.chat(alice)
				h := start(t, w, &Options{Queue: 4, Window: 1})
				s := subscribe(t, h, alice, "")
				outage(w, func() { w.sends(c, alice, 9) })
				w.set(func() { w.broken[call] = true })
				var waiting sync.WaitGroup
				waiting.Go(func() {
					for _, err := range s.Events(t.Context()) {
						assert.NoError(t, err)
					}
				})
				time.Sleep(time.Minute)
				s.Close()
				waiting.Wait()
			})
		})
	}
}

func TestAConsumerThatLaggedBeforeTheHubDidIsSlow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, &Options{Queue: 8})
		half, more := subscribe(t, h, alice, ""), subscribe(t, h, alice, "")
		w.sends(c, alice, 5)
		time.Sleep(time.Minute)
		for _, err := range half.Events(t.Context()) {
			require.NoError(t, err)
			break
		}
		outage(w, func() { w.sends(c, alice, 5) })
		_, err := receive(t, more)
		require.ErrorIs(t, err, ErrSlowConsumer)
		require.Len(t, drain(t, half), 9)
	})
}

func TestALaggingConsumerEndsWhenTheLogIsReplaced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, &Options{Queue: 4, Window: 1})
		from := subscribe(t, h, alice, "").Start()
		w.sends(c, alice, 9)
		replaying, lagging := subscribe(t, h, alice, from), subscribe(t, h, alice, "")
		n := 0
		for _, err := range replaying.Events(t.Context()) {
			require.NoError(t, err)
			if n++; n == 9 {
				break // before it arrives again
			}
		}
		outage(w, func() { w.sends(c, alice, 9) })
		w.set(func() {
			w.replaced = true
			w.commits, w.lastID = w.commits[:2], 2
		})
		time.Sleep(time.Minute)
		for _, s := range []*Subscription{replaying, lagging} {
			events, err := receive(t, s)
			require.ErrorIs(t, err, storage.ErrCursorExpired, "the new log reuses the ids that it has seen")
			require.Empty(t, events)
		}
	})
}

func TestACursorDoesNotDecreaseInABurstOnALaggingNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob) // 2
		h := start(t, w, &Options{Queue: 4})
		open := w.begin()
		// 4; its chat is 3
		open.send(w.chat(alice), alice, "rolled back, as another node knows already")
		seen := w.do(func(x *tx) { x.send(c, alice, "seen there") })
		s := subscribe(t, h, alice, w.commits[len(w.commits)-1].String())
		outage(w, func() { w.sends(c, alice, 9) })
		got := drain(t, s)
		require.Len(t, got, 9)
		for _, e := range got {
			require.Equal(t, seen, at(t, e.Cursor))
		}
		open.rollback()
	})
}
