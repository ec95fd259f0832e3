package chat_test

import (
	"context"
	"fmt"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// names is a directory of an application whose user ids are names.
type names []user.ID

func (n names) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		for _, known := range n {
			if id == known {
				found[id] = user.Profile{ID: id, Username: string(id)}
			}
		}
	}
	return found, nil
}

// Two users write to each other. Each can delete messages from their own copy.
func Example() {
	ctx := context.Background()
	chats := chat.NewService(memory.New(nil), names{"alice", "bob"}, nil)

	hers, his, _ := chats.Open(ctx, "alice", "bob")
	hello, _ := chats.Send(ctx, "alice", hers.ID, chat.Draft{Content: "Hello, Bob!"})
	_, _ = chats.Send(ctx, "bob", his.ID, chat.Draft{Content: "Hello, Alice!"})
	_ = chats.DeleteMessage(ctx, "alice", hers.ID, hello.ID)

	for _, c := range []chat.Chat{hers, his} {
		page, _ := chats.Messages(ctx, c.Owner, c.ID, storage.First(50))
		for _, m := range page.Items {
			fmt.Printf("%s sees, by %s: %s\n", c.Owner, m.Sender, m.Content)
		}
	}
	// Output:
	// alice sees, by bob: Hello, Alice!
	// bob sees, by bob: Hello, Alice!
	// bob sees, by alice: Hello, Bob!
}

// Sending again with the same ClientID, for example after a lost response, returns the same
// message.
func ExampleService_Send_idempotent() {
	ctx := context.Background()
	chats := chat.NewService(memory.New(nil), names{"alice", "bob"}, nil)
	mine, _, _ := chats.Open(ctx, "alice", "bob")

	draft := chat.Draft{Content: "Once", ClientID: "3f1c"}
	first, _ := chats.Send(ctx, "alice", mine.ID, draft)
	again, _ := chats.Send(ctx, "alice", mine.ID, draft)
	fmt.Println(first.ID == again.ID)

	_, err := chats.Send(ctx, "alice", mine.ID, chat.Draft{Content: "Twice", ClientID: "3f1c"})
	fmt.Println(err)
	// Output:
	// true
	// another message was sent with this clientMessageId: use a new one for this message
}
