package torture

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage/bunstore"
)

// An act on PostgreSQL passes gates, which are advisory locks. An act that writes a message passes
// beforeMessage, after it has its transaction id and before it has its record id. An update of a
// group passes beforeCommit, after it has its record id. A gate is open unless a session holds the
// lock with its number.
const (
	beforeMessage = 1
	beforeCommit  = 2
)

// hesitate creates the gates, and makes acts pause there for a moment now and then. So records are
// committed out of the order of their ids, and later transactions before earlier ones, at a rate so
// low that little else advances the ids.
func hesitate(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, statement := range []string{
		`CREATE FUNCTION hesitate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			IF random() < 0.3 THEN PERFORM pg_sleep(random() * 0.03); END IF;
			PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::bigint);
			RETURN NEW;
		END $$`,
		`CREATE TRIGGER hesitate BEFORE INSERT ON ` + bunstore.DefaultPrefix + `messages FOR EACH ROW EXECUTE FUNCTION hesitate(1)`,
		`CREATE CONSTRAINT TRIGGER hesitate AFTER INSERT ON ` + bunstore.DefaultPrefix + `events DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW WHEN (NEW.operation = 'GROUP_UPDATED') EXECUTE FUNCTION hesitate(2)`,
		`CREATE CONSTRAINT TRIGGER hesitate_otherwise AFTER INSERT ON ` + bunstore.DefaultPrefix + `events DEFERRABLE INITIALLY DEFERRED
			FOR EACH ROW WHEN (NEW.operation <> 'GROUP_UPDATED') EXECUTE FUNCTION hesitate(0)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
}

// A transaction is one of the application's. No user sees its acts before it is committed.
type transaction struct {
	node     *node
	tx       *sql.Tx
	services services
	acts     []*act
	records  [][]int64
}

// hold executes an act in a transaction of the application, which stays open. The open transaction
// must not delay other rooms.
func (m *machine) hold() {
	if !m.writers {
		m.alone()
		return
	}
	if len(m.open) < 3 && (len(m.open) == 0 || m.chance(60)) {
		m.beginTx()
	}
	m.within(func(ctx context.Context) error { return m.actIn(ctx, pick(m, m.open)) })
}

func (m *machine) beginTx() *transaction {
	n := m.node()
	tx, err := n.db.SQL().BeginTx(context.Background(), nil)
	require.NoError(m, err)
	bound := n.db.In(tx)
	x := &transaction{node: n, tx: tx, services: services{chat.NewService(bound, everybody{}, nil), group.NewService(bound, everybody{}, nil)}}
	m.open = append(m.open, x)
	return x
}

func (m *machine) actIn(ctx context.Context, x *transaction) error {
	a := m.act()
	if a == nil {
		return nil
	}
	err := m.judge(a, a.do(ctx, x.services))
	if err != nil {
		return err
	}
	ids, err := m.records(ctx, x.tx, a.room)
	x.acts, x.records = append(x.acts, a), append(x.records, ids)
	return err
}

// end ends a transaction of the application. After a commit, it hints the hub.
func (m *machine) end(x *transaction, commit bool) {
	m.open = slices.DeleteFunc(m.open, func(other *transaction) bool { return other == x })
	if !commit {
		require.NoError(m, x.tx.Rollback())
		for _, a := range x.acts {
			a.room.busy = false
		}
		return
	}
	require.NoError(m, x.tx.Commit())
	for i, a := range x.acts {
		m.enter(a, x.records[i])
	}
	if !slices.Contains(m.nodes, x.node) { // the node was restarted in the meantime
		x.node = m.nodes[0]
	}
	x.node.app.Hub.Hint()
}

// interleave commits one transaction, and lets every node see it, before another whose record id
// lies between two record ids of the first.
func (m *machine) interleave() {
	if !m.writers || len(m.open) > 2 || len(m.free()) < 3 {
		return
	}
	first, later := m.beginTx(), m.beginTx()
	m.within(func(ctx context.Context) error {
		for _, x := range []*transaction{first, later, first} {
			if err := m.actIn(ctx, x); err != nil {
				return err
			}
		}
		return nil
	})
	var witnesses []*client
	if len(later.acts) > 0 {
		witnesses = m.witnesses(later.acts[0].room)
	}
	m.end(first, true)
	m.look()
	m.look()
	m.end(later, true)
	m.hear(witnesses)
}

// overtake produces a gap in the record ids that a wrong implementation gives up too early. The
// first act gets its transaction id and waits. The later act gets a record id and waits. Then the
// first gets a higher record id and commits, and every node sees its record, several times. Then
// the later act commits. When its record id was first missing, its transaction id was above those
// of all ended transactions. So an implementation that takes the newest ended transaction as an
// upper limit for the running ones gives up the id and misses the record.
func (m *machine) overtake() {
	first, later := m.overtaking()
	if first == nil {
		return
	}
	for len(m.open) > 0 { // an older open transaction would keep the id from being given up
		m.end(m.open[0], true)
	}
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	gates, err := m.nodes[0].db.SQL().Conn(ctx)
	require.NoError(m, err)
	defer func() { // discard the connection: the end of the session releases the locks
		_ = gates.Raw(func(any) error { return driver.ErrBadConn })
	}()
	lock := func(statement string, gate int) {
		_, err := gates.ExecContext(ctx, statement, gate)
		require.NoError(m, err)
	}
	lock(`SELECT pg_advisory_lock($1)`, beforeMessage)
	lock(`SELECT pg_advisory_lock($1)`, beforeCommit)

	ended := []chan error{make(chan error, 1), make(chan error, 1)}
	for i, a := range []*act{first, later} {
		n := m.node()
		go func() { ended[i] <- a.do(ctx, n.services()) }()
		m.awaitAt(ctx, gates, i+1)
	}
	witnesses := m.witnesses(later.room)
	stop := m.lookOn(ctx)
	lock(`SELECT pg_advisory_unlock($1)`, beforeMessage)
	require.NoError(m, <-ended[0])
	stop()
	m.look()
	lock(`SELECT pg_advisory_unlock($1)`, beforeCommit)
	require.NoError(m, <-ended[1])
	m.done(first)
	m.done(later)
	m.hear(witnesses)
}

// witnesses makes a member of the room listen on every node.
func (m *machine) witnesses(r *room) (listening []*client) {
	for _, n := range m.nodes {
		c := &client{user: pick(m, r.present()).owner, got: map[*entry]bool{}}
		c.begin(m.rooms)
		c.note(m.rooms)
		m.within(func(ctx context.Context) error { return c.subscribe(ctx, n.app.Hub) })
		m.clients, listening = append(m.clients, c), append(listening, c)
	}
	return listening
}

// hear makes clients receive everything that they are owed. If there are many clients, it removes
// some of these.
func (m *machine) hear(listening []*client) {
	for _, c := range listening {
		m.catchUp(c)
		if len(m.clients) > 8 {
			c.subscription.Close()
			m.clients = slices.DeleteFunc(m.clients, func(other *client) bool { return other == c })
		}
	}
}

// overtaking chooses a send and, in another room, an update of a group. It returns nil if there are
// no two such rooms.
func (m *machine) overtaking() (send, update *act) {
	if !m.writers {
		return nil, nil
	}
	var groups, others []*room
	for _, r := range m.free() {
		if r.kind == chat.Group && len(groups) == 0 {
			groups = append(groups, r)
		} else {
			others = append(others, r)
		}
	}
	if len(groups) == 0 || len(others) == 0 {
		return nil, nil
	}
	in, r := pick(m, others), groups[0]
	by, admin := pick(m, in.present()), pick(m, r.admins())
	content, title := "overtaken", "another title"
	var made chat.Message
	in.busy, r.busy = true, true
	send = &act{name: "send", room: in, then: func() {
		in.sent(&message{id: made.ID, seq: made.Seq, sender: by.owner, contents: []string{content}})
	}, do: func(ctx context.Context, s services) (err error) {
		if in.kind == chat.Group {
			made, err = s.groups.Send(ctx, by.owner, by.id, chat.Draft{Content: content})
		} else {
			made, err = s.chats.Send(ctx, by.owner, by.id, chat.Draft{Content: content})
		}
		return err
	}}
	update = &act{name: "update", room: r, then: func() { r.updated(admin.owner) }, do: func(ctx context.Context, s services) error {
		_, err := s.groups.Update(ctx, admin.owner, admin.id, group.Update{Title: &title})
		return err
	}}
	return send, update
}

// awaitAt waits until a session waits at a gate.
func (m *machine) awaitAt(ctx context.Context, db querier, gate int) {
	for waiting := 0; waiting == 0; {
		rows, err := db.QueryContext(ctx, `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND objid = $1
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`, gate)
		require.NoError(m, err)
		require.True(m, rows.Next())
		require.NoError(m, rows.Scan(&waiting))
		require.NoError(m, rows.Close())
	}
}
