// Package chat has one-to-one chats, and the messages of both chats and groups.
//
// A chat has two copies of one conversation, one for each user. A user's chat with themselves has
// one copy. Each user can delete messages from their own copy, and the sender of a message can
// unsend it for both.
//
//	mine, _, err := chats.Open(ctx, alice, bob)
//	sent, err := chats.Send(ctx, alice, mine.ID, chat.Draft{Content: "Hello"})
//	page, err := chats.Messages(ctx, alice, mine.ID, storage.First(50))
package chat

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Chat is one user's copy of a chat.
type Chat struct {
	ID           int64
	Conversation int64
	Owner, Other user.ID // equal in a chat with oneself
	Archived     bool
	// Activity is the time of the last message sent, or of the creation if there is none. Nothing
	// else changes it. It never goes back: if the clocks of two nodes differ, the later time
	// counts.
	Activity time.Time
}

// Copy identifies c as a [Copy].
func (c Chat) Copy() Copy { return Copy{Kind: OneToOne, ID: c.ID, Owner: c.Owner} }

// Key is the position of c in its owner's list, which is in descending order.
func (c Chat) Key() storage.Key { return storage.Key{Major: c.Activity.UnixMicro(), Minor: c.ID} }

// Filter selects chats. If Archived is nil, it selects archived and other chats.
type Filter struct{ Archived *bool }

// Store keeps chats. Every method is atomic and safe for concurrent use on any number of nodes.
type Store interface {
	MessageStore

	// OpenChat returns the two copies of the chat between owner and other, and creates them if they
	// do not exist. Two calls at the same time return the same chat. If owner and other are equal,
	// it returns their only copy twice. An erased user is [storage.ErrNotFound]. Event: the
	// internal ChatOpened, if the chat was created.
	OpenChat(ctx context.Context, owner, other user.ID) (mine, others Chat, err error)
	// Chats returns the chats among ids that belong to the owner.
	Chats(ctx context.Context, owner user.ID, ids ...int64) (map[int64]Chat, error)
	// ListChats returns the owner's chats, newest activity first, by [Chat.Key] descending.
	ListChats(ctx context.Context, owner user.ID, f Filter, r storage.Range) ([]Chat, error)
	// CountChats returns how many chats of the owner match.
	CountChats(ctx context.Context, owner user.ID, f Filter) (int, error)
	// ReadMessage sets ReadAt of a message of the other user. The reader's own message, or one that
	// is already read, is returned unchanged and without an event. Event: CHAT_MESSAGE_READ.
	ReadMessage(ctx context.Context, c Copy, message int64) (Message, error)
}
