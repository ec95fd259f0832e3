package memory_test

import (
	"context"
	"fmt"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
)

// A test can set the time of the store.
func ExampleNew() {
	ctx := context.Background()
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	store := memory.New(&memory.Options{Now: func() time.Time { return noon }})

	mine, others, err := store.OpenChat(ctx, "alice", "bob")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = store.AppendMessage(ctx, mine.Copy(), chat.Draft{Content: "Hello"}); err != nil {
		fmt.Println(err)
		return
	}
	inbox, err := store.Messages(ctx, []chat.Copy{others.Copy()}, storage.Range{Limit: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range inbox[0] {
		fmt.Println(m.Sender, m.Content, m.Date.Format(time.TimeOnly))
	}
	// Output: alice Hello 12:00:00
}

// A transaction of the application commits all of its changes or none.
func ExampleStore_Begin() {
	ctx := context.Background()
	store := memory.New(nil)

	tx := store.Begin()
	defer tx.Rollback() //nolint:errcheck // does nothing after the commit
	if _, _, err := tx.OpenChat(ctx, "shop", "alice"); err != nil {
		fmt.Println(err)
		return
	}
	before, _ := store.CountChats(ctx, "alice", chat.Filter{})
	if err := tx.Commit(); err != nil {
		fmt.Println(err)
		return
	}
	after, _ := store.CountChats(ctx, "alice", chat.Filter{})
	fmt.Println(before, after)
	// Output: 0 1
}
