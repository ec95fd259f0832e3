package realtime

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// Events and failures come in any order, with transactions that end late or never, slow consumers
// and disconnects. Every client must get all events that it may see, in order, and no others.
func TestEveryClientGetsExactlyTheEventsItMaySeeInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		var failure any // rapid stops a test by a panic, which must not end the bubble's goroutine
		synctest.Test(t, func(*testing.T) {
			defer func() { failure = recover() }()
			m := newModel(rt)
			defer m.stop()
			for range rapid.IntRange(10, 80).Draw(rt, "steps") {
				m.step()
			}
			m.settle()
		})
		if failure != nil {
			panic(failure)
		}
	})
}

type model struct {
	*rapid.T
	w       *world
	hub     *Hub
	ended   chan error
	open    []*tx
	clients []*client
}

// A client is one device, which reconnects after the last cursor that it has.
type client struct {
	user         user.ID
	subscription *Subscription // nil while it is offline
	cursor       string
	since        int             // the number of commits before it first connected
	got          map[string]bool // the ids of events
	watched
}

// watched is what the test knows of the current subscription.
type watched struct {
	from    int64
	at      int64           // of the last cursor
	last    map[int64]int64 // the last event of each conversation
	unsent  map[int64]bool  // the messages that had no content when it began
	endings map[int64]int64 // the copies that had ended by then, and their last records
}

func newModel(t *rapid.T) *model {
	w := newWorld()
	h := NewHub(w, &Options{Queue: rapid.IntRange(2, 9).Draw(t, "queue"), Window: rapid.IntRange(1, 9).Draw(t, "window")})
	h.pageSize, h.chunkSize = rapid.IntRange(1, 4).Draw(t, "page"), rapid.IntRange(1, 4).Draw(t, "chunk")
	m := &model{T: t, w: w, hub: h, ended: make(chan error, 1)}
	w.chat(alice, bob)
	w.group(alice, bob, carol)
	go func() { m.ended <- h.Run(context.Background()) }()
	return m
}

func (m *model) stop() {
	require.NoError(m, m.hub.Shutdown(context.Background()))
	require.NoError(m, <-m.ended)
}

func pick[T any](m *model, from []T) T { return rapid.SampledFrom(from).Draw(m.T, "which") }

func (m *model) user() user.ID { return pick(m, []user.ID{alice, bob, carol}) }

func (m *model) step() {
	switch n := rapid.IntRange(0, 19).Draw(m.T, "step"); {
	case n < 7:
		x := m.w.begin()
		m.act(x)
		x.commit()
	case n < 10 && len(m.open) < 4:
		x := m.w.begin()
		m.act(x)
		m.act(x)
		m.open = append(m.open, x)
	case n < 12 && len(m.open) > 0:
		m.endOne(rapid.IntRange(0, 3).Draw(m.T, "commit") > 0)
	case n == 12 && len(m.w.conversations) < 8:
		m.createConversation()
	case n == 13:
		m.w.set(func() { m.w.failures = rapid.IntRange(0, 4).Draw(m.T, "failures") })
	case n < 16 && len(m.clients) < 6:
		c := &client{user: m.user(), got: map[string]bool{}, since: len(m.w.commits)}
		if rapid.Bool().Draw(m.T, "by position") {
			var err error
			c.cursor, err = m.hub.Position(context.Background())
			require.NoError(m, err)
		}
		m.clients = append(m.clients, c)
		m.connect(c)
	case n == 16:
		m.interleave()
	case len(m.clients) > 0:
		c := pick(m, m.clients)
		switch {
		case c.subscription == nil:
			m.connect(c)
		case n == 17:
			c.subscription.Close()
			c.subscription = nil
		default:
			m.receive(c, rapid.IntRange(1, 12).Draw(m.T, "events"))
		}
	}
}

// interleave lets transactions commit while the hub is in the middle of a call.
func (m *model) interleave() {
	synctest.Wait()
	x, fired := m.w.begin(), false
	m.act(x)
	call := pick(m, []string{"Next", "Memberships", "View", "Records", "CheckPosition"})
	m.w.set(func() {
		m.w.before[call] = func() {
			x.commit()
			fired = true
		}
	})
	switch away := m.away(); {
	case away != nil:
		m.connect(away)
		time.Sleep(2 * time.Second)
	case len(m.clients) > 0:
		m.receive(pick(m, m.clients), 100)
	}
	synctest.Wait()
	m.w.set(func() { delete(m.w.before, call) })
	if !fired {
		x.commit()
	}
}

func (m *model) away() *client {
	for _, c := range m.clients {
		if c.subscription == nil {
			return c
		}
	}
	return nil
}

func (m *model) endOne(commit bool) {
	i := rapid.IntRange(0, len(m.open)-1).Draw(m.T, "which")
	if x := m.open[i]; commit {
		x.commit()
	} else {
		x.rollback()
	}
	m.open = append(m.open[:i], m.open[i+1:]...)
}

