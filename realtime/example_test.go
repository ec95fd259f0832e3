package realtime_test

import (
	"context"
	"fmt"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// everybody is a directory in which every user exists.
type everybody struct{}

func (everybody) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	profiles := map[user.ID]user.Profile{}
	for _, id := range ids {
		profiles[id] = user.Profile{ID: id, Username: string(id)}
	}
	return profiles, nil
}

// A bot subscribes like any user, and answers the messages that it is notified of.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := memory.New(nil)
	chats := chat.NewService(store, everybody{}, nil)
	hub := realtime.NewHub(store, nil)
	go func() { _ = hub.Run(ctx) }()

	bot, err := hub.Subscribe(ctx, "bot", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bot.Close()

	alice, _, err := chats.Open(ctx, "alice", "bot")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := chats.Send(ctx, "alice", alice.ID, chat.Draft{Content: "Hello, bot"}); err != nil {
		fmt.Println(err)
		return
	}

	for event, err := range bot.Events(ctx) {
		if err != nil {
			// to resume after the last event's Cursor, see the example of Hub.Subscribe
			fmt.Println(err)
			return
		}
		fmt.Println(event.Operation, event.Message.Content)
		switch event.Operation {
		case realtime.NotificationCreated:
			// A resume may repeat an event. Its id as the ClientID makes sure that it is answered
			// only once.
			draft := chat.Draft{Content: "You said: " + event.Message.Content, ClientID: event.ID}
			if _, err := chats.Send(ctx, "bot", event.Copy.ID, draft); err != nil {
				fmt.Println(err)
				return
			}
		case realtime.ChatMessageCreated:
			if event.Message.Sender == "bot" {
				return
			}
		}
	}
	// Output:
	// CHAT_MESSAGE_CREATED Hello, bot
	// NOTIFICATION_CREATED Hello, bot
	// CHAT_MESSAGE_CREATED You said: Hello, bot
}

// A client that keeps the cursor of the last event that it handled resumes after it on any node,
// even after a restart.
func ExampleHub_Subscribe() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := memory.New(nil)
	chats := chat.NewService(store, everybody{}, nil)
	alice, _, err := chats.Open(ctx, "alice", "bot")
	if err != nil {
		fmt.Println(err)
		return
	}

	cursor := "" // a real bot stores it on disk
	for _, sent := range [][]string{{"one", "two"}, {"three"}} {
		node := realtime.NewHub(store, nil)
		go func() { _ = node.Run(ctx) }()
		if cursor == "" { // the first time: from now on
			if cursor, err = node.Position(ctx); err != nil {
				fmt.Println(err)
				return
			}
		}
		for _, content := range sent { // while the bot is offline
			if _, err := chats.Send(ctx, "alice", alice.ID, chat.Draft{Content: content}); err != nil {
				fmt.Println(err)
				return
			}
		}
		bot, err := node.Subscribe(ctx, "bot", cursor)
		if err != nil {
			fmt.Println(err)
			return
		}
		for event, err := range bot.Events(ctx) {
			if err != nil {
				fmt.Println(err)
				return
			}
			cursor = event.Cursor
			if event.Operation == realtime.NotificationCreated {
				fmt.Println(event.Message.Content)
				if event.Message.Content == sent[len(sent)-1] {
					break
				}
			}
		}
		bot.Close()
		if err := node.Shutdown(ctx); err != nil { // the node stops, and another one replaces it
			fmt.Println(err)
		}
	}
	// Output:
	// one
	// two
	// three
}
