package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
	"nhooyr.io/websocket/wsjson"

	"github.com/buddychat/buddychat/internal/pgtest"
)

func TestNodesOnOneDatabaseDeliverMessagesOfEachOther(t *testing.T) {
	t.Parallel()
	hints, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	require.NoError(t, err)
	go hints.Start()
	t.Cleanup(func() {
		hints.Shutdown()
		hints.WaitForShutdown()
	})
	require.True(t, hints.ReadyForConnections(10*time.Second))

	for name, value := range map[string]string{"LISTEN and NOTIFY": "database", "NATS": hints.ClientURL(), "polls only": "none"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := []string{"-database", pgtest.URL(t), "-secret", strings.Repeat("s3cret!", 5), "-hints", value}
			one, two := start(t, t.TempDir(), flags...), start(t, t.TempDir(), flags...)
			ada, grace := register(t, one, "ada.lovelace", "12345678"), register(t, two, "grace.hopper", "87654321")
			socket := dial(t, grace)
			require.NoError(t, wsjson.Write(t.Context(), socket, map[string]any{
				"type": "subscribe", "id": "1", "payload": map[string]string{"query": "subscription { subscribe { success } }"},
			}))
			require.Equal(t, "next", receive(t, socket)["type"])

			var opened struct {
				CreateChat struct{ Chat struct{ ID string } }
			}
			require.NoError(t, ada.do(t.Context(), &opened, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } } }`, map[string]any{"u": grace.ID}))
			const messages = 8
			began := time.Now()
			for i := range messages {
				require.NoError(t, ada.do(t.Context(), nil, `mutation($c: ID!, $t: String!) { createChatMessage(chatId: $c, content: $t) { chatMessage { id } } }`,
					map[string]any{"c": opened.CreateChat.Chat.ID, "t": strconv.Itoa(i)}))
				for _, operation := range []string{"CHAT_MESSAGE_CREATED", "NOTIFICATION_CREATED"} {
					require.Equal(t, operation, receive(t, socket)["payload"].(map[string]any)["operation"])
				}
			}
			// Without hints each message would take a second: it is sent right after a poll.
			if value != "none" {
				require.Less(t, time.Since(began), messages*time.Second/2)
			}
		})
	}
}