// createConversation creates a conversation.
func (m *model) createConversation() {
	u, other := m.user(), m.user()
	switch {
	case rapid.Bool().Draw(m.T, "group"):
		m.w.group(u)
	case u == other:
		m.w.chat(u)
	default:
		m.w.chat(u, other)
	}
}

// act changes a conversation that no open transaction has locked.
func (m *model) act(x *tx) {
	var free []*conversation
	for _, c := range m.w.conversations {
		if !c.locked {
			free = append(free, c)
		}
	}
	if len(free) == 0 {
		return
	}
	c := pick(m, free)
	var present []Membership
	members := map[user.ID]bool{}
	for _, copy := range m.w.membershipsOf(c.id) {
		if copy.EndRecord == 0 {
			present = append(present, copy)
			members[copy.Copy.Owner] = true
		}
	}
	if len(present) == 0 {
		return
	}
	by := pick(m, present)
	if u := m.user(); c.kind == chat.Group && !members[u] {
		x.join(c, u)
		return
	}
	switch n := rapid.IntRange(0, 12).Draw(m.T, "act"); {
	case n < 5 || len(c.sent) == 0:
		x.send(c, by.Copy.Owner, "m")
		if n == 0 {
			for range rapid.IntRange(1, 12).Draw(m.T, "more") { // a queue may have no room for all
				x.send(c, by.Copy.Owner, "and another")
			}
		}
	case n == 11 && c.kind == chat.Group:
		x.leave(c, by)
	case n == 12 && rapid.IntRange(0, 3).Draw(m.T, "end") == 0:
		if c.kind == chat.Group {
			x.removeGroup(c)
		} else {
			x.eraseChat(c, by.Copy.Owner)
		}
	default:
		m.actOn(x, c, by, pick(m, c.sent), n)
	}
}

func (m *model) actOn(x *tx, c *conversation, by Membership, message *sentMessage, n int) {
	m.w.mu.Lock()
	there := m.w.messages[message.id] != nil
	m.w.mu.Unlock()
	switch {
	case n == 5 && there:
		x.edit(c, message, "edited")
	case n == 6 && there:
		x.unsend(c, message)
	case n == 7 && message.seq > by.JoinedSeq:
		x.hide(c, by, message)
	case n == 8:
		x.clear(c, by)
	case n > 8 && message.seq > by.JoinedSeq:
		x.read(c, by, message)
	default:
		x.send(c, by.Copy.Owner, "instead")
	}
}

func (m *model) connect(c *client) {
	m.w.mu.Lock()
	c.watched = watched{last: map[int64]int64{}, unsent: map[int64]bool{}, endings: map[int64]int64{}}
	for _, conversation := range m.w.conversations {
		for _, sent := range conversation.sent {
			c.unsent[sent.id] = m.w.messages[sent.id] == nil
		}
	}
	for id, copy := range m.w.copies {
		c.endings[id] = copy.EndRecord
	}
	m.w.mu.Unlock()
	s, err := m.hub.Subscribe(context.Background(), c.user, c.cursor)
	require.NoError(m, err)
	synctest.Wait()
	if c.cursor == "" {
		c.since = len(m.w.commits)
	} else {
		require.Equal(m, c.cursor, s.Start())
		c.from = m.position(c.cursor)
	}
	c.subscription, c.cursor, c.at = s, s.Start(), m.position(s.Start())
}

func (m *model) position(cursor string) int64 {
	p, err := ParseCursor(cursor)
	require.NoError(m, err)
	return p.ID
}

// receive takes up to n events, and reports whether any came.
func (m *model) receive(c *client, n int) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	before := n
	for e, err := range c.subscription.Events(ctx) {
		if err != nil {
			require.ErrorIs(m, err, ErrSlowConsumer)
			m.connect(c)
			return true
		}
		m.check(c, e)
		if n--; n == 0 {
			break
		}
	}
	return n < before
}

