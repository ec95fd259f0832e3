package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func Example() {
	if err := run(context.Background(), strings.NewReader("Hello, bot!\n \nstressed\n"), os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// < !tob ,olleH
	// ! content must not be empty
	// < desserts
}

func TestBotAnswersMessagesSentWhileItWasStopped(t *testing.T) {
	app, err := buddychat.New(memory.New(nil), &buddychat.Options{
		Directory: directory{person: user.Profile{ID: person}, robot: user.Profile{ID: robot}},
	})
	require.NoError(t, err)
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	running.Go(func() { _ = app.Run(t.Context()) })
	mine, _, err := app.Chats.Open(t.Context(), person, robot)
	require.NoError(t, err)
	events, err := app.Hub.Subscribe(t.Context(), person, "")
	require.NoError(t, err)
	defer events.Close()

	kept, err := app.Hub.Position(t.Context())
	require.NoError(t, err)
	for _, content := range []string{"stressed", "live"} {
		_, err = app.Chats.Send(t.Context(), person, mine.ID, chat.Draft{Content: content})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var bot sync.WaitGroup
		bot.Go(func() {
			_ = answer(ctx, app, robot, kept, func(cursor string) error {
				kept = cursor
				return nil
			}, backwards)
		})
		for e, err := range events.Events(t.Context()) {
			require.NoError(t, err)
			if e.Operation == realtime.ChatMessageCreated && e.Actor == robot {
				require.Equal(t, backwards(content), e.Message.Content)
				break
			}
		}
		stop()
		bot.Wait()
	}
	page, err := app.Chats.Messages(t.Context(), person, mine.ID, storage.First(10))
	require.NoError(t, err)
	require.Len(t, page.Items, 4, "each was answered once")
}

func TestMessageReceivedTwiceIsAnsweredOnce(t *testing.T) {
	app, err := buddychat.New(memory.New(nil), &buddychat.Options{
		Directory: directory{person: user.Profile{ID: person}, robot: user.Profile{ID: robot}},
	})
	require.NoError(t, err)
	mine, bots, err := app.Chats.Open(t.Context(), person, robot)
	require.NoError(t, err)
	sent, err := app.Chats.Send(t.Context(), person, mine.ID, chat.Draft{Content: "stressed"})
	require.NoError(t, err)
	event := realtime.Event{Operation: realtime.ChatMessageCreated, Actor: person, Copy: bots.Copy(), MessageID: sent.ID, Message: &sent}
	for range 2 {
		require.NoError(t, answerOne(t.Context(), app, robot, event, backwards))
	}
	page, err := app.Chats.Messages(t.Context(), person, mine.ID, storage.First(10))
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	require.Equal(t, "desserts", page.Items[0].Content)
}
