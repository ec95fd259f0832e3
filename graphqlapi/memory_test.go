package graphqlapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/user"
)

// largest is the content with the longest JSON: six bytes for each of 10,000 characters.
var largest = strings.Repeat("\x01", 10_000)

// aLargeChat creates a chat with 100 messages of the largest content, and returns its id.
func aLargeChat(t testing.TB, a *api, p person) string {
	t.Helper()
	mine, _, err := a.app.Chats.Open(t.Context(), p.ID, p.ID)
	require.NoError(t, err)
	for range 100 {
		_, err := a.app.Chats.Send(t.Context(), p.ID, mine.ID, chat.Draft{Content: largest})
		require.NoError(t, err)
	}
	return selfChat(t, a, p)
}

// manyPages selects n pages of a chat. Each has another length, so that fields cannot be merged.
func manyPages(n, contents int) string {
	var pages, names strings.Builder
	for i := range n {
		fmt.Fprintf(&pages, "p%d: chatMessages(first: %d) { ...M } ", i, 100-i)
	}
	for i := range contents {
		fmt.Fprintf(&names, "t%d: content ", i)
	}
	return "query($chat: ID!) { chat(id: $chat) { " + pages.String() + "} } fragment M on ChatMessageConnection { nodes { message { " + names.String() + "} } }"
}

// peak returns by how much the memory in use rose at most while f ran.
func peak(do func()) uint64 {
	runtime.GC()
	debug.FreeOSMemory()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var most atomic.Uint64
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			runtime.ReadMemStats(&now)
			most.Store(max(most.Load(), now.HeapAlloc))
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	})
	do()
	close(done)
	watching.Wait()
	return most.Load() - min(most.Load(), before.HeapAlloc)
}

// roomForOne allows each user one answer with the largest page at a time, but not two.
const roomForOne = 104 << 20

// These tests measure memory, so they must not run in parallel with others.

func TestNoDocumentTakesTheMemoryOfTheServerByHTTP(t *testing.T) { //nolint:paralleltest // it measures memory
	skipUnderTheRaceDetector(t)
	a := serve(t)
	alice := a.register(t, "alice")
	variables := map[string]any{"chat": aLargeChat(t, a, alice)}

	page := a.ask(t, alice.token, manyPages(1, 1), variables)
	require.NotContains(t, page.body, "errors", "a page of the largest messages can be read")
	require.Greater(t, len(page.text), 6_000_000)

	// 14 pages with three aliases of content are 250 MB of JSON, and once took more than a
	// gigabyte.
	used := peak(func() {
		var attackers sync.WaitGroup
		for range 4 {
			attackers.Go(func() {
				for range 3 {
					got := a.ask(t, alice.token, manyPages(14, 3), variables)
					if code := got.code0(); code != "QUERY_TOO_COMPLEX" && code != "THROTTLED" {
						t.Errorf("%d bytes with code %q", len(got.text), code)
					}
				}
			})
		}
		attackers.Wait()
	})
	t.Logf("peak: %d MB", used>>20)
	require.Less(t, used, uint64(400<<20))

	over := a.ask(t, alice.token, manyPages(14, 3), variables)
	require.Equal(t, "QUERY_TOO_COMPLEX", over.code())
	require.Contains(t, over.message(), "8388608 bytes: ask for")
	require.Equal(t, http.StatusOK, over.status, "application/json")
	over = a.do(t, http.MethodPost, "", jsonOf(map[string]any{"query": manyPages(14, 3), "variables": variables}), http.Header{
		"Authorization": {"Bearer " + alice.token}, "Accept": {"application/graphql-response+json"},
	})
	require.Equal(t, http.StatusBadRequest, over.status)
	require.NotContains(t, over.body, "data")
	require.NotContains(t, a.logs.String(), "failed", "no refusal is an INTERNAL error")
	require.NotContains(t, a.ask(t, alice.token, manyPages(1, 1), variables).body, "errors", "no memory is held afterwards")
}

func TestNoDocumentTakesTheMemoryOfTheServerBySocket(t *testing.T) { //nolint:paralleltest // it measures memory
	skipUnderTheRaceDetector(t)
	a := serve(t)
	alice := a.register(t, "alice")
	variables := map[string]any{"chat": aLargeChat(t, a, alice)}
	conn := a.connectAs(t, alice)
	conn.conn.SetReadLimit(16 << 20)
	require.NotContains(t, conn.run(manyPages(1, 1), variables), "errors")
	used := peak(func() {
		var ids []string
		for range 12 {
			ids = append(ids, conn.start(manyPages(14, 3), variables))
		}
		for _, id := range ids {
			require.Contains(t, []string{"QUERY_TOO_COMPLEX", "THROTTLED"}, conn.next(id).code(t))
		}
	})
	t.Logf("peak: %d MB", used>>20)
	require.Less(t, used, uint64(400<<20))
	require.NotContains(t, conn.run(manyPages(1, 1), variables), "errors")
}