// check checks one event that a client got.
func (m *model) check(c *client, e Event) {
	at := m.position(e.Cursor)
	require.GreaterOrEqual(m, at, c.at, "the cursor decreased")
	c.at, c.cursor = at, e.Cursor

	number, derived := strings.CutSuffix(e.ID, "n")
	id, err := strconv.ParseInt(number, 10, 64)
	require.NoError(m, err)
	require.Equal(m, derived, e.Operation == NotificationCreated)
	order := 2 * id
	if derived {
		order++
		require.Equal(m, order-1, c.last[e.Conversation], "a notification comes directly after its message")
	}
	require.Greater(m, id, c.from, "an event before the cursor came again")
	require.Greater(m, order, c.last[e.Conversation], "out of order, or twice")
	c.last[e.Conversation] = order
	c.got[e.ID] = true

	m.w.mu.Lock()
	defer m.w.mu.Unlock()
	copy := m.w.copies[e.Copy.ID]
	require.Equal(m, c.user, copy.Copy.Owner)
	require.Equal(m, copy.Copy, e.Copy)
	require.Equal(m, copy.Conversation, e.Conversation)
	require.LessOrEqual(m, copy.JoinRecord, id, "from before the member joined")
	require.True(m, copy.EndRecord == 0 || id <= copy.EndRecord, "from after the copy ended")
	if end := c.endings[e.Copy.ID]; end != 0 {
		require.Equal(m, end, id, "of a copy that had ended before the resume")
	}
	r := m.record(id)
	require.Contains(m, []user.ID{"", c.user}, r.Recipient, "for another user")
	if e.MessageID == 0 {
		return
	}
	if e.Message != nil {
		require.Equal(m, e.MessageID, e.Message.ID)
		require.Greater(m, e.Message.Seq, copy.JoinedSeq, "a message from before the member joined")
		require.False(m, c.unsent[e.MessageID], "content that was gone when it resumed")
	}
	if r.Operation == GroupMessageRead && r.Actor != c.user {
		require.Equal(m, c.user, e.Message.Sender)
		require.True(m, r.From < e.Message.Seq && e.Message.Seq <= r.Seq)
	} else {
		require.Equal(m, r.Message, e.MessageID)
	}
}

func (m *model) record(id int64) Record {
	for _, r := range m.w.commits {
		if r.ID == id {
			return r
		}
	}
	m.Fatalf("record %d was never committed", id)
	return Record{}
}

// settle ends all transactions, reconnects all clients, and checks that they got every event they
// should have.
func (m *model) settle() {
	for len(m.open) > 0 {
		m.endOne(true)
	}
	m.w.set(func() { m.w.failures = 0 })
	for _, c := range m.clients {
		if c.subscription == nil {
			m.connect(c)
		}
		for m.receive(c, 1000) {
		}
		c.subscription.Close()
		for _, r := range m.w.commits[c.since:] {
			for _, id := range m.due(c.user, r) {
				require.True(m, c.got[id], "%s of %s was missed: %+v, has %v", id, c.user, r, c.got)
			}
		}
	}
	m.requireNothingLeft()
}

// requireNothingLeft checks that the hub forgot all closed subscriptions.
func (m *model) requireNothingLeft() {
	_, err := m.hub.Position(context.Background())
	require.NoError(m, err)
	m.w.set(func() { clear(m.w.calls) })
	for _, c := range m.w.conversations {
		m.w.do(func(x *tx) { x.send(c, carol, "to no subscriber") })
	}
	_, err = m.hub.Position(context.Background())
	require.NoError(m, err)
	require.Zero(m, m.w.count("View"))
}

// due returns the ids of the events that a user must have got for a record, whenever it was
// delivered: what the user can see at the end, they could see before.
func (m *model) due(u user.ID, r Record) []string {
	id := strconv.FormatInt(r.ID, 10)
	for copy := range maps.Values(m.w.copies) {
		if copy.Copy.Owner != u || copy.Conversation != r.Conversation || copy.JoinRecord > r.ID || copy.EndRecord != 0 && copy.EndRecord != r.ID {
			continue
		}
		shows := func(message, seq int64) bool {
			return seq > copy.JoinedSeq && seq > copy.ClearedSeq && !m.w.hidden[HiddenMessage{copy.Copy.ID, message}]
		}
		message := m.w.messages[r.Message]
		switch r.Operation {
		case ChatOpened:
			return nil
		case ChatMessageCreated, GroupMessageCreated:
			if message != nil && shows(r.Message, r.Seq) && message.Sender != u {
				return []string{id, id + "n"}
			}
			fallthrough
		case ChatMessageUpdated, GroupMessageUpdated, ChatMessageRead:
			if message == nil || !shows(r.Message, r.Seq) {
				return nil
			}
		case ChatMessageUnsent, GroupMessageUnsent:
			if !shows(r.Message, r.Seq) {
				return nil
			}
		case GroupMessageRead:
			if !m.concerns(u, r, shows) {
				return nil
			}
		default:
			if r.Recipient != "" && r.Recipient != u {
				return nil
			}
		}
		return []string{id}
	}
	return nil
}

// concerns reports whether a read mark is the user's own, or covers a message of theirs.
func (m *model) concerns(u user.ID, r Record, shows func(message, seq int64) bool) bool {
	if r.Actor == u {
		return m.w.messages[r.Message] != nil && shows(r.Message, r.Seq)
	}
	for _, message := range m.w.messages {
		if message.Conversation == r.Conversation && message.Sender == u && r.From < message.Seq && message.Seq <= r.Seq && shows(message.ID, message.Seq) {
			return true
		}
	}
	return false
}
