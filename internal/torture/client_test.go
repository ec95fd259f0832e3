package torture

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/user"
)

// A client is one device. It resumes after the last cursor that it received.
type client struct {
	user         user.ID
	subscription *realtime.Subscription // nil while disconnected
	cursor       string
	since        map[*room]int   // the length of each ledger when the client first arrived
	got          map[*entry]bool // every entry ever received
	watched
}

// watched is the state of the current subscription.
type watched struct {
	from   int64         // the record after which it resumed
	at     int64         // the record of the last cursor
	next   map[*room]int // the index after the last entry received
	gone   map[*message]bool
	ended  map[*ownCopy]bool
	resume bool
	amid   bool // it received a message, and the message's notification comes next
}

// note records, before a subscription begins, what has already ended and must not be delivered any
// more.
func (c *client) note(rooms []*room) {
	resumed := c.cursor != ""
	c.watched = watched{next: map[*room]int{}, gone: map[*message]bool{}, ended: map[*ownCopy]bool{}, resume: resumed}
	for _, r := range rooms {
		if !resumed {
			c.next[r] = len(r.ledgers[c.user])
		}
		for _, m := range r.written {
			c.gone[m] = m.gone
		}
		for _, own := range r.copies {
			c.ended[own] = own.ended
		}
	}
}

// begin records that the client is owed everything from now on.
func (c *client) begin(rooms []*room) {
	c.since = map[*room]int{}
	for _, r := range rooms {
		c.since[r] = len(r.ledgers[c.user])
	}
}

// owed returns an entry that the client must still receive, or nil if it has received everything.
func (c *client) owed(rooms []*room) *entry {
	for _, r := range rooms {
		ledger := r.ledgers[c.user]
		for _, e := range ledger[min(c.since[r], len(ledger)):] {
			if !c.got[e] && e.due() {
				return e
			}
		}
	}
	return nil
}

// subscribe opens the client's subscription. Call note first.
func (c *client) subscribe(ctx context.Context, hub *realtime.Hub) error {
	s, err := hub.Subscribe(ctx, c.user, c.cursor)
	if err != nil {
		return err
	}
	p, err := realtime.ParseCursor(s.Start())
	if err != nil {
		return err
	}
	c.subscription, c.cursor, c.at = s, s.Start(), p.ID
	if c.resume {
		c.from = p.ID
	}
	return nil
}

// take receives owed events, at most most of them. It returns false if the subscription ended and
// the client must resume.
func (c *client) take(t *rapid.T, rooms []*room, most int) bool {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for most > 0 {
		owed := c.owed(rooms)
		if owed == nil {
			return true
		}
		came := false
		for e, err := range c.subscription.Events(ctx) {
			came = true
			if err != nil {
				require.True(t, errors.Is(err, realtime.ErrSlowConsumer) || errors.Is(err, realtime.ErrClosed), "%v", err)
				c.subscription = nil
				return false
			}
			c.check(t, rooms, e)
			break
		}
		require.True(t, came, "missed by %s: %+v about %+v in room %d", c.user, *owed, owed.about, owed.copy.room.id)
		most--
	}
	return true
}

// drop disconnects the client. If worst is set, it does so between a message and the message's
// notification, if possible.
func (c *client) drop(t *rapid.T, rooms []*room, worst bool) {
	for worst && !c.amid && c.owed(rooms) != nil {
		if !c.take(t, rooms, 1) {
			return
		}
	}
	c.subscription.Close()
	c.subscription = nil
}

// check compares one event with the ledger.
func (c *client) check(t *rapid.T, rooms []*room, e realtime.Event) {
	p, err := realtime.ParseCursor(e.Cursor)
	require.NoError(t, err)
	require.GreaterOrEqual(t, p.ID, c.at, "the cursor fell")
	c.at, c.cursor = p.ID, e.Cursor

	number, derived := strings.CutSuffix(e.ID, "n")
	id, err := strconv.ParseInt(number, 10, 64)
	require.NoError(t, err)
	require.Greater(t, id, c.from, "what is before the cursor came again")
	var in *room
	for _, r := range rooms {
		if r.id == e.Conversation {
			in = r
		}
	}
	require.NotNil(t, in, "of a room that is not there: %+v", e)
	ledger := in.ledgers[c.user]
	i := 0
	for i < len(ledger) && (ledger[i].record != id || ledger[i].derived != derived) {
		i++
	}
	require.Less(t, i, len(ledger), "leaked to %s, who is not to be told of it: %+v", c.user, e)
	require.GreaterOrEqual(t, i, c.next[in], "out of order, or twice, for %s: %+v", c.user, e)
	for j := c.next[in]; j < i; j++ {
		skipped := ledger[j]
		require.True(t, j < c.since[in] || c.got[skipped] || !skipped.due(), "%+v came to %s before %+v", e, c.user, *skipped)
	}
	c.next[in] = i + 1
	c.got[ledger[i]] = true
	c.amid = i+1 < len(ledger) && ledger[i+1].derived && ledger[i+1].record == id
	c.compare(t, ledger[i], e)
}

// compare compares an event with the entry that the client was owed.
func (c *client) compare(t *rapid.T, want *entry, e realtime.Event) {
	require.Equal(t, want.operation, e.Operation)
	require.Equal(t, chat.Copy{Kind: want.copy.room.kind, ID: want.copy.id, Owner: c.user}, e.Copy)
	require.Equal(t, want.member, e.Member)
	require.Equal(t, want.erased, e.Erased)
	require.Contains(t, []user.ID{want.actor, ""}, e.Actor)
	require.True(t, !c.ended[want.copy] || want.last, "of a copy that was over when it resumed: %+v", e)
	about := want.about
	if want.to != 0 {
		for _, m := range want.copy.room.written {
			if m.id == e.MessageID {
				about = m
			}
		}
		require.True(t, about != nil && about.sender == c.user && want.from < about.seq && about.seq <= want.to, "about another's message: %+v", e)
	}
	if about == nil {
		require.Zero(t, e.MessageID)
		require.Nil(t, e.Message)
		return
	}
	require.Equal(t, about.id, e.MessageID)
	if e.Message == nil {
		require.Contains(t, []realtime.Operation{realtime.ChatMessageDeleted, realtime.GroupMessageDeleted, realtime.ChatMessageUnsent, realtime.GroupMessageUnsent}, e.Operation)
		return
	}
	require.False(t, c.gone[about], "content that was gone when it subscribed: %+v", e)
	require.Equal(t, about.id, e.Message.ID)
	require.Equal(t, about.sender, e.Message.Sender)
	require.Contains(t, about.contents[want.version:], e.Message.Content, "a content from before the event")
}
