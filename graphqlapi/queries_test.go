package graphqlapi

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage/bunstore"
	"github.com/buddychat/buddychat/user"
)

// countingConnector counts the statements of its connections.
type countingConnector struct {
	driver.Connector
	statements atomic.Int64
}

func (c *countingConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &countingConn{conn, &c.statements}, nil
}

type countingConn struct {
	driver.Conn
	statements *atomic.Int64
}

func (c *countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.statements.Add(1)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.statements.Add(1)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *countingConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

// newSQLiteWorld creates a world on a SQLite database and counts its statements.
func newSQLiteWorld(t testing.TB) (*world, *countingConnector) {
	t.Helper()
	settings := url.Values{"_busy_timeout": {"10000"}, "_journal_mode": {"WAL"}, "_synchronous": {"OFF"}, "_foreign_keys": {"on"}, "_txlock": {"immediate"}}
	base, err := sqlite.NewConnector((&url.URL{Scheme: "file", Opaque: filepath.Join(t.TempDir(), "test.db"), RawQuery: settings.Encode()}).String())
	require.NoError(t, err)
	connector := &countingConnector{Connector: base}
	db := sql.OpenDB(connector)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := bunstore.Open(db, bunstore.SQLite, nil)
	require.NoError(t, err)
	require.NoError(t, store.Migrate(t.Context()))
	return newWorldOn(t, store, nil), connector
}

// populate gives the viewer n chats and n groups, each with different users, and adds n messages to
// the first chat and the first group.
func populate(w *world, n int) (viewer user.ID, firstChat, firstGroup chat.Copy) {
	viewer = w.register("viewer")
	for i := range n {
		other := w.register(fmt.Sprint("other", i))
		mine, others := w.open(viewer, other)
		groups := w.group(fmt.Sprint("group ", i), other, viewer)
		for range 3 {
			w.send(others.Copy(), "to the viewer")
			w.send(groups[0].Copy(), "to the viewer")
		}
		w.send(mine.Copy(), "by the viewer")
		last := w.send(groups[1].Copy(), "by the viewer")
		_, err := w.app.Groups.Read(w.t.Context(), other, groups[0].ID, last.ID)
		require.NoError(w.t, err)
		if i == 0 {
			firstChat, firstGroup = mine.Copy(), groups[1].Copy()
		}
	}
	for i := range n {
		added := fmt.Sprint("other", i)
		w.send(firstChat, added)
		m := w.send(firstGroup, added)
		_, err := w.app.Groups.Read(w.t.Context(), viewer, firstGroup.ID, m.ID)
		require.NoError(w.t, err)
	}
	return viewer, firstChat, firstGroup
}

const (
	somebody  = `{ id username firstName profilePicture dateJoined }`
	aMessage  = `{ id content date editedAt readAt clientMessageId sender ` + somebody + ` }`
	aMember   = `{ id isAdmin joinedAt user ` + somebody + ` member { username } group { id title membersCount createdBy { username } } userGroup { description } }`
	aPageInfo = `pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount`
)

// lists are documents with lists of length $first.
var lists = map[string]string{
	"users": `query($first: Int) { users(first: $first) { nodes ` + somebody + ` edges { cursor node { bio } } ` + aPageInfo + ` } }`,
	"chats": `query($first: Int) { chats(first: $first) { ` + aPageInfo + ` edges { cursor node { archived } }
		nodes { id user ` + somebody + ` otherUser ` + somebody + ` unreadCount lastMessage { id message ` + aMessage + ` chat { unreadCount lastMessage { message { content } } otherUser { username } } } } } }`,
	"the messages of chats": `query($first: Int) { chats(first: $first) { nodes {
		chatMessages(first: 2) { ` + aPageInfo + ` nodes { message ` + aMessage + ` chat { id unreadCount } } }
		again: chatMessages(first: 2) { nodes { id } } other: chat_messages(last: 1) { edges { node { message { content } } } } } } }`,
	"the messages of the chats of the messages of chats": `query($first: Int) { chats(first: $first) { nodes { chatMessages(first: 3) { nodes { chat { chatMessages(first: 2) { totalCount nodes { message ` + aMessage + ` } } } } } } } }`,
	"the messages of a chat":                             `query($first: Int, $chat: ID!) { chat(id: $chat) { chatMessages(first: $first) { ` + aPageInfo + ` nodes { id message ` + aMessage + ` chat { id unreadCount } } } } }`,
	"groups": `query($first: Int) { groups(first: $first) { ` + aPageInfo + ` nodes { id isArchived unreadCount member ` + aMember + `
		lastMessage { id message ` + aMessage + ` groupCopy { unreadCount member { isAdmin } } group_copy { id } readBy(first: 2) { totalCount nodes { user { username } } } } } } }`,
	"the messages of groups": `query($first: Int) { groups(first: $first) { nodes {
		groupMessages(first: 3) { ` + aPageInfo + ` nodes { message ` + aMessage + ` readBy { totalCount nodes { user ` + somebody + ` group { title members { totalCount nodes { user { username } } } } } } } } } } }`,
	"the members of groups": `query($first: Int) { groups(first: $first) { nodes { member { group { members(first: 5) { ` + aPageInfo + ` nodes ` + aMember + ` } } } } } }`,
	"the messages of a group": `query($first: Int, $group: ID!) { group(id: $group) { groupMessages(first: $first) { ` + aPageInfo + `
		nodes { id message ` + aMessage + ` groupCopy { unreadCount member { group { title } } } readBy(first: 3) { totalCount nodes ` + aMember + ` } } } } }`,
	"notifications": `query($first: Int) { notifications(first: $first) { ` + aPageInfo + ` nodes { id isRead readAt receiver { username } message ` + aMessage + ` } } }`,
	"one's own lists": `query($first: Int) { me { username email phoneNumbers { number } chats(first: $first) { totalCount nodes { lastMessage { message ` + aMessage + ` } } }
		notifications(first: $first) { nodes { message { sender { username } } } } } }`,
}

func TestTheNumberOfQueriesIsIndependentOfListLength(t *testing.T) {
	t.Parallel()
	w, connector := newSQLiteWorld(t)
	viewer, firstChat, firstGroup := populate(w, 50)
	for name, document := range lists {
		t.Run(name, func(t *testing.T) {
			statements := func(first int) (int64, int) {
				before := connector.statements.Load()
				r := w.run(viewer, document, "first", first, "chat", chatID(firstChat.ID), "group", groupCopyID(firstGroup.ID))
				require.Empty(t, r.errors, r.text)
				return connector.statements.Load() - before, len(r.text)
			}
			few, short := statements(5)
			many, long := statements(50)
			require.Equal(t, few, many)
			require.Greater(t, long, 5*short)
			t.Log(few, "statements")
		})
	}
}

func TestCountsAreTakenOnlyIfSelected(t *testing.T) {
	t.Parallel()
	w, connector := newSQLiteWorld(t)
	viewer, _, _ := populate(w, 2)
	for _, field := range []string{"users", "chats", "groups", "notifications"} {
		count := func(selection string) int64 {
			before := connector.statements.Load()
			r := w.run(viewer, `{ `+field+` { nodes { id } `+selection+` } }`)
			require.Empty(t, r.errors, r.text)
			return connector.statements.Load() - before
		}
		require.Greater(t, count("totalCount"), count("pageInfo { hasNextPage }"), field)
	}
}
