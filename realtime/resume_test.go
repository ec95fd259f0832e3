package realtime

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/storage"
)

func TestALateRecordIsDeliveredAndDelaysOnlyTheCursor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		slow, quick := w.chat(alice, bob), w.chat(alice, carol) // 2, 3
		h := start(t, w, nil)
		s := subscribe(t, h, alice, "")
		late := w.begin()
		late.send(slow, alice, "late") // 4
		dead := w.begin()
		dead.send(w.chat(alice), alice, "never")                 // 5, 6
		w.do(func(x *tx) { x.send(quick, alice, "at once") })    // 7
		w.do(func(x *tx) { x.send(quick, alice, "after that") }) // 8
		before := drain(t, s)
		require.Equal(t, []string{"7 CHAT_MESSAGE_CREATED at once", "8 CHAT_MESSAGE_CREATED after that"}, lines(before))
		require.Equal(t, int64(3), at(t, before[1].Cursor))

		again := subscribe(t, h, alice, before[0].Cursor)
		require.Equal(t, lines(before), lines(drain(t, again)), "records above the open one are repeated")
		late.commit()
		require.Equal(t, []string{"4 CHAT_MESSAGE_CREATED late"}, lines(drain(t, again)))
		got := drain(t, s)
		require.Equal(t, []string{"4 CHAT_MESSAGE_CREATED late"}, lines(got))
		require.Equal(t, int64(4), at(t, got[0].Cursor))

		dead.rollback()
		w.do(func(x *tx) { x.send(slow, alice, "in order") }) // 9
		got = drain(t, s)
		require.Equal(t, int64(9), at(t, got[0].Cursor))
		require.Empty(t, drain(t, subscribe(t, h, alice, got[0].Cursor)))
	})
}

func TestAResumeAfterAnOpenRecordMissesNothingCommittedBeforeTheHubStarted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c, other := w.chat(alice), w.chat(alice, bob)
		late := w.begin()
		late.send(c, alice, "late")
		w.do(func(x *tx) { x.send(other, alice, "early") })
		h := start(t, w, nil)
		now, err := h.Position(t.Context())
		require.NoError(t, err)
		require.Equal(t, int64(3), at(t, now))
		s := subscribe(t, h, alice, now)
		require.Equal(t, []string{"5 CHAT_MESSAGE_CREATED early"}, lines(drain(t, s)))
		late.commit()
		require.Equal(t, []string{"4 CHAT_MESSAGE_CREATED late"}, lines(drain(t, s)))
	})
}

func TestAQuickResumeIsServedFromMemory(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, nil)
		s := subscribe(t, h, alice, "")
		s.Close()
		var gone *sentMessage
		w.do(func(x *tx) { x.send(c, bob, "missed") })
		w.do(func(x *tx) { gone = x.send(c, bob, "unsent") })
		w.do(func(x *tx) { x.unsend(c, gone) })
		s = subscribe(t, h, alice, s.Start())
		got := drain(t, s)
		require.Equal(t, []string{"3 CHAT_MESSAGE_CREATED missed", "3n NOTIFICATION_CREATED missed", "5 CHAT_MESSAGE_UNSENT"}, lines(got))
		require.Equal(t, []int64{2, 3, 5}, []int64{at(t, got[0].Cursor), at(t, got[1].Cursor), at(t, got[2].Cursor)})
		require.Zero(t, w.count("Records"))

		w.do(func(x *tx) { x.send(c, alice, "live") })
		require.Equal(t, []string{"6 CHAT_MESSAGE_CREATED live"}, lines(drain(t, s)))
		require.Empty(t, drain(t, subscribe(t, h, alice, drain(t, subscribe(t, h, alice, got[2].Cursor))[0].Cursor)))
	})
}

func TestALongResumeIsReadInPagesAndContinuesLive(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		g := w.group(alice, bob)
		h := NewHub(w, &Options{Window: 4, Queue: 4})
		h.pageSize = 3
		run(t, h)
		from, err := h.Position(t.Context())
		require.NoError(t, err)
		want := []string{}
		send := func() {
			id := w.do(func(x *tx) { x.send(g, alice, "m") })
			want = append(want, fmt.Sprintf("%d GROUP_MESSAGE_CREATED m", id))
		}
		for range 20 {
			send()
		}
		s := subscribe(t, h, alice, from)
		var got []Event
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for e, err := range s.Events(ctx) {
			require.NoError(t, err)
			if got = append(got, e); len(got) < 50 {
				send() // the queue never overflows, however many events come in the meantime
			}
		}
		require.Equal(t, want, lines(got))
		for i, e := range got {
			require.Equal(t, int64(4+i), at(t, e.Cursor))
		}
		require.Greater(t, w.count("Records"), 5)
	})
}

