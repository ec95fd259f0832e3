package storagetest

import (
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func logTests() []test {
	return []test{
		{"a log has a first record and position", logBegins},
		{"a tail returns every later record once, in order", tailFollows},
		{"tails are independent", tailsAreMany},
		{"a position of another log has expired", positionIsChecked},
		{"a user's records are those of the user and of their conversations", recordsConcern},
		{"records are read in order, in parts", recordsAreRead},
		{"memberships say where they began, were cleared and ended", membershipsAreKnown},
		{"OnCommit reports commits with records until it is removed", commitsAreTold},
	}
}

// safe returns the safe position of a tail once it has reached a record. Transactions that are open
// elsewhere may delay it.
func (f *fixture) safe(tail realtime.Tail, id int64) realtime.Position {
	f.t.Helper()
	var safe realtime.Position
	for patience := time.Now().Add(30 * time.Second); safe.ID < id; runtime.Gosched() {
		f.True(time.Now().Before(patience), "Safe never reaches %d; it stays at %d", id, safe.ID)
		b, err := tail.Next(f.ctx)
		f.NoError(err)
		f.GreaterOrEqual(b.Safe.ID, safe.ID, "Safe never falls")
		safe = b.Safe
	}
	return safe
}

// newest returns a position after everything recorded so far.
func (f *fixture) newest() realtime.Position {
	f.t.Helper()
	tail := f.tail()
	f.NoError(f.store.EndSession(f.ctx, "stranger", "a mark in the log"))
	records := f.next(tail)
	f.Len(records, 1)
	return f.safe(tail, records[0].ID)
}

func logBegins(f *fixture) {
	tail := f.tail()
	b, err := tail.Next(f.ctx)
	f.NoError(err)
	f.Empty(b.Records)
	f.Positive(b.Safe.ID)
	f.NoError(f.store.CheckPosition(f.ctx, b.Safe))
	records, err := f.store.Records(f.ctx, alice, 0, b.Safe.ID, limit)
	f.NoError(err)
	f.Empty(records, "the first record belongs to no user")
}

func tailFollows(f *fixture) {
	mine, _ := f.chat(alice, bob)
	f.send(mine, "before")
	tail := f.tail()
	f.Empty(f.next(tail))
	var sent []chat.Message
	var ids []int64
	for i := range 3 {
		for range i + 1 {
			sent = append(sent, f.send(mine, "one"))
		}
		b, err := tail.Next(f.ctx)
		f.NoError(err)
		f.Len(b.Records, i+1)
		for j, r := range b.Records {
			f.Equal(sent[len(sent)-i-1+j].ID, r.Message)
			f.Greater(r.ID, b.Records[0].ID+int64(j)-1)
			ids = append(ids, r.ID)
		}
		f.Empty(f.next(tail))
	}
	f.IsIncreasing(ids)
	safe := f.safe(tail, ids[len(ids)-1])
	f.NoError(f.store.CheckPosition(f.ctx, safe))
}

func tailsAreMany(f *fixture) {
	mine, _ := f.chat(alice, bob)
	var tails []realtime.Tail
	for range 3 {
		tail, err := f.store.Tail(f.ctx)
		f.NoError(err)
		tails = append(tails, tail)
		f.send(mine, "one")
	}
	f.Len(f.next(tails[2]), 1, "what was committed after the tail began, and before its first batch")
	f.NoError(tails[2].Close())
	f.send(mine, "two")
	f.Len(f.next(tails[0]), 4)
	f.NoError(tails[0].Close())
	records := f.next(tails[1])
	f.NoError(tails[1].Close())
	f.Len(records, 3)
	f.NotEqual(records[0].Nonce, records[1].Nonce)
	f.Equal(mine.Kind, records[0].Kind)
}

func positionIsChecked(f *fixture) {
	f.chat(alice, bob)
	p := f.newest()
	f.NoError(f.store.CheckPosition(f.ctx, p))
	for name, wrong := range map[string]realtime.Position{
		"another nonce": {ID: p.ID, Nonce: p.Nonce + 1},
		"none":          {},
		"of no record":  {ID: -1, Nonce: p.Nonce},
		"of the future": {ID: p.ID + 1000, Nonce: p.Nonce},
	} {
		f.ErrorIs(f.store.CheckPosition(f.ctx, wrong), storage.ErrCursorExpired, name)
	}
	f.chat(alice, carol)
	f.NoError(f.store.CheckPosition(f.ctx, p), "a position stays good")
}

// operations returns the operations of a user's records.
func (f *fixture) operations(u user.ID, after int64) []realtime.Operation {
	f.t.Helper()
	records, err := f.store.Records(f.ctx, u, after, f.newest().ID, limit)
	f.NoError(err)
	var ops []realtime.Operation
	for _, r := range records {
		f.True(r.Recipient == "" || r.Recipient == u, "%s is told of what concerns %s alone", u, r.Recipient)
		ops = append(ops, r.Operation)
	}
	return ops
}

func recordsConcern(f *fixture) {
	start := f.newest().ID
	mine, others := f.chat(alice, bob)
	f.chat(carol, dave)
	copies := f.group(alice, bob)
	m := f.send(mine, "one")
	f.hide(others, m)
	f.clear(mine)
	f.leave(copies[1])
	f.send(copies[0], "bob has left")
	f.NoError(f.store.EndSession(f.ctx, bob, "a session"))
	f.Equal([]realtime.Operation{
		realtime.ChatOpened, realtime.MemberAdded, realtime.MemberAdded, realtime.ChatMessageCreated,
		realtime.ChatDeleted, realtime.MemberLeft, realtime.GroupMessageCreated,
	}, f.operations(alice, start))
	f.Equal([]realtime.Operation{
		realtime.ChatOpened, realtime.ChatMessageCreated, realtime.ChatMessageDeleted, realtime.MemberLeft, realtime.SessionEnded,
	}, f.operations(bob, start), "a copy that ended must have the record of its end")
	f.Equal([]realtime.Operation{realtime.ChatOpened}, f.operations(carol, start))
	f.add(copies[0], carol)
	f.add(copies[0], bob)
	f.Equal([]realtime.Operation{realtime.ChatOpened, realtime.MemberAdded, realtime.MemberAdded}, f.operations(carol, start),
		"nothing from before bob joined")
	f.Equal([]realtime.Operation{
		realtime.ChatOpened, realtime.ChatMessageCreated, realtime.ChatMessageDeleted, realtime.MemberLeft,
		realtime.SessionEnded, realtime.MemberAdded,
	}, f.operations(bob, start), "from before the second joining, only the end of the first membership")
	f.Empty(f.operations("another stranger", start))
}

func recordsAreRead(f *fixture) {
	mine, _ := f.chat(alice, bob)
	copies := f.group(alice, carol)
	tail := f.tail()
	for i := range 8 {
		f.send([]chat.Copy{mine, copies[0]}[i%2], "one")
		f.chat("host", user.ID(rune('a'+i)))
	}
	var want []realtime.Record
	for _, r := range f.next(tail) {
		if r.Message != 0 {
			want = append(want, r)
		}
	}
	f.Len(want, 8)
	upTo := f.newest().ID
	for _, size := range []int{1, 3, 8, 100} {
		var got []realtime.Record
		after := want[0].ID - 1
		for {
			part, err := f.store.Records(f.ctx, alice, after, upTo, size)
			f.NoError(err)
			f.LessOrEqual(len(part), size)
			if len(part) == 0 {
				break
			}
			got = append(got, part...)
			after = part[len(part)-1].ID
		}
		f.Equal(want, got, "in parts of %d, as the tail had them", size)
	}
	part, err := f.store.Records(f.ctx, alice, want[1].ID, want[5].ID, limit)
	f.NoError(err)
	f.Equal(want[2:6], part, "after the first bound, up to the second")
}

// memberships returns the users' copies as the log sees them, by copy id.
func (f *fixture) memberships(endedAfter int64, users ...user.ID) map[int64]realtime.Membership {
	f.t.Helper()
	all, err := f.store.Memberships(f.ctx, endedAfter, users...)
	f.NoError(err)
	byCopy := map[int64]realtime.Membership{}
	for _, m := range all {
		byCopy[m.Copy.ID] = m
	}
	f.Len(byCopy, len(all), "a copy is there once, and copies of chats and of groups have different ids")
	return byCopy
}

func membershipsAreKnown(f *fixture) {
	tail := f.tail()
	mine, others := f.chat(alice, bob)
	opened := f.next(tail)[0]
	f.send(mine, "one")
	f.clear(others)
	admin := f.group(carol)[0]
	f.send(admin, "one")
	f.send(admin, "two")
	f.next(tail)
	joined := f.add(admin, bob)
	added := f.next(tail)[0]
	chats, groups := f.conversation(mine), f.groupOf(admin)

	want := map[int64]realtime.Membership{
		others.ID: {Copy: others, Conversation: chats, ClearedSeq: 1, JoinRecord: opened.ID},
		joined.ID: {Copy: joined, Conversation: groups, JoinedSeq: 2, JoinRecord: added.ID},
	}
	f.Equal(want, f.memberships(0, bob))
	want[mine.ID] = realtime.Membership{Copy: mine, Conversation: chats, JoinRecord: opened.ID}
	f.Equal(want, f.memberships(1<<40, alice, bob, "stranger"))
	f.Empty(f.memberships(0))

	f.leave(joined)
	left := f.next(tail)[0]
	delete(want, joined.ID)
	f.Equal(want, f.memberships(left.ID, alice, bob))
	ended := realtime.Membership{Copy: joined, Conversation: groups, JoinedSeq: 2, JoinRecord: added.ID, EndRecord: left.ID}
	want[joined.ID] = ended
	f.Equal(want, f.memberships(left.ID-1, alice, bob))

	back := f.add(admin, bob)
	again := f.next(tail)[0]
	want[back.ID] = realtime.Membership{Copy: back, Conversation: groups, JoinedSeq: 2, JoinRecord: again.ID}
	f.Equal(want, f.memberships(left.ID-1, alice, bob))

	f.tick()
	f.NoError(f.store.RemoveGroup(f.ctx, admin))
	removed := f.next(tail)[0]
	for _, m := range f.memberships(left.ID, carol, bob) {
		if m.Conversation == groups {
			f.Equal(removed.ID, m.EndRecord, "of the copy of %s", m.Copy.Owner)
		}
	}
	f.Len(f.memberships(left.ID, carol, bob), 3)
}

func commitsAreTold(f *fixture) {
	told, remains := f.listen(), f.listen()
	tail := f.tail()
	copies := f.group(alice)
	here := f.groupOf(copies[0])
	f.hears(told, "a new group", realtime.Stream{Conversation: here}, realtime.Stream{User: alice})
	f.chat(alice, bob)
	f.hears(told, "a new chat", realtime.Stream{User: alice}, realtime.Stream{User: bob})
	f.next(tail)
	for name, act := range map[string]struct {
		do func() error
		on []realtime.Stream
	}{
		"a send": {func() error {
			_, err := f.store.AppendMessage(f.ctx, copies[0], chat.Draft{Content: "one"})
			return err
		}, []realtime.Stream{{Conversation: here}}},
		"a clear": {func() error { return f.store.ClearCopy(f.ctx, copies[0]) }, []realtime.Stream{{Conversation: here}, {User: alice}}},
		"an update": {func() error {
			_, err := f.store.UpdateGroup(f.ctx, copies[0], group.Update{Title: new("Two")})
			return err
		}, []realtime.Stream{{Conversation: here}}},
		"a new member": {func() error {
			_, err := f.store.AddMember(f.ctx, copies[0], carol, 10)
			return err
		}, []realtime.Stream{{Conversation: here}, {User: carol}}},
		"an erasure": {func() error { return f.store.EraseUser(f.ctx, bob) }, []realtime.Stream{{User: bob}}},
		"a logout":   {func() error { return f.store.EndSession(f.ctx, alice, "") }, []realtime.Stream{{User: alice}}},
	} {
		told.forget()
		f.NoError(act.do())
		f.hears(told, name, act.on...)
		f.NotEmpty(f.next(tail), "the reported records must be readable")
	}
	told.remove()
	told.forget()
	remains.forget()
	f.clear(copies[0])
	f.hears(remains, "the listener that remains", realtime.Stream{User: alice})
	f.Empty(told.all(), "a removed listener must not be called")
}

// A listener collects the streams that it was notified of.
type listener struct {
	remove func()
	mu     sync.Mutex
	news   []realtime.Stream
}

func (f *fixture) listen() *listener {
	l := &listener{}
	l.remove = f.store.OnCommit(func(news []realtime.Stream) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.news = append(l.news, news...)
	})
	f.t.Cleanup(l.remove)
	return l
}

func (l *listener) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.news = nil
}

func (l *listener) all() []realtime.Stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.news)
}

// hears waits until a listener was notified of changes on these streams.
func (f *fixture) hears(l *listener, what string, streams ...realtime.Stream) {
	f.t.Helper()
	f.Eventually(func() bool {
		told := l.all()
		return !slices.ContainsFunc(streams, func(s realtime.Stream) bool { return !slices.Contains(told, s) })
	}, 30*time.Second, time.Millisecond, "%s is told on %v", what, streams)
}
