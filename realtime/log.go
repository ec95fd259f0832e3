package realtime

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// Operation says what an event tells of.
type Operation string

// The operations that clients are told of.
const (
	ChatMessageCreated      Operation = "CHAT_MESSAGE_CREATED"
	ChatMessageUpdated      Operation = "CHAT_MESSAGE_UPDATED"
	ChatMessageDeleted      Operation = "CHAT_MESSAGE_DELETED"
	ChatMessageUnsent       Operation = "CHAT_MESSAGE_UNSENT"
	ChatMessageRead         Operation = "CHAT_MESSAGE_READ"
	ChatDeleted             Operation = "CHAT_DELETED"
	GroupMessageCreated     Operation = "GROUP_MESSAGE_CREATED"
	GroupMessageUpdated     Operation = "GROUP_MESSAGE_UPDATED"
	GroupMessageDeleted     Operation = "GROUP_MESSAGE_DELETED"
	GroupMessageUnsent      Operation = "GROUP_MESSAGE_UNSENT"
	GroupMessageRead        Operation = "GROUP_MESSAGE_READ"
	GroupDeleted            Operation = "GROUP_DELETED"
	GroupUpdated            Operation = "GROUP_UPDATED"
	GroupPermanentlyRemoved Operation = "GROUP_PERMANENTLY_REMOVED"
	NotificationCreated     Operation = "NOTIFICATION_CREATED" // derived from a CREATED, never a record
	MemberAdded             Operation = "MEMBER_ADDED"
	MemberRemoved           Operation = "MEMBER_REMOVED"
	MemberLeft              Operation = "MEMBER_LEFT"
)

// The operations that only nodes are told of.
const (
	// LogBegun is the first record of every log, so that there always is one to know the log by.
	LogBegun Operation = "LOG_BEGUN"
	// ChatOpened says that the copies of a chat were made.
	ChatOpened Operation = "CHAT_OPENED"
	// SessionEnded says that a login of Recipient ended: the one named by Session, or with "" all of them.
	SessionEnded Operation = "SESSION_ENDED"
)

// Record is one row of the log: a reference to what happened, never content. Within a conversation
// the ids of records rise in the order in which they were committed.
type Record struct {
	Position
	Operation Operation
	At        time.Time
	// Conversation is what it happened in, 0 for none; Kind is of which kind that is.
	Conversation int64
	Kind         chat.Kind
	// Recipient is whom alone it concerns; "" is everybody with a copy.
	Recipient user.ID
	// Actor is who did it, "" for nobody and for the erasure of a user. The actor of a record may have been erased since:
	// see [View].
	Actor user.ID
	// Message is the message that it is about, 0 for none, and Seq its place. In a GROUP_MESSAGE_READ they are the
	// message that was marked and its place.
	Message, Seq int64
	// From is, in a GROUP_MESSAGE_READ, the read point before: the places newly covered are From+1 to Seq.
	From int64
	// Member is, in a MEMBER_*, the id of the membership.
	Member int64
	// Session is, in a SESSION_ENDED, the id of the session.
	Session string
	// Erased says that it happened because a user was erased.
	Erased bool
}

// Position is a place in the log of one database: everything up to and including the record with this ID. Nonce is the random number
// of that record, by which a log is told from another and from one that
// was restored to an earlier state. Its text form is the cursor that clients hold.
type Position struct {
	ID    int64
	Nonce int64
}

// String returns the cursor of p.
func (p Position) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], uint64(p.ID))
	binary.BigEndian.PutUint64(b[8:], uint64(p.Nonce))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// ParseCursor reads what [Position.String] wrote. Anything else is [storage.ErrCursorExpired].