func TestAResumeFromMemoryMayExceedTheQueueWhileARecordIsOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		held, c := w.chat(alice), w.chat(alice, bob)
		h := start(t, w, &Options{Window: 2, Queue: 2})
		from, err := h.Position(t.Context())
		require.NoError(t, err)
		late := w.begin()
		late.send(held, alice, "late")
		for range 10 {
			w.do(func(x *tx) { x.send(c, alice, "m") })
		}
		s := subscribe(t, h, alice, from)
		require.Len(t, drain(t, s), 10)
		late.commit()
		require.Equal(t, []string{"4 CHAT_MESSAGE_CREATED late"}, lines(drain(t, s)))
	})
}

func TestAResumeFromMemoryMayStopAfterAnyEvent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		slow, quick := w.chat(alice, bob), w.chat(alice, carol) // 2, 3
		h := start(t, w, nil)
		cursor := subscribe(t, h, alice, "").Start()
		late := w.begin()
		late.send(slow, bob, "late")                          // 4
		w.do(func(x *tx) { x.send(quick, carol, "at once") }) // 5
		time.Sleep(time.Second)
		late.commit()
		time.Sleep(time.Second)
		var ids []string
		for range 2 {
			for e, err := range subscribe(t, h, alice, cursor).Events(t.Context()) {
				require.NoError(t, err)
				ids, cursor = append(ids, e.ID), e.Cursor
				if e.Operation == NotificationCreated {
					break
				}
			}
		}
		require.Equal(t, []string{"4", "4n", "5", "5n"}, ids)
	})
}

func TestAResumeFromBeforeTheNodeStartedIsReadFromTheDatabase(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		before := start(t, w, nil)
		from := subscribe(t, before, alice, "").Start()
		require.NoError(t, before.Shutdown(t.Context()))
		w.do(func(x *tx) { x.send(c, alice, "meanwhile") })
		s := subscribe(t, start(t, w, nil), alice, from)
		w.do(func(x *tx) { x.send(c, alice, "live") })
		require.Equal(t, []string{"3 CHAT_MESSAGE_CREATED meanwhile", "4 CHAT_MESSAGE_CREATED live"}, lines(drain(t, s)))
	})
}

func TestAMemberRemovedDuringASubscribeGetsTheRemoval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		g := w.group(alice, bob)
		h := start(t, w, nil)
		_, err := h.Position(t.Context())
		require.NoError(t, err)
		w.set(func() {
			w.before["Memberships"] = func() {
				w.do(func(x *tx) { x.send(g, alice, "no more") })
				w.do(func(x *tx) { x.leave(g, w.membershipsOf(g.id)[1]) })
			}
		})
		require.Equal(t, []string{"5 MEMBER_LEFT"}, lines(drain(t, subscribe(t, h, bob, ""))))

		w.set(func() { clear(w.calls) })
		w.do(func(x *tx) { x.send(g, alice, "without bob") })
		_, err = h.Position(t.Context())
		require.NoError(t, err)
		require.Zero(t, w.count("View"), "no member of the group is online any more")
	})
}

func TestAReplayOmitsMessagesClearedWhileItIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, nil)
		from := subscribe(t, h, carol, "").Start()
		w.do(func(x *tx) { x.send(c, bob, "cleared") })
		s := subscribe(t, h, alice, from)
		w.set(func() { w.before["View"] = func() { w.do(func(x *tx) { x.clear(c, w.copyOf(c, alice)) }) } })
		require.Equal(t, []string{"4 CHAT_DELETED"}, lines(drain(t, s)))
	})
}

