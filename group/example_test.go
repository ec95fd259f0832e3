package group_test

import (
	"context"
	"fmt"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// anybody is a directory that knows everybody but mallory.
type anybody struct{}

func (anybody) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		if id != "mallory" {
			found[id] = user.Profile{ID: id, Username: string(id)}
		}
	}
	return found, nil
}

// Each member has a copy of their own of what is sent since they joined.
func Example() {
	ctx := context.Background()
	groups := group.NewService(memory.New(nil), anybody{}, nil)

	_, alice, _ := groups.Create(ctx, "alice", group.Draft{Title: "Climbing"})
	_, _ = groups.Send(ctx, "alice", alice.ID, chat.Draft{Content: "Anybody here?"})
	bob, _ := groups.Add(ctx, "alice", alice.ID, "bob")
	sent, _ := groups.Send(ctx, "alice", alice.ID, chat.Draft{Content: "Saturday?"})

	page, _ := groups.Messages(ctx, "bob", bob.ID, storage.First(50))
	for _, m := range page.Items {
		fmt.Println("bob sees:", m.Content)
	}
	_, _ = groups.Read(ctx, "bob", bob.ID, sent.ID)
	sent, _ = groups.Message(ctx, "alice", alice.ID, sent.ID)
	fmt.Println("everybody has read it:", !sent.ReadAt.IsZero())
	// Output:
	// bob sees: Saturday?
	// everybody has read it: true
}