func TestTextsOfUsersAreBoundedWithoutALogin(t *testing.T) { //nolint:paralleltest // it measures memory
	skipUnderTheRaceDetector(t)
	a := serve(t, func(s *setup) { s.api.MaxCost = 1 << 30 })
	bio, picture := strings.Repeat("\U0001F600", 500), "https://example.com/"+strings.Repeat("&", 2_000)
	for i := range 60 {
		p := a.register(t, fmt.Sprintf("anna%d", i))
		_, err := a.app.Users.Update(t.Context(), p.ID, user.Update{Bio: &bio, Picture: &picture})
		require.NoError(t, err)
	}
	var searches strings.Builder
	for i := range 15 {
		fmt.Fprintf(&searches, "u%d: users(search: \"ann\", first: %d) { ...U } ", i, 60-i)
	}
	const texts = "fragment U on CustomUserConnection { nodes { a: bio b: bio c: bio x: profilePicture y: profilePicture z: profilePicture } }"
	used := peak(func() {
		got := a.ask(t, "", "{ "+searches.String()+" } "+texts, nil)
		require.Equal(t, "QUERY_TOO_COMPLEX", got.code0())
		require.Contains(t, got.message(), "bytes")
	})
	t.Logf("peak: %d MB", used>>20)
	require.Less(t, used, uint64(150<<20))
}

// skipUnderTheRaceDetector skips a test that measures memory: with the detector the same work takes
// several times as much. Tests run with the detector run with -short.
func skipUnderTheRaceDetector(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it measures memory, of which the race detector takes several times as much")
	}
}

// withSmallBuffers makes unread data stay in the server, and not in the kernel.
func (a *api) withSmallBuffers(t *testing.T) {
	t.Helper()
	server := httptest.NewUnstartedServer(a.handler)
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(64 << 10)
		return ctx
	}
	server.Start()
	t.Cleanup(server.CloseClientConnections)
	a.server.Close()
	a.server = server
}

// dialSmall is the client's side of withSmallBuffers.
func dialSmall(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		err = conn.(*net.TCPConn).SetReadBuffer(64 << 10)
	}
	return conn, err
}

// untilThrottled makes the server hold answers until there is room for no more. Answers that are
// still being made hold more than finished ones, so a single refusal may be temporary.
func (a *api) untilThrottled(t *testing.T, p person, variables map[string]any, hold func()) {
	t.Helper()
	for inARow := 0; inARow < 20; inARow++ {
		if a.ask(t, p.token, manyPages(1, 1), variables).code0() != "THROTTLED" {
			hold()
			inARow = 0
		}
	}
}