func TestASubscriptionFromNowGetsNothingOlder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := start(t, w, nil)
		held := w.begin()
		held.send(w.chat(alice), alice, "late") // 4; its chat is 3
		w.set(func() { w.hook = nil })
		w.do(func(x *tx) { x.send(c, alice, "before") })
		s := subscribe(t, h, alice, "")
		require.Equal(t, int64(3), at(t, s.Start()))
		held.commit()
		w.do(func(x *tx) { x.send(c, alice, "after") })
		require.Equal(t, []string{"4 CHAT_MESSAGE_CREATED late", "6 CHAT_MESSAGE_CREATED after"}, lines(drain(t, s)))
	})
}

func TestACursorFromANodeAheadNeitherExpiresNorRepeatsEvents(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, nil)
		subscribe(t, h, alice, "")
		w.set(func() { w.batch = 0 }) // this node sees no commits for now
		for range 3 {
			w.do(func(x *tx) { x.send(c, alice, "seen there") })
		}
		s := subscribe(t, h, alice, w.commits[4].String())
		require.Equal(t, int64(5), at(t, s.Start()))
		open := w.begin()
		open.send(w.chat(alice), alice, "late") // 7; its chat is 6
		w.do(func(x *tx) { x.send(c, alice, "new") })
		w.set(func() { w.batch = 1 })
		got := drain(t, s)
		require.Equal(t, []string{"8 CHAT_MESSAGE_CREATED new"}, lines(got))
		require.GreaterOrEqual(t, at(t, got[0].Cursor), int64(5))
		open.commit()
		require.Equal(t, []string{"7 CHAT_MESSAGE_CREATED late"}, lines(drain(t, s)))
	})
}

func TestCursorsNeverDecreaseBelowTheOneFromANodeAhead(t *testing.T) {
	s := newSubscription(NewHub(newWorld(), nil), alice)
	defer s.Close()
	from := Position{ID: 9, Nonce: 1}
	require.True(t, s.register(from))
	s.push(&poll{number: 1}, 9, []Event{{ID: "9", position: Position{ID: 9}}})
	s.push(&poll{number: 1}, 10, []Event{{ID: "10", position: Position{ID: 7}, Cursor: "lower"}})
	e, ok := s.pop()
	require.True(t, ok)
	require.Equal(t, "10", e.ID)
	require.Equal(t, from.String(), e.Cursor)
}

func TestACursorOfAnotherLogOrOfPrunedRecordsHasExpired(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := start(t, w, &Options{Window: 1})
		old := subscribe(t, h, alice, "").Start()
		for range 5 {
			w.do(func(x *tx) { x.send(c, alice, "m") })
		}
		w.set(func() { w.pruned = 4 })
		for _, cursor := range []string{"garbage", Position{ID: 3, Nonce: 1}.String(), Position{ID: 1000, Nonce: 5}.String(), old} {
			_, err := h.Subscribe(t.Context(), alice, cursor)
			require.ErrorIs(t, err, storage.ErrCursorExpired, cursor)
		}
	})
}

func TestAReplayEndsAsExpiredIfItsRecordsArePruned(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice)
		h := NewHub(w, &Options{Window: 1})
		h.pageSize = 2
		run(t, h)
		from := subscribe(t, h, alice, "").Start()
		for range 9 {
			w.do(func(x *tx) { x.send(c, alice, "m") })
		}
		s := subscribe(t, h, alice, from)
		n := 0
		var failure error
		for _, err := range s.Events(t.Context()) {
			if failure = err; err == nil {
				n++
			}
			w.set(func() { w.pruned = 8 })
		}
		require.ErrorIs(t, failure, storage.ErrCursorExpired)
		require.Equal(t, 2, n)
	})
}

func TestASubscriptionClosedWhileItArrivesIsNotRegistered(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld()
		c := w.chat(alice, bob)
		h := start(t, w, &Options{Window: 1})
		from := subscribe(t, h, alice, "")
		from.Close()
		for range 3 {
			w.do(func(x *tx) { x.send(c, alice, "m") })
		}
		s := subscribe(t, h, bob, from.Start()) // it must be replayed, and arrive again
		w.set(func() { w.before["Memberships"] = func() { w.set(func() { w.before["Memberships"] = s.Close }) } })
		require.Len(t, drain(t, s), 6)
		_, err := h.Position(t.Context())
		require.NoError(t, err)
		w.set(func() { clear(w.calls) })
		w.do(func(x *tx) { x.send(c, alice, "m") })
		_, err = h.Position(t.Context())
		require.NoError(t, err)
		require.Zero(t, w.count("View"))
	})
}
