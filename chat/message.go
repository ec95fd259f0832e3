package chat

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Kind is the kind of a conversation.
type Kind uint8

// The kinds of conversation.
const (
	OneToOne Kind = 1 + iota // between two users, or of one user with themselves
	Group
)

// Copy identifies one user's copy of a conversation: a chat of theirs, or a membership in a group.
// A copy is a view of the messages of the conversation: those sent since the user joined and after
// the point up to which they cleared the copy, without those that they deleted.
type Copy struct {
	Kind  Kind
	ID    int64
	Owner user.ID
}

// Message is one message of a conversation. Only the sender may see its ClientID.
type Message struct {
	ID           int64 // increases within a conversation
	Conversation int64
	Seq          int64 // its sequence number in the conversation, from 1, without gaps
	Sender       user.ID
	Content      string
	ClientID     string // an id that the sender chose, or ""
	Date         time.Time
	EditedAt     time.Time // zero if it was never edited
	// ReadAt is when every other user had read it; zero if they have not. In a chat this is the
	// other user. In a group these are the present members who joined before it was sent, without
	// the sender.
	ReadAt time.Time
}

// Key is the position of m in its conversation.
func (m Message) Key() storage.Key { return storage.Key{Major: m.Seq} }

// Draft is a message to send.
type Draft struct {
	Content string
	// ClientID, if not "", makes sending idempotent.
	ClientID string
}

// MessageStore keeps the messages of chats and groups. Every method is atomic and safe for
// concurrent use on any number of nodes.
//
// Each change first locks the conversation and then reads, so changes of one conversation happen
// one after another. It writes its event in the same transaction. A method returns
// [storage.ErrNotFound] for a copy that does not exist, has ended, is of another kind or belongs to
// another owner, and for a message that the copy does not show. A copy shows no messages of a user
// who is being erased.
//
// A text that is not [storage.Storable] is [storage.ErrInvalid], before any other check. Services
// refuse it, and much more, before a store sees it.
//
// Times come from the clock of the store, in UTC, in microseconds. Every method sets ReadAt of the
// messages that it returns.
type MessageStore interface {
	// AppendMessage sends a message as the owner of c. If the owner has already sent a message with
	// the same ClientID in this conversation, that message is returned and nothing is stored. It is
	// [storage.ErrConflict] instead if the content differs and the message was never edited, if the
	// message was unsent, or if this copy no longer shows it. This holds forever. The recipient's
	// copy of a chat has one more unread message. Nothing is unarchived. Event:
	// CHAT_MESSAGE_CREATED or GROUP_MESSAGE_CREATED.
	AppendMessage(ctx context.Context, c Copy, d Draft) (Message, error)
	// EditMessage replaces the content of a message that the owner of c sent; another user's is
	// [storage.ErrForbidden]. Event: CHAT_MESSAGE_UPDATED or GROUP_MESSAGE_UPDATED.
	EditMessage(ctx context.Context, c Copy, message int64, content string) (Message, error)
	// UnsendMessage removes the content of a message that the owner of c sent, for all users and
	// from the store; another user's is [storage.ErrForbidden]. A tombstone keeps its sequence
	// number, sender and ClientID. Event: CHAT_MESSAGE_UNSENT or GROUP_MESSAGE_UNSENT.
	UnsendMessage(ctx context.Context, c Copy, message int64) error
	// HideMessage deletes a message from this copy only. Event, only for the owner:
	// CHAT_MESSAGE_DELETED or GROUP_MESSAGE_DELETED.
	HideMessage(ctx context.Context, c Copy, message int64) error
	// ClearCopy deletes every message from this copy only; the copy itself stays. It writes its
	// event even if the copy is empty. Event, only for the owner: CHAT_DELETED or GROUP_DELETED.
	ClearCopy(ctx context.Context, c Copy) error
	// ArchiveCopy archives or unarchives this copy. It writes no event.
	ArchiveCopy(ctx context.Context, c Copy, archived bool) error

	// Message returns one message that the copy shows.
	Message(ctx context.Context, c Copy, message int64) (Message, error)
	// FindMessage returns a message by its id, with a copy of the viewer that shows it.
	FindMessage(ctx context.Context, viewer user.ID, message int64) (Message, Copy, error)

	// The methods below read many copies in a fixed number of queries. The i-th result is that of
	// copies[i]. A copy that does not exist shows no messages.

	// Messages returns the messages that each copy shows, newest first, by [Message.Key]
	// descending.
	Messages(ctx context.Context, copies []Copy, r storage.Range) ([][]Message, error)
	// CountMessages returns how many messages each copy shows.
	CountMessages(ctx context.Context, copies []Copy) ([]int, error)
	// LastMessages returns the newest message that each copy shows, or nil if there is none.
	LastMessages(ctx context.Context, copies []Copy) ([]*Message, error)
	// CountUnread returns the exact number of unread messages of other users that each copy shows.
	// In a chat these are the messages without ReadAt, in a group those after the owner's read
	// point.
	CountUnread(ctx context.Context, copies []Copy) ([]int, error)
}
