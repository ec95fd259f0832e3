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

// anyoneButMallory is a directory in which every id but mallory is a user.
type anyoneButMallory struct{}

func (anyoneButMallory) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		if id != "mallory" {
			found[id] = user.Profile{ID: id, Username: string(id)}
		}
	}
	return found, nil
}

// Each member has their own copy of the messages sent since they joined.
func Example() {
	ctx := context.Background()
	groups := group.NewService(memory.New(nil), anyoneButMallory{}, nil)

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
	fmt.Println("all have read it:", !sent.ReadAt.IsZero())
	// Output:
	// bob sees: Saturday?
	// all have read it: true
}
