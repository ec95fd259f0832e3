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

// Operation is the kind of an event.
type Operation string

// The operations that clients receive.
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
	// derived from a CREATED, never a record of its own
	NotificationCreated Operation = "NOTIFICATION_CREATED"
	MemberAdded         Operation = "MEMBER_ADDED"
	MemberRemoved       Operation = "MEMBER_REMOVED"
	MemberLeft          Operation = "MEMBER_LEFT"
)

// The operations that only nodes receive.
const (
	// LogBegun is the first record of every log, so that even a new log has a record that
	// identifies it.
	LogBegun Operation = "LOG_BEGUN"
	// ChatOpened says that the copies of a chat were created.
	ChatOpened Operation = "CHAT_OPENED"
	// SessionEnded says that a login of Recipient ended: the one with the id Session, or all of
	// them if Session is "".
	SessionEnded Operation = "SESSION_ENDED"
)

// Record is one row of the log. It holds references, never content. Within a conversation the ids
// of records rise in commit order.
type Record struct {
	Position
	Operation Operation
	At        time.Time
	// Conversation is where it happened, 0 for none. Kind says which kind of conversation that is.
	Conversation int64
	Kind         chat.Kind
	// Recipient is the only user whom it concerns. "" means every user with a copy.
	Recipient user.ID
	// Actor is the user who caused it: "" for none, and for the erasure of a user. The actor may
	// have been erased since: see [View].
	Actor user.ID
	// Message is the message that it is about, 0 for none, and Seq its sequence number. In a
	// GROUP_MESSAGE_READ they belong to the message that was marked.
	Message, Seq int64
	// From is set in a GROUP_MESSAGE_READ: the previous read point. The sequence numbers newly
	// covered are From+1 to Seq.
	From int64
	// Member is the id of the membership in a MEMBER_* record.
	Member int64
	// Session is the id of the session in a SESSION_ENDED.
	Session string
	// Erased says that it happened because a user was erased.
	Erased bool
}

// Position is a position in the log of one database: everything up to and including the record with
// this ID. Nonce is the random number of that record. It distinguishes a log from another one, and
// from one that was restored to an earlier state. The text form is the cursor that clients hold.
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

// ParseCursor parses the result of [Position.String]. Any other text is [storage.ErrCursorExpired].
func ParseCursor(s string) (Position, error) {
	if len(s) != base64.RawURLEncoding.EncodedLen(16) {
		return Position{}, storage.CursorExpired()
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != 16 { // the decoder ignores line breaks
		return Position{}, storage.CursorExpired()
	}
	return Position{ID: int64(binary.BigEndian.Uint64(b)), Nonce: int64(binary.BigEndian.Uint64(b[8:]))}, nil
}

// Log is what a store offers to a [Hub]. Every method is safe for concurrent use.
type Log interface {
	// Tail starts to follow the log. [Tail.Next] returns every record committed after this call,
	// and every earlier one above the first batch's Safe.
	Tail(ctx context.Context) (Tail, error)
	// CheckPosition returns nil if p is in this log and no record after it was pruned, else
	// [storage.ErrCursorExpired].
	CheckPosition(ctx context.Context, p Position) error
	// Records returns, in the order of their ids, up to limit records with after < id <= upTo that
	// concern the user. These are the records for this user alone, the records of each conversation
	// since the user's copy of it began, and the final record of each copy that ended. Records does
	// not decide which of them the user may see. No record up to upTo may be open.
	Records(ctx context.Context, u user.ID, after, upTo int64, limit int) ([]Record, error)
	// Memberships returns the users' current copies, and those that ended after the position.
	Memberships(ctx context.Context, endedAfter int64, users ...user.ID) ([]Membership, error)
	// View returns the current state that is needed to deliver these records: see [View]. Readers
	// are the copies that a GROUP_MESSAGE_READ might concern.
	View(ctx context.Context, records []Record, readers []Membership) (View, error)
	// OnCommit registers a function that the store calls after each of its commits that wrote
	// records. It is called on any goroutine, with the streams of the records: their conversations,
	// their recipients, and the users whose copies begin with them. It must neither block nor keep
	// the slice. The returned function removes it.
	OnCommit(func(changed []Stream)) (remove func())
}

// Tail follows a log. It is not safe for concurrent use.
type Tail interface {
	// Next returns, without waiting, the records committed since the last call. Over all calls,
	// every record comes exactly once, and those of one conversation come in order. After an error
	// the next call continues after the last successful one. The exception is
	// [storage.ErrCursorExpired]: the log no longer exists (the database was restored, or the next
	// records were pruned), and this tail cannot continue.
	Next(ctx context.Context) (Batch, error)
	// Close frees what the tail holds, such as a database connection. It may be called again.
	Close() error
}

// Batch is the result of one [Tail.Next].
type Batch struct {
	// Records are ordered by id within this batch. A later batch may have lower ids, of other
	// conversations.
	Records []Record
	// Safe is the position up to which no record is open: no record at or below it will appear in a
	// later batch. It never decreases.
	Safe Position
}

// Membership is one copy of a conversation, as the log sees it.
type Membership struct {
	Copy         chat.Copy
	Conversation int64
	// JoinedSeq is the last sequence number before the copy began, ClearedSeq the last that was
	// cleared. The copy shows the messages after both.
	JoinedSeq, ClearedSeq int64
	// JoinRecord is the id of the record with which it began, EndRecord of the one with which it
	// ended, 0 if it has not ended.
	JoinRecord, EndRecord int64
}

// View is the state that some records need at delivery. All of it is from one snapshot.
type View struct {
	// Messages has the records' messages that still have their content and their sender. ReadAt is
	// set.
	Messages map[int64]*chat.Message
	// Hidden says which of the records' messages were deleted from which copy, including messages
	// without content.
	Hidden map[HiddenMessage]bool
	// Copies has the changes that a follower must learn: the copies in the records' conversations
	// that began with one of the records (MEMBER_ADDED, CHAT_OPENED), that ended with the first of
	// them or later, or that were cleared up to at least the lowest sequence number of the records.
	Copies []Membership
	// Covered has, for each GROUP_MESSAGE_READ, the newest message of each reader (other than the
	// actor) that is newly covered and that their copy still shows. The entry is empty if no reader
	// has such a message.
	Covered map[int64]map[user.ID]*chat.Message
	// Erased has the records' actors, and the owners of Copies that ended, who were erased. It
	// leaves out the actors of CREATED and UPDATED messages: these events are no longer delivered.
	Erased map[user.ID]bool
}

// HiddenMessage is a message that a copy does not show. The ids of chat copies and group copies
// differ, so Copy identifies either kind.
type HiddenMessage struct{ Copy, Message int64 }
