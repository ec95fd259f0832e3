package graphqlapi_test

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/internal/pgtest"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/user"
)

// onStores runs a benchmark on each kind of store, initially empty.
func onStores(b *testing.B, f func(b *testing.B, s buddychat.Store)) {
	b.Run("memory", func(b *testing.B) { f(b, memory.New(nil)) })
	b.Run("SQLite", func(b *testing.B) {
		db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "bench.db"), &sqlite.Options{Migrate: true})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, db.Close()) })
		f(b, db)
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		db, err := postgres.Open(b.Context(), pgtest.URL(b), &postgres.Options{Migrate: true})
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, db.Close()) })
		f(b, db)
	})
}

// BenchmarkNewestFiftyByHTTP runs the query of a client that opens a chat, over one connection.
func BenchmarkNewestFiftyByHTTP(b *testing.B) {
	onStores(b, func(b *testing.B, s buddychat.Store) {
		a := serve(b, func(o *setup) { o.store = s })
		anna, bert := a.register(b, "anna"), a.register(b, "bert")
		_, others, err := a.app.Chats.Open(b.Context(), anna.ID, bert.ID)
		require.NoError(b, err)
		for range 50 {
			_, err := a.app.Chats.Send(b.Context(), bert.ID, others.ID, chat.Draft{Content: "Shall we meet at the station at half past seven?"})
			require.NoError(b, err)
		}
		id := at(a.must(b, anna.token, `{ chats(first: 1) { nodes { id } } }`, nil), "chats", "nodes", 0, "id")
		body := jsonOf(map[string]any{"variables": map[string]any{"id": id}, "query": `query($id: ID!) { chat(id: $id) { chatMessages(first: 50) {
			nodes { id message { id content date sender { id username } } } pageInfo { hasNextPage endCursor } } } }`})
		b.ReportAllocs()
		for b.Loop() {
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, a.server.URL+"/graphql", strings.NewReader(body))
			require.NoError(b, err)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+anna.token)
			response, err := a.server.Client().Do(r)
			require.NoError(b, err)
			answer, err := io.ReadAll(response.Body)
			require.NoError(b, err)
			require.NoError(b, response.Body.Close())
			require.Equal(b, 50, strings.Count(string(answer), "half past seven"))
		}
	})
}

// BenchmarkDeliverToSockets sends a message to a group whose members all have an open socket, and
// waits until each has received it. The figures are for one message to all members, including
// sending, reading and the hub's interval between two polls. B/socket is the memory of an idle
// socket, including the client's end.
func BenchmarkDeliverToSockets(b *testing.B) {
	for _, sockets := range []int{1, 1000} {
		b.Run(fmt.Sprintf("sockets=%d", sockets), func(b *testing.B) {
			a := serve(b)
			anna := a.register(b, "anna")
			g, own, err := a.app.Groups.Create(b.Context(), anna.ID, group.Draft{Title: "A group"})
			require.NoError(b, err)
			require.NotZero(b, g.ID)

			before := heap()
			read := make(chan error, sockets)
			for i := range sockets {
				p := a.member(b, anna.ID, own.ID, i)
				c := a.connectAs(b, p)
				c.subscribed()
				go c.reports(read)
			}
			perSocket := float64(heap()-before) / float64(sockets)
			b.ReportAllocs()
			for b.Loop() {
				_, err := a.app.Groups.Send(b.Context(), anna.ID, own.ID, chat.Draft{Content: "to all"})
				require.NoError(b, err)
				for range sockets {
					require.NoError(b, <-read)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*sockets), "ns/socket")
			b.ReportMetric(perSocket, "B/socket")
		})
	}
}

// member registers a user and adds them to a group.
func (a *api) member(b *testing.B, admin user.ID, own int64, i int) person {
	b.Helper()
	p := a.register(b, fmt.Sprintf("member%d", i))
	_, err := a.app.Groups.Add(b.Context(), admin, own, p.ID)
	require.NoError(b, err)
	return p
}

// reports signals each message that is read, until the socket is closed.
func (c *client) reports(read chan<- error) {
	for {
		kind, data, err := c.conn.Read(c.t.Context())
		switch {
		case err != nil:
			return
		case kind != websocket.MessageText:
			read <- fmt.Errorf("a message of kind %v", kind)
		case strings.Contains(string(data), "GROUP_MESSAGE_CREATED"):
			read <- nil
		}
	}
}

// heap returns the memory in use after a garbage collection, in bytes, including stacks.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
