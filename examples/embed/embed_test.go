package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"nhooyr.io/websocket"
	"nhooyr.io/websocket/wsjson"

	"github.com/buddychat/buddychat/storage/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open runs the application as main does, on a test server.
func open(t *testing.T) (base string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), ":memory:", &sqlite.Options{Migrate: true})
	require.NoError(t, err)
	s, err := newSite(t.Context(), db)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.app.Run(ctx) }()
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		require.NoError(t, s.api.Shutdown(context.Background()))
		server.Close()
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, db.Close())
	})
	return server.URL
}

// A browser holds the cookies of one member.
type browser struct {
	http.Client
	base string
}

func logIn(t *testing.T, base, name string) *browser {
	t.Helper()
	b := &browser{base: base}
	var err error
	b.Jar, err = cookiejar.New(nil)
	require.NoError(t, err)
	response, err := b.PostForm(base+"/login", url.Values{"name": {name}})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusOK, response.StatusCode)
	t.Cleanup(b.CloseIdleConnections)
	return b
}

func (b *browser) chat(t *testing.T, query string) (data map[string]any) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"query": query})
	require.NoError(t, err)
	response, err := b.Post(b.base+"/chat", "application/json", bytes.NewReader(body))
	require.NoError(t, err)
	defer response.Body.Close()
	var answer struct {
		Data   map[string]any
		Errors []any
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&answer))
	require.Empty(t, answer.Errors)
	return answer.Data
}

func TestMembersOfTheApplicationCanChat(t *testing.T) {
	base := open(t)
	ada, grace := logIn(t, base, "ada"), logIn(t, base, "grace")
	me := grace.chat(t, `{ me { id username firstName lastName } }`)["me"].(map[string]any)
	id := me["id"].(string)
	require.Equal(t, map[string]any{"id": id, "username": "grace", "firstName": "Grace", "lastName": "Hopper"}, me)

	created := ada.chat(t, `mutation { createChat(otherUserId: "`+id+`") { chat { id otherUser { username } } } }`)["createChat"].(map[string]any)
	chat := created["chat"].(map[string]any)
	require.Equal(t, map[string]any{"username": "grace"}, chat["otherUser"])
	ada.chat(t, `mutation { createChatMessage(chatId: "`+chat["id"].(string)+`", content: "Hello!") { chatMessage { id } } }`)
	require.Equal(t, []any{map[string]any{
		"unreadCount": 1.0,
		"lastMessage": map[string]any{"message": map[string]any{"content": "Hello!", "sender": map[string]any{"firstName": "Ada"}}},
	}}, grace.chat(t, `{ chats { nodes { unreadCount lastMessage { message { content sender { firstName } } } } } }`)["chats"].(map[string]any)["nodes"])
}

func TestLogoutClosesTheSocketsOfThatLoginOnly(t *testing.T) {
	base := open(t)
	laptop, phone := logIn(t, base, "ada"), logIn(t, base, "ada")
	open := func(b *browser) *websocket.Conn {
		socket, _, err := websocket.Dial(t.Context(), base+"/chat", &websocket.DialOptions{
			HTTPClient: &b.Client, Subprotocols: []string{"graphql-transport-ws"},
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = socket.CloseNow() })
		require.NoError(t, wsjson.Write(t.Context(), socket, map[string]string{"type": "connection_init"}))
		var ack map[string]any
		require.NoError(t, wsjson.Read(t.Context(), socket, &ack))
		require.Equal(t, "connection_ack", ack["type"])
		return socket
	}
	onLaptop, onPhone := open(laptop), open(phone)

	response, err := laptop.Post(base+"/logout", "", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNoContent, response.StatusCode)
	_, _, err = onLaptop.Read(t.Context())
	require.Equal(t, websocket.StatusCode(4403), websocket.CloseStatus(err))
	require.Nil(t, laptop.chat(t, `{ me { id } }`)["me"])

	require.NoError(t, wsjson.Write(t.Context(), onPhone, map[string]string{"type": "ping"}))
	var pong map[string]any
	require.NoError(t, wsjson.Read(t.Context(), onPhone, &pong))
	require.Equal(t, "pong", pong["type"])
	require.NotNil(t, phone.chat(t, `{ me { id } }`)["me"])
}

func TestMembersPageShowsTheUserIDsOfTheChatAPI(t *testing.T) {
	ada := logIn(t, open(t), "ada")
	response, err := ada.Get(ada.base + "/members")
	require.NoError(t, err)
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	found := regexp.MustCompile(`data-user="([^"]*)">Grace Hopper<`).FindSubmatch(page)
	require.NotNil(t, found, "%s", page)
	created := ada.chat(t, `mutation { createChat(otherUserId: "`+string(found[1])+`") { chat { otherUser { username } } } }`)
	require.Equal(t, map[string]any{"chat": map[string]any{"otherUser": map[string]any{"username": "grace"}}}, created["createChat"])
}
