package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a server with two users who share a chat.
type world struct {
	app    *buddychat.App
	api    atomic.Pointer[graphqlapi.Handler]
	url    string
	sender user.ID
	chat   int64
	token  string // of the receiver
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	var err error
	w.app, err = buddychat.New(memory.New(nil), &buddychat.Options{
		Tokens: token.Options{Keys: []token.Key{{ID: "1", Secret: bytes.Repeat([]byte("k"), 32)}}},
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.app.Run(ctx) }()
	w.restart(t)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.api.Load().ServeHTTP(rw, r) }))
	t.Cleanup(func() {
		require.NoError(t, w.api.Load().Shutdown(context.Background()))
		server.Close()
		cancel()
		require.NoError(t, <-ended)
	})
	w.url = server.URL

	sender := register(t, w.app, "grace.hopper", "12345678")
	receiver := register(t, w.app, "ada.lovelace", "87654321")
	mine, _, err := w.app.Chats.Open(t.Context(), sender.ID, receiver.ID)
	require.NoError(t, err)
	pair, err := w.app.Tokens.Login(t.Context(), receiver)
	require.NoError(t, err)
	w.sender, w.chat, w.token = sender.ID, mine.ID, pair.Access
	return w
}

func register(t *testing.T, app *buddychat.App, name, number string) user.User {
	t.Helper()
	u, _, err := app.Users.Register(t.Context(), user.Registration{
		Username: name, Email: name + "@example.com", Password: "a-long-and-odd-one-7", FirstName: "First", LastName: "Last",
		Phone: user.Phone{CountryCode: "44", Number: number},
	})
	require.NoError(t, err)
	return u
}

// restart closes every socket, then accepts clients again.
func (w *world) restart(t *testing.T) {
	t.Helper()
	api, err := graphqlapi.NewHandler(w.app, nil)
	require.NoError(t, err)
	if old := w.api.Swap(api); old != nil {
		require.NoError(t, old.Shutdown(t.Context()))
	}
}

func (w *world) send(t *testing.T, content string) {
	t.Helper()
	_, err := w.app.Chats.Send(t.Context(), w.sender, w.chat, chat.Draft{Content: content})
	require.NoError(t, err)
}

// lines receives the lines that the client prints.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func (l lines) readUntil(has string) {
	for line := range l {
		if strings.Contains(line, has) {
			return
		}
	}
}

func TestClientPrintsEveryEventAcrossAReconnect(t *testing.T) {
	w := newWorld(t)
	printed := make(lines, 100)
	c := &client{url: w.url, token: w.token, out: printed, wait: time.Millisecond, lost: func(error) {
		w.send(t, "while away") // between two sockets
	}}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.run(ctx) }()

	printed.readUntil(`"success":true`)
	w.send(t, "at first")
	printed.readUntil(`"at first"`)
	w.restart(t)
	printed.readUntil(`"while away"`)
	w.send(t, "at last")
	printed.readUntil(`"at last"`)
	cancel()
	require.NoError(t, <-ended)
}

func TestClientStopsOnErrorsThatARetryCannotFix(t *testing.T) {
	w := newWorld(t)
	lost := func(err error) { t.Errorf("it comes back after %v", err) }
	bad := &client{url: w.url, token: "nonsense", out: io.Discard, lost: lost}
	require.ErrorContains(t, bad.run(t.Context()), "4403")
	unknown := &client{url: w.url, token: w.token, cursor: "nonsense", out: io.Discard, lost: lost}
	require.ErrorContains(t, unknown.run(t.Context()), "CURSOR_EXPIRED")
}
