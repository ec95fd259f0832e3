package torture

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/user"
)

func TestEverySubscriberOnThreeNodesGetsExactlyTheEventsItMaySeeInOrder(t *testing.T) {
	t.Parallel()
	c := onPostgreSQL(t, hostsUsers)
	hesitate(t, c.nodes[0].db.SQL())
	histories(t, c)
}

func TestEverySubscriberOnSQLiteGetsExactlyTheEventsItMaySeeInOrder(t *testing.T) {
	t.Parallel()
	histories(t, onSQLite(t, hostsUsers))
}

// histories runs random histories one after another on the same cluster. Each has its own users.
func histories(t *testing.T, c *cluster) {
	t.Helper()
	until := budget(t, 10*time.Minute)
	for first := true; first || time.Now().Before(until) && !t.Failed(); first = false {
		rapid.Check(t, func(rt *rapid.T) {
			if !first && time.Now().After(until) {
				return
			}
			m := &machine{T: rt, cluster: c, tag: rand.Text()[:8]}
			defer m.stop()
			m.begin()
			for range rapid.IntRange(10, 60).Draw(rt, "steps") {
				m.step()
			}
			m.settle()
			first = false
		})
	}
}

// A machine simulates users, clients and operators.
type machine struct {
	*rapid.T
	*cluster
	tag     string
	count   int
	users   []user.ID
	rooms   []*room
	clients []*client
	open    []*transaction
}

func (m *machine) begin() {
	for range 4 {
		m.addUser()
	}
	m.openChat(m.users[0], m.users[1])
	m.openGroup(m.users[0])
	m.openGroup(m.users[1])
	m.openChat(m.users[1], m.users[2])
}

// stop releases all resources, however the history ended.
func (m *machine) stop() {
	for _, x := range m.open {
		_ = x.tx.Rollback()
	}
	for _, c := range m.clients {
		if c.subscription != nil {
			c.subscription.Close()
		}
	}
}

// within runs a call with a timeout. Only the machine's own goroutine may call it.
func (m *machine) within(call func(context.Context) error) {
	m.Helper()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	require.NoError(m, call(ctx))
}

func (m *machine) node() *node { return pick(m, m.nodes) }

func (m *machine) addUser() user.ID {
	m.count++
	u := user.ID(fmt.Sprintf("%s-%d", m.tag, m.count))
	m.users = append(m.users, u)
	return u
}

func (m *machine) openChat(a, b user.ID) *room {
	r := &room{kind: chat.OneToOne, ledgers: map[user.ID][]*entry{}}
	m.within(func(ctx context.Context) error {
		mine, others, err := m.node().app.Chats.Open(ctx, a, b)
		if err != nil {
			return err
		}
		for _, known := range m.rooms {
			if known.id == mine.Conversation {
				r = known
				return nil
			}
		}
		r.id = mine.Conversation
		r.join(mine.ID, a, false)
		if a != b {
			r.join(others.ID, b, false)
		}
		m.rooms = append(m.rooms, r)
		ids, err := m.records(ctx, m.nodes[0].db.SQL(), r)
		if err == nil {
			r.record = ids[len(ids)-1] // CHAT_OPENED, which only nodes see
		}
		return err
	})
	return r
}

func (m *machine) openGroup(creator user.ID) {
	r := &room{kind: chat.Group, creator: creator, ledgers: map[user.ID][]*entry{}}
	m.rooms = append(m.rooms, r)
	m.within(func(ctx context.Context) error {
		made, own, err := m.node().app.Groups.Create(ctx, creator, group.Draft{Title: "a title"})
		if err != nil {
			return err
		}
		r.id = made.ID
		r.joined(r.join(own.ID, creator, true), creator)
		ids, err := m.records(ctx, m.nodes[0].db.SQL(), r)
		require.Len(m, ids, 1)
		r.wrote(ids)
		return err
	})
}

