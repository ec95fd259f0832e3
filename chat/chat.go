// Package chat is one-to-one chats, and the messages that groups have too.
//
// A chat is two copies, one for each user, of one conversation; a user's chat with themselves is one
// copy. A user deletes messages from their own copy, and a sender unsends for both.
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
	// Activity is the moment of the last send, else of the creation. Nothing else moves it. It never goes back: where the
	// clocks of two nodes differ, it is the later moment.
	Activity time.Time
}

// Copy names c.
func (c Chat) Copy() Copy { return Copy{Kind: OneToOne, ID: c.ID, Owner: c.Owner} }

// Key is the place of c in its owner's list, which runs from the highest down.
func (c Chat) Key() storage.Key { return storage.Key{Major: c.Activity.UnixMicro(), Minor: c.ID} }

// Filter picks chats. A nil field picks both.
type Filter struct{ Archived *bool }

// Store keeps chats. Every method is one atomic act, safe for concurrent use on any number of nodes.
type Store interface {
	MessageStore

	// OpenChat returns the two copies of the chat between owner and other, and makes them where there is
	// none; of two at the same time both return the same. With owner and other the same it is the one copy, twice.
	// A user who was erased is [storage.ErrNotFound].
	// Event: the internal ChatOpened, where a chat is made.
	OpenChat(ctx context.Context, owner, other user.ID) (mine, others Chat, err error)
	// Chats returns those of the chats that are the owner's.
	Chats(ctx context.Context, owner user.ID, ids ...int64) (map[int64]Chat, error)
	// ListChats returns the owner's chats, newest activity first, by [Chat.Key] descending.
	ListChats(ctx context.Context, owner user.ID, f Filter, r storage.Range) ([]Chat, error)
	// CountChats returns how many there are.
	CountChats(ctx context.Context, owner user.ID, f Filter) (int, error)
	// ReadMessage sets ReadAt of a message of the other user. One's own message, or one that is read, stays as it
	// is, without an event.
	// Event: CHAT_MESSAGE_READ.
	ReadMessage(ctx context.Context, c Copy, message int64) (Message, error)
}