func ParseCursor(s string) (Position, error) {
	if len(s) != base64.RawURLEncoding.EncodedLen(16) {
		return Position{}, storage.CursorExpired()
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 16 { // it passes over line breaks
		return Position{}, storage.CursorExpired()
	}
	return Position{ID: int64(binary.BigEndian.Uint64(b)), Nonce: int64(binary.BigEndian.Uint64(b[8:]))}, nil
}

// Log is what a store offers to those who follow its events. Every method is safe for concurrent use.
type Log interface {
	// Tail begins to follow the log: everything committed after the call is in some [Tail.Next], and so is what was committed
	// before it behind the Safe of the first batch, so that all behind that is known to whoever follows.
	Tail(ctx context.Context) (Tail, error)
	// CheckPosition returns nil where p is of this log and nothing behind it was pruned, else [storage.ErrCursorExpired].
	CheckPosition(ctx context.Context, p Position) error
	// Records returns, in the order of their ids, up to limit of the records with after < id <= upTo that concern the
	// user: those for them alone, those of every conversation that they have a copy of since that began, and of a copy that ended
	// the record of its end. Which of them the user may see is not decided here. There must be no open record up to upTo.
	Records(ctx context.Context, u user.ID, after, upTo int64, limit int) ([]Record, error)
	// Memberships returns the users' copies: those they have, and those that ended behind the position.
	Memberships(ctx context.Context, endedAfter int64, users ...user.ID) ([]Membership, error)
	// View returns what must be known, as of now, to deliver these records: see [View]. Readers are the copies of those whom a
	// GROUP_MESSAGE_READ might concern.
	View(ctx context.Context, records []Record, readers []Membership) (View, error)
	// OnCommit registers a function to be called after each commit that wrote records and that the store knows of, from
	// whichever goroutine, with the streams that they are on: their conversations, their recipients, and those whose copies begin with them. It must
	// neither block nor keep the slice. The returned function removes it.
	OnCommit(func(news []Stream)) (remove func())
}

// Tail follows a log. It is for one goroutine.
type Tail interface {
	// Next returns, without waiting, what was committed since the last call: every record exactly once over all
	// calls, those of one conversation in their order. After an error the next call goes on where the last
	// good one ended, but for [storage.ErrCursorExpired]: the log that was followed is not there any more (the database was restored, or what
	// was to come next was pruned meanwhile), and this tail cannot go on.
	Next(ctx context.Context) (Batch, error)
	// Close frees what the tail holds, such as a connection to the database. It may be called again.
	Close() error
}

// Batch is a step of a [Tail].
type Batch struct {
	// Records are in the order of their ids, within this batch. A later batch may have lower ones, of other conversations.
	Records []Record
	// Safe is the position up to which nothing is open: no record at or below it will appear in a later batch. It never falls.
	Safe Position
}

// Membership is one copy as the log sees it.
type Membership struct {
	Copy         chat.Copy
	Conversation int64
	// JoinedSeq is the last place before it began, ClearedSeq the last that was cleared: it shows what is behind both.
	JoinedSeq, ClearedSeq int64
	// JoinRecord is the id of the record of its beginning, EndRecord of its end, 0 where it lasts.
	JoinRecord, EndRecord int64
}

// View is the state of things at the moment of delivery, for some records. All of it is of one moment.
type View struct {
	// Messages has the messages that the records are about and that still have their content and their sender. ReadAt is filled in.
	Messages map[int64]*chat.Message
	// Hidden has which of the messages that the records are about, those without content too, were deleted from which copy.
	Hidden map[HiddenMessage]bool
	// Copies has those copies in the records' conversations that began with one of the records (MEMBER_ADDED, CHAT_OPENED), ended with
	// the first of them or later, or were cleared up to or behind the lowest place that a record is about: what a follower that
	// knew them before must learn.
	Copies []Membership
	// Covered has, for each GROUP_MESSAGE_READ, the newest message of each of the readers (other than the actor) among those newly
	// covered that their copy still shows. Where no reader has one, the entry is empty.
	Covered map[int64]map[user.ID]*chat.Message
	// Erased has those of the records' actors, and of the owners of Copies that ended, who were erased. The actors of CREATED and UPDATED messages
	// are left out: nobody is told of these any more.
	Erased map[user.ID]bool
}

// HiddenMessage says that a copy (of either kind: their ids differ) does not show a message.
type HiddenMessage struct{ Copy, Message int64 }
