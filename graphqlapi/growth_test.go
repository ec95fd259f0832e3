package graphqlapi

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/user"
)

// sized is a world whose lists have at least n entries each, including nested lists.
type sized struct {
	*world
	n      int
	viewer user.ID
	// crowd has n other members, who have read n messages of the viewer
	chat, group, crowd    chat.Copy
	crowdGroup, crowdLast string
}

func newSized(w *world, n int) *sized {
	s := &sized{world: w, n: n}
	s.viewer, s.chat, s.group = populate(w, n)
	var others []user.ID
	for i := range n {
		others = append(others, w.register(fmt.Sprint("reader", i)))
	}
	copies := w.group("a crowd", s.viewer, others...)
	s.crowd, s.crowdGroup = copies[0].Copy(), groupID(copies[0].Group)
	var last chat.Message
	for range n {
		last = w.send(s.crowd, "read by all")
	}
	s.crowdLast = groupMessageID(s.crowd.ID, last.ID)
	for _, c := range copies[1:] {
		_, err := w.app.Groups.Read(w.t.Context(), c.User, c.ID, last.ID)
		require.NoError(w.t, err)
	}
	return s
}

// cost runs a document several times. It returns the shortest time, including an earlier one unless
// that is 0, and the length of the answer.
func (s *sized) cost(document string, earlier time.Duration) (least time.Duration, length int) {
	least = earlier
	for range 5 {
		start := time.Now()
		r := s.run(s.viewer, document, "first", s.n, "chat", chatID(s.chat.ID), "group", groupCopyID(s.group.ID),
			"crowd", groupCopyID(s.crowd.ID), "crowdGroup", s.crowdGroup, "message", s.crowdLast)
		took := time.Since(start)
		require.Empty(s.t, r.errors, r.text)
		if length = len(r.text); least == 0 || took < least {
			least = took
		}
	}
	return least, length
}

// crowded are documents with nested lists of length $first.
var crowded = map[string]string{
	"the readers of a message":    `query($first: Int, $message: ID!) { node(id: $message) { ... on GroupMessage { readBy(first: $first) { totalCount nodes ` + aMember + ` } } } }`,
	"the readers of each message": `query($first: Int, $crowd: ID!) { group(id: $crowd) { groupMessages(first: $first) { nodes { id readBy(first: $first) { totalCount nodes { id } } } } } }`,
	"how many have read each":     `query($first: Int, $crowd: ID!) { group(id: $crowd) { groupMessages(first: $first) { nodes { id readBy(first: 0) { totalCount } } } } }`,
	"the members of a group":      `query($first: Int, $crowdGroup: ID!) { node(id: $crowdGroup) { ... on UserGroup { members(first: $first) { totalCount nodes ` + aMember + ` } } } }`,
	"the unread counts of chats":  `query($first: Int) { chats(first: $first) { nodes { id unreadCount } } }`,
	"the unread counts of groups": `query($first: Int) { groups(first: $first) { nodes { id unreadCount } } }`,
	"the last messages of chats":  `query($first: Int) { chats(first: $first) { nodes { lastMessage { message { content sender { username } } } } } }`,
	"the last messages of groups": `query($first: Int) { groups(first: $first) { nodes { lastMessage { message { content sender { username } } } } } }`,
	"unread notifications":        `query($first: Int) { notifications(first: $first, isRead: false) { totalCount nodes { id } } }`,
	"archived chats":              `query($first: Int) { chats(first: $first, archived: false) { totalCount nodes { id } } }`,
	"the counts of the lists":     `query($first: Int) { users { totalCount } groups(first: $first) { nodes { groupMessages(first: 1) { totalCount } member { group { membersCount } } } } }`,
}

// excess is how much more time an entry may take in a long list than in a short one. The long list
// is growth times as long, so quadratic time exceeds it. Other work on the machine can only add
// time, so a list that exceeds it is measured again, and its shortest time counts.
const (
	excess = 3
	growth = 8
	rounds = 10
)

func TestTimeOfListsIsProportionalToTheirLength(t *testing.T) {
	if testing.Short() {
		t.Skip("it compares times, which the race detector distorts")
	}
	for database, open := range map[string]func(t *testing.T) *world{
		"SQLite": func(t *testing.T) *world { w, _ := newSQLiteWorld(t); return w },
		"PostgreSQL": func(t *testing.T) *world {
			db, err := postgres.Open(t.Context(), pgtest.URL(t), &postgres.Options{Migrate: true})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			return newWorldOn(t, db, nil)
		},
	} {
		t.Run(database, func(t *testing.T) {
			const short = 12
			small, large := newSized(open(t), short), newSized(open(t), growth*short)
			for _, documents := range []map[string]string{lists, crowded} {
				for name, document := range documents {
					t.Run(name, func(t *testing.T) {
						var fewer, more, bound time.Duration
						for range rounds {
							var less, length int
							fewer, less = small.cost(document, fewer)
							more, length = large.cost(document, more)
							t.Logf("%v for %d bytes, %v for %d", fewer, less, more, length)
							if bound = excess * fewer * time.Duration(max(growth, length/less)); more < bound {
								return
							}
						}
						require.Less(t, more, bound)
					})
				}
			}
		})
	}
}