// A querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// records returns the ids of the room's records that are newer than the last one known.
func (m *machine) records(ctx context.Context, q querier, r *room) (ids []int64, err error) {
	rows, err := q.QueryContext(ctx, `SELECT id FROM `+bunstore.DefaultPrefix+`events WHERE conversation_id = $1 AND id > $2 ORDER BY id`, r.id, r.record)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err reports what went wrong
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (m *machine) step() {
	switch n := rapid.IntRange(0, 99).Draw(m.T, "step"); {
	case n < 30:
		m.alone()
	case n < 52:
		m.together()
	case n < 58:
		m.hold()
	case n < 61:
		m.interleave()
	case n < 64:
		m.overtake()
	case n < 68 && len(m.open) > 0:
		m.end(pick(m, m.open), m.chance(75))
	case n < 70 && len(m.rooms) < 8:
		m.found()
	case n < 71 && len(m.open) == 0:
		m.erase(pick(m, m.users))
	case n < 73:
		m.restart()
	case n < 78 && len(m.clients) < 8:
		m.arrive()
	case len(m.clients) > 0:
		m.client(pick(m, m.clients), n)
	}
}

// alone executes one act on a random node.
func (m *machine) alone() {
	if a := m.act(); a != nil {
		n := m.node()
		m.within(func(ctx context.Context) error { return m.judge(a, a.do(ctx, n.services())) })
		m.done(a)
	}
}

func (n *node) services() services { return services{chats: n.app.Chats, groups: n.app.Groups} }

// judge returns nil if the act ended as expected.
func (m *machine) judge(a *act, err error) error {
	if a.want == nil {
		return err
	}
	require.ErrorIs(m, err, a.want, a.name)
	return nil
}

// done enters an act into the model. It checks that the act wrote exactly the expected records.
func (m *machine) done(a *act) {
	m.within(func(ctx context.Context) error {
		ids, err := m.records(ctx, m.nodes[0].db.SQL(), a.room)
		m.enter(a, ids)
		return err
	})
}

func (m *machine) enter(a *act, ids []int64) {
	a.room.busy = false
	if a.want == nil {
		a.then()
	}
	require.Len(m, ids, len(a.room.fresh), "records of %s", a.name)
	a.room.wrote(ids)
}

// together executes several acts in different rooms at the same time, on random nodes. Meanwhile
// every node polls the log continuously, and a client may resume.
func (m *machine) together() {
	for len(m.open) > 0 && m.chance(50) {
		m.end(m.open[0], true)
	}
	var acts []*act
	for range rapid.IntRange(2, 5).Draw(m.T, "acts") {
		if a := m.act(); a != nil {
			acts = append(acts, a)
		}
	}
	var back *client
	if away := m.away(); len(away) > 0 {
		back = pick(m, away)
		back.note(m.rooms)
	}
	errs := make([]error, len(acts)+1)
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	var wg sync.WaitGroup
	for i, a := range acts {
		n := m.node()
		wg.Go(func() { errs[i] = a.do(ctx, n.services()) })
	}
	if back != nil {
		n := m.node()
		wg.Go(func() { errs[len(acts)] = back.subscribe(ctx, n.app.Hub) })
	}
	stop := m.lookOn(ctx)
	wg.Wait()
	stop()
	for i, a := range acts {
		require.NoError(m, m.judge(a, errs[i]), a.name)
	}
	require.NoError(m, errs[len(acts)])
	for _, a := range acts {
		m.done(a)
	}
}

// look makes every node poll the log once.
func (m *machine) look() {
	m.within(func(ctx context.Context) error {
		for _, n := range m.nodes {
			if _, err := n.app.Hub.Position(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// lookOn makes every node poll the log continuously until stop is called.
func (m *machine) lookOn(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for _, n := range m.nodes {
		wg.Go(func() {
			for ctx.Err() == nil {
				if _, err := n.app.Hub.Position(ctx); err != nil {
					return
				}
			}
		})
	}
	return func() {
		cancel()
		wg.Wait()
	}
}

func (m *machine) found() {
	switch a, b := pick(m, m.users), pick(m, m.users); {
	case m.chance(60):
		m.openGroup(a)
	default:
		m.openChat(a, b)
	}
}

// erase erases a user, removes the user's clients, and adds a new user.
func (m *machine) erase(u user.ID) {
	m.clients = slices.DeleteFunc(m.clients, func(c *client) bool {
		if c.user == u && c.subscription != nil {
			c.subscription.Close()
		}
		return c.user == u
	})
	m.users = slices.DeleteFunc(m.users, func(other user.ID) bool { return other == u })
	m.within(func(ctx context.Context) error {
		if err := m.node().app.Erase(ctx, u); err != nil {
			return err
		}
		for _, r := range m.rooms {
			r.erased(u)
			ids, err := m.records(ctx, m.nodes[0].db.SQL(), r)
			if err != nil {
				return err
			}
			require.Len(m, ids, len(r.fresh), "records of an erasure")
			r.wrote(ids)
		}
		return nil
	})
	m.addUser()
}

// restart stops one node or all nodes and starts them again. The application's transactions on
// these nodes are rolled back.
func (m *machine) restart() {
	which := []int{rapid.IntRange(0, len(m.nodes)-1).Draw(m.T, "node")}
	if m.chance(20) {
		which = nil
		for i := range m.nodes {
			which = append(which, i)
		}
	}
	for _, i := range which {
		for _, x := range slices.Clone(m.open) {
			if x.node == m.nodes[i] {
				m.end(x, false)
			}
		}
		require.NoError(m, m.cluster.stop(i))
	}
	for _, i := range which {
		require.NoError(m, m.cluster.start(i))
	}
}

// arrive adds a client. It follows from its subscription on, or from a position that it asked for.
func (m *machine) arrive() {
	c := &client{user: pick(m, m.users), got: map[*entry]bool{}}
	if m.chance(50) {
		m.within(func(ctx context.Context) (err error) {
			c.cursor, err = m.node().app.Hub.Position(ctx)
			return err
		})
	}
	c.begin(m.rooms)
	m.clients = append(m.clients, c)
	if c.cursor == "" || m.chance(50) {
		m.connect(c)
	}
}

func (m *machine) away() (away []*client) {
	for _, c := range m.clients {
		if c.subscription == nil {
			away = append(away, c)
		}
	}
	return away
}

func (m *machine) connect(c *client) {
	c.note(m.rooms)
	n := m.node()
	m.within(func(ctx context.Context) error { return c.subscribe(ctx, n.app.Hub) })
}

// client makes a client connect, disconnect, or receive some events.
func (m *machine) client(c *client, n int) {
	switch {
	case c.subscription == nil:
		m.connect(c)
	case n < 84:
		c.drop(m.T, m.rooms, m.chance(50))
	default:
		c.take(m.T, m.rooms, rapid.IntRange(1, 40).Draw(m.T, "events"))
	}
}

// settle commits all open transactions and reconnects all clients. It checks that each client
// receives everything that it is owed, and nothing else.
func (m *machine) settle() {
	for len(m.open) > 0 {
		m.end(m.open[0], true)
	}
	m.look()
	// A message written now arrives after everything that the nodes have delivered.
	for _, u := range m.users {
		r := m.openChat(u, u)
		a := m.send(r, r.copyOf(u))
		a.room, r.busy = r, true
		n := m.node()
		m.within(func(ctx context.Context) error { return m.judge(a, a.do(ctx, n.services())) })
		m.done(a)
	}
	for _, c := range m.clients {
		m.catchUp(c)
	}
	m.compareViews()
}

// catchUp makes a client receive everything that it is owed.
func (m *machine) catchUp(c *client) {
	for c.subscription == nil || !c.take(m.T, m.rooms, math.MaxInt) {
		m.connect(c)
	}
}

// compareViews compares the messages in every copy with the model, so that the events and the
// stored messages agree.
func (m *machine) compareViews() {
	for _, r := range m.rooms {
		for _, c := range r.copies {
			var want, got []string
			for _, w := range r.written {
				if c.reads(w) {
					want = append(want, w.contents[len(w.contents)-1])
				}
			}
			n := m.node()
			m.within(func(ctx context.Context) error {
				page, err := n.app.Messages.List(ctx, chat.Copy{Kind: r.kind, ID: c.id, Owner: c.owner}, storage.First(storage.MaxPageSize))
				for _, shown := range slices.Backward(page.Items) {
					got = append(got, shown.Content)
				}
				return err
			})
			require.Equal(m, want, got, "what %s sees in room %d", c.owner, r.id)
		}
	}
}