// post sends a request and does not read the answer.
func (a *api) post(t *testing.T, access, document string, variables map[string]any) net.Conn {
	t.Helper()
	conn, err := dialSmall(t.Context(), "tcp", a.server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	body := jsonOf(map[string]any{"query": document, "variables": variables})
	_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", access, len(body), body)
	require.NoError(t, err)
	return conn
}

func TestSlowReadersHoldNoMoreThanTheirPart(t *testing.T) { //nolint:paralleltest // it measures memory
	skipUnderTheRaceDetector(t)
	a := serve(t, func(s *setup) { s.api.MaxInFlightBytes = roomForOne })
	a.withSmallBuffers(t)
	alice, bert := a.register(t, "alice"), a.register(t, "bert")
	variables := map[string]any{"chat": aLargeChat(t, a, alice)}
	bertsChat := map[string]any{"chat": aLargeChat(t, a, bert)}
	var conns []net.Conn
	used := peak(func() {
		for range 40 {
			conns = append(conns, a.post(t, alice.token, manyPages(1, 1), variables))
		}
		a.untilThrottled(t, alice, variables, func() {
			conns = append(conns, a.post(t, alice.token, manyPages(1, 1), variables))
		})
	})
	t.Logf("peak: %d MB", used>>20)
	require.Less(t, used, uint64(400<<20))
	over := a.ask(t, alice.token, manyPages(1, 1), variables)
	require.Equal(t, "THROTTLED", over.code0())
	require.Equal(t, http.StatusForbidden, over.status)
	require.NotEmpty(t, over.header.Get("Retry-After"))
	require.Contains(t, over.message(), "try again")

	a.must(t, alice.token, `query($chat: ID!) { me { username } chat(id: $chat) { chatMessages(first: 50) { nodes { id } } } }`, variables)
	require.NotContains(t, a.ask(t, bert.token, manyPages(1, 1), bertsChat).body, "errors", "another user does not wait")
	for _, conn := range conns {
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool {
		return a.ask(t, alice.token, manyPages(1, 1), variables).code0() == ""
	}, patience, 10*time.Millisecond)
}

func TestASlowSocketHoldsItsAnswersUntilTheyAreWritten(t *testing.T) { //nolint:paralleltest // it measures memory
	skipUnderTheRaceDetector(t)
	a := serve(t, func(s *setup) { s.api.MaxInFlightBytes = roomForOne })
	a.withSmallBuffers(t)
	alice := a.register(t, "alice")
	variables := map[string]any{"chat": aLargeChat(t, a, alice)}
	socket, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(a.server.URL, "http"), &websocket.DialOptions{
		Subprotocols: []string{"graphql-transport-ws"},
		HTTPClient:   &http.Client{Transport: &http.Transport{DialContext: dialSmall}},
	})
	require.NoError(t, err)
	conn := &client{t: t, conn: socket, kept: map[string][]frame{}}
	conn.init(map[string]any{"token": alice.token})
	require.Equal(t, "connection_ack", conn.read().Type)
	used := peak(func() {
		a.untilThrottled(t, alice, variables, func() { conn.start(manyPages(1, 1), variables) })
	})
	t.Logf("peak: %d MB", used>>20)
	require.Less(t, used, uint64(400<<20))
	require.NoError(t, conn.conn.CloseNow())
	require.Eventually(t, func() bool {
		return a.ask(t, alice.token, manyPages(1, 1), variables).code0() == ""
	}, patience, 10*time.Millisecond)
}

func TestALargeAnswerToAMutationCountsAsExecuted(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.MaxAnswerBytes = 100_000 })
	alice := a.register(t, "alice")
	variables := map[string]any{"chat": aLargeChat(t, a, alice), "text": "sent"}
	got := a.ask(t, alice.token, `mutation($chat: ID!, $text: String!) { createChatMessage(chatId: $chat, content: $text) {
		chatMessage { chat { chatMessages(first: 50) { nodes { message { content } } } } } } }`, variables)
	require.Equal(t, "QUERY_TOO_COMPLEX", got.code())
	data, ok := got.body["data"]
	require.True(t, ok)
	require.Nil(t, data)
	newest := a.must(t, alice.token, `query($chat: ID!) { chat(id: $chat) { lastMessage { message { content } } } }`, variables)
	require.Equal(t, "sent", at(newest, "chat", "lastMessage", "message", "content"))
}

func TestAnEventThatIsTooLargeEndsItsSubscriptionAndIsNotSkipped(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.api.MaxAnswerBytes = 20_000 })
	alice := a.register(t, "alice")
	variables := map[string]any{"chat": selfChat(t, a, alice), "text": strings.Repeat("x", 9_000)}
	conn := a.connectAs(t, alice)
	cursor := at(conn.run(`{ eventCursor }`, nil), "data", "eventCursor")
	id := conn.start(`subscription($after: String) { events(after: $after) { operation chatMessage { a: message { content } b: message { content } c: message { content } } } }`, map[string]any{"after": cursor})
	a.must(t, alice.token, send, variables)
	require.Equal(t, "QUERY_TOO_COMPLEX", conn.next(id).code(t))
	id = conn.start(`subscription($after: String) { events(after: $after) { operation chatMessage { message { content } } } }`, map[string]any{"after": cursor})
	require.Equal(t, "CHAT_MESSAGE_CREATED", at(conn.result(id), "data", "events", "operation"))
}

func TestALargeAnswerIsReadInPeaceOnAConnectionThatGoesOn(t *testing.T) {
	t.Parallel()
	a := serve(t)
	alice := a.register(t, "alice")
	variables := map[string]any{"chat": aLargeChat(t, a, alice)}
	conn := a.post(t, alice.token, manyPages(1, 1), variables)
	in := bufio.NewReaderSize(conn, 4096)
	for range 2 {
		response, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Len(t, body, int(response.ContentLength))
		require.True(t, json.Valid(body))
		small := `{"query":"{ __typename }"}`
		_, err = fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(small), small)
		require.NoError(t, err)
	}
}

