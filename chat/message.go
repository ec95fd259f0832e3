package chat

import (
	"context"
	"time"

	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Kind tells the two kinds of conversation apart.
type Kind uint8

// The kinds of conversation.
const (
	OneToOne Kind = 1 + iota // between two users, or of one with themselves
	Group
)

// Copy names one user's copy of a conversation: a chat of theirs, or a membership in a group. A copy is
// a view of the messages that its conversation shares: those sent since it was joined, behind the
// point up to which it was cleared, without the ones that were deleted from it.
type Copy struct {
	Kind  Kind
	ID    int64
	Owner user.ID
}

// Message is one message of a conversation. The sender's ClientID is the sender's business alone.
type Message struct {
	ID           int64 // rises within a conversation
	Conversation int64
	Seq          int64 // its place in the conversation, from 1, without gaps
	Sender       user.ID
	Content      string
	ClientID     string // the sender's own id for it, "" for none
	Date         time.Time
	EditedAt     time.Time // zero: never
	// ReadAt is when everybody concerned had read it; zero: not yet. In a chat that is the other user, in a
	// group every other present member who was there before it.
	ReadAt time.Time
}

// Key is the place of m in its conversation.
func (m Message) Key() storage.Key { return storage.Key{Major: m.Seq} }

// Draft is a message to be sent.
type Draft struct {
	Content string
	// ClientID makes sending idempotent where it is not "".
	ClientID string
}

// MessageStore keeps the messages of both kinds of conversation. Every method is one atomic act, safe
// for concurrent use on any number of nodes.
//
// Each act first locks the conversation and then reads, so that the acts on one conversation
// happen one after another, and writes its event in the same act. A copy that does not exist, has ended, is of another
// kind or belongs to another owner, and a message that this copy does not show, are
// [storage.ErrNotFound]. A copy shows no message of a user who is being erased.
//
// A text that is not [storage.Storable] is [storage.ErrInvalid], before anything else is looked at. Services refuse it, and much
// more, before a store sees it.
//
// Times are taken from the store's clock, in UTC, to the microsecond. A message's ReadAt is filled in by every method.
type MessageStore interface {
	// AppendMessage sends a message by the owner of c. Where the owner sent one with the same ClientID in this conversation
	// before, that one is returned and nothing is stored, unless its content differs and it was never edited, or it was
	// unsent, or this copy no longer shows it: then it is [storage.ErrConflict]. That holds for ever.
	// The recipient's copy of a chat has one more unread message; nothing is unarchived.
	// Event: CHAT_MESSAGE_CREATED or GROUP_MESSAGE_CREATED.
	AppendMessage(ctx context.Context, c Copy, d Draft) (Message, error)
	// EditMessage replaces the content of a message that the owner of c sent; of another's it is [storage.ErrForbidden].
	// Event: CHAT_MESSAGE_UPDATED or GROUP_MESSAGE_UPDATED.
	EditMessage(ctx context.Context, c Copy, message int64, content string) (Message, error)
	// UnsendMessage removes the content of a message that the owner of c sent, for everybody and from the store; of
	// another's it is [storage.ErrForbidden]. A tombstone keeps its place, its sender and its ClientID.
	// Event: CHAT_MESSAGE_UNSENT or GROUP_MESSAGE_UNSENT.
	UnsendMessage(ctx context.Context, c Copy, message int64) error
	// HideMessage deletes a message from this copy alone.
	// Event, for the owner alone: CHAT_MESSAGE_DELETED or GROUP_MESSAGE_DELETED.
	HideMessage(ctx context.Context, c Copy, message int64) error
	// ClearCopy deletes every message from this copy alone; the copy stays. Clearing an empty copy is an act as any.
	// Event, for the owner alone: CHAT_DELETED or GROUP_DELETED.
	ClearCopy(ctx context.Context, c Copy) error
	// ArchiveCopy archives or unarchives this copy. No event.
	ArchiveCopy(ctx context.Context, c Copy, archived bool) error

	// Message returns one message that the copy shows.
	Message(ctx context.Context, c Copy, message int64) (Message, error)
	// FindMessage returns a message by its id alone, with a copy of the viewer's that shows it.
	FindMessage(ctx context.Context, viewer user.ID, message int64) (Message, Copy, error)

	// The following answer for many copies at once, each in its place, in a fixed number of queries. A copy that is not there has
	// nothing.

	// Messages returns what each copy shows, newest first, by [Message.Key] descending.
	Messages(ctx context.Context, copies []Copy, r storage.Range) ([][]Message, error)
	// CountMessages returns how many messages each copy shows.
	CountMessages(ctx context.Context, copies []Copy) ([]int, error)
	// LastMessages returns the newest message that each copy shows, nil for none.
	LastMessages(ctx context.Context, copies []Copy) ([]*Message, error)
	// CountUnread returns, exactly, how many unread messages of others each copy shows. In a chat they are those
	// without ReadAt, in a group those behind the read point.
	CountUnread(ctx context.Context, copies []Copy) ([]int, error)
}