func TestManyTypedSubscriptionsOfOneUserWaitAndLoseNothing(t *testing.T) {
	t.Parallel()
	a := serve(t, throttled(graphqlapi.Limits{Deliveries: graphqlapi.Limit{PerSecond: 400, Burst: 100}}))
	alice := a.register(t, "alice")
	variables := map[string]any{"chat": selfChat(t, a, alice), "text": "hello"}
	const document = `subscription($after: String) { events(after: $after) { id operation actor { id username } chatMessage { id message { id content } } } }`
	conn := a.connectAs(t, alice)
	after := map[string]any{"after": at(conn.run(`{ eventCursor }`, nil), "data", "eventCursor")}
	began := time.Now()
	var ids []string
	for range 20 {
		ids = append(ids, conn.start(document, after))
	}
	a.must(t, alice.token, send, variables)
	for _, id := range ids {
		require.Equal(t, "CHAT_MESSAGE_CREATED", at(conn.result(id), "data", "events", "operation"))
	}
	// Nineteen are charged, at least 13 points each, and the burst is 100.
	require.Greater(t, time.Since(began), (19*13-100)*time.Second/400)
}

func TestALightSubscriptionOnEachSocketIsNeverHeldUp(t *testing.T) {
	t.Parallel()
	a := serve(t, throttled(graphqlapi.Limits{User: graphqlapi.Limit{PerSecond: 1e6, Burst: 1e6}, Deliveries: few(1)}))
	alice := a.register(t, "alice")
	variables := map[string]any{"chat": selfChat(t, a, alice), "text": "hello"}
	// The selection of a web chat.
	const document = `subscription($after: String) { events(after: $after) { id cursor operation at subjectId erased actor { id username firstName lastName profilePicture }
		chat { id archived unreadCount otherUser { id username } lastMessage { id message { id content date } } }
		chatMessage { id chat { id } message { id content date editedAt readAt clientMessageId sender { id username firstName lastName profilePicture } } }
		groupCopy { id isArchived unreadCount member { id isAdmin group { id title description groupImage membersCount } } }
		groupMessage { id groupCopy { id } message { id content date editedAt readAt clientMessageId sender { id username firstName lastName profilePicture } } }
		member { id isAdmin user { id username } } notification { id isRead message { id content sender { id username } } } } }`
	const sockets, messages = 20, 30
	var conns []*client
	var ids []string
	for range sockets {
		conn := a.connectAs(t, alice)
		cursor := at(conn.run(`{ eventCursor }`, nil), "data", "eventCursor")
		id := conn.start(document, map[string]any{"after": cursor})
		conns, ids = append(conns, conn), append(ids, id)
	}
	for range messages {
		a.must(t, alice.token, send, variables)
	}
	for i, conn := range conns {
		for range messages {
			require.Equal(t, "CHAT_MESSAGE_CREATED", at(conn.result(ids[i]), "data", "events", "operation"))
		}
	}
}

// If messages can be long, one query reads only a few. A page of chats then takes several queries,
// and has the same content.
func TestPagesOfLongMessagesAreReadInParts(t *testing.T) {
	t.Parallel()
	a := serve(t, func(s *setup) { s.app.Messages.MaxContentLength = 1_000_000 })
	alice := a.register(t, "alice")
	const chats, messages = 9, 3
	for i := range chats {
		other := a.register(t, fmt.Sprintf("other%d", i))
		mine, _, err := a.app.Chats.Open(t.Context(), alice.ID, other.ID)
		require.NoError(t, err)
		for j := range messages {
			_, err := a.app.Chats.Send(t.Context(), alice.ID, mine.ID, chat.Draft{Content: fmt.Sprintf("%d %d", i, j)})
			require.NoError(t, err)
		}
	}
	got := a.must(t, alice.token, `{ chats { nodes { lastMessage { message { content } } chatMessages(first: 2) { pageInfo { hasNextPage } nodes { message { content } } } } } }`, nil)
	nodes := at(got, "chats", "nodes").([]any)
	require.Len(t, nodes, chats)
	for i, node := range nodes {
		newest := chats - 1 - i
		require.Equal(t, fmt.Sprintf("%d 2", newest), at(node, "lastMessage", "message", "content"))
		require.Equal(t, fmt.Sprintf("%d 2", newest), at(node, "chatMessages", "nodes", 0, "message", "content"))
		require.Equal(t, fmt.Sprintf("%d 1", newest), at(node, "chatMessages", "nodes", 1, "message", "content"))
		require.Equal(t, true, at(node, "chatMessages", "pageInfo", "hasNextPage"))
	}
}
