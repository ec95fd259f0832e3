package bunstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// conversation is a locked row of conversations. No other operation changes the conversation until
// the transaction ends.
type conversation struct {
	id      int64
	kind    chat.Kind
	lastSeq int64
}

// ownCopy is a row of copies.
type ownCopy struct {
	id, conversation int64
	kind             chat.Kind
	owner, other     user.ID
	side             int
	admin            bool
	archived         bool
	joinedSeq        int64
	clearedSeq       int64
	readSeq          int64
	joinedAt         int64
}

const copyColumns = `c.id, c.conversation_id, c.kind, c.owner, c.other, c.side, c.admin, c.archived, c.joined_seq, c.cleared_seq, c.read_seq, c.joined_at`

func (m *ownCopy) into() []any {
	return []any{&m.id, &m.conversation, &m.kind, &m.owner, &m.other, &m.side, &m.admin, &m.archived,
		&m.joinedSeq, &m.clearedSeq, &m.readSeq, &m.joinedAt}
}

// lockConversation locks the row of conversations that satisfies the condition, which refers to it
// as v. It locks by a write. On SQLite, a host transaction that did not begin with a write then
// waits for the write lock. On PostgreSQL, a host transaction with a snapshot would decide by old
// data. The write makes it fail with a serialization failure if the conversation has changed since.
func (t *tx) lockConversation(ctx context.Context, condition string, args ...any) (conversation, error) {
	var conv conversation
	found, err := t.row(ctx, `UPDATE {conversations} AS v SET kind = kind WHERE `+condition+` RETURNING id, kind, last_seq`, args, &conv.id, &conv.kind, &conv.lastSeq)
	if err == nil && !found {
		err = storage.NotFound()
	}
	return conv, err
}

// lock locks the conversation of a copy and then reads the copy, which may have ended during the
// wait for the lock. It returns NotFound for a copy that does not exist, has ended, is of another
// kind or belongs to another user. These cases run the same statements and wait for no lock, so
// neither the response time nor other users' activity tells them apart.
func (t *tx) lock(ctx context.Context, c chat.Copy) (conversation, ownCopy, error) {
	conv, err := t.lockConversation(ctx, `v.id = (SELECT c.conversation_id FROM {copies} c WHERE c.id = $1 AND c.owner = $2 AND c.kind = $3 AND c.end_event = 0)`,
		c.ID, userArg(c.Owner), int64(c.Kind))
	if err != nil {
		return conversation{}, ownCopy{}, err
	}
	own, err := t.copy(ctx, c)
	return conv, own, err
}

// lockKind is lock for operations that exist only for one kind of conversation.
func (t *tx) lockKind(ctx context.Context, kind chat.Kind, c chat.Copy) (conversation, ownCopy, error) {
	if c.Kind != kind {
		return conversation{}, ownCopy{}, storage.NotFound()
	}
	return t.lock(ctx, c)
}

// copy reads a copy that has not ended.
func (t *tx) copy(ctx context.Context, c chat.Copy) (ownCopy, error) {
	var own ownCopy
	found, err := t.row(ctx, `SELECT `+copyColumns+` FROM {copies} c WHERE c.id = $1 AND c.owner = $2 AND c.kind = $3 AND c.end_event = 0`,
		[]any{c.ID, userArg(c.Owner), int64(c.Kind)}, own.into()...)
	if err == nil && !found {
		err = storage.NotFound()
	}
	return own, err
}

// lockUsers blocks the erasure of the users until the transaction ends. It returns NotFound if one
// of them is erased. It must be called before a conversation is locked.
func (t *tx) lockUsers(ctx context.Context, users ...user.ID) error {
	if len(validUsers(users)) < len(users) {
		return storage.NotFound()
	}
	if t.dialect == PostgreSQL {
		// All transactions lock users in the same order, to avoid deadlocks.
		if _, err := t.row(ctx, `SELECT count(*) FROM (SELECT pg_advisory_xact_lock_shared(hashtextextended($2::text || u, 0))
			FROM (SELECT DISTINCT u FROM unnest($1::text[]) u ORDER BY u) q) l`, []any{list(t.Store, users), t.prefix}, new(int64)); err != nil {
			return err
		}
		if err := t.noticeErasures(ctx, users); err != nil {
			return err
		}
	}
	erased, err := t.countErased(ctx, users)
	if err != nil {
		return err
	}
	if erased > 0 {
		return storage.NotFound()
	}
	return nil
}

// countErased returns how many of the users are erased. On SQLite it does so by a write; see
// [tx.writeFirst].
func (t *tx) countErased(ctx context.Context, users []user.ID) (erased int64, err error) {
	if t.dialect == SQLite {
		return t.exec(ctx, `UPDATE {erasures} SET done = done WHERE `+t.in("owner", "$1", "text"), list(t.Store, users))
	}
	_, err = t.row(ctx, `SELECT count(*) FROM {erasures} x WHERE `+t.in("x.owner", "$1", "text"), []any{list(t.Store, users)}, &erased)
	return erased, err
}

// noticeErasures makes a host transaction with a snapshot fail with a serialization failure if one
// of the users was erased after the snapshot. The unique index sees rows that the snapshot does not
// show.
func (t *tx) noticeErasures(ctx context.Context, users []user.ID) error {
	if old, err := t.snapshot(ctx); err != nil || !old {
		return err
	}
	if _, err := t.exec(ctx, `SAVEPOINT buddychat_users`); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `INSERT INTO {erasures} (owner, at) SELECT DISTINCT u, 0 FROM unnest($1::text[]) u ORDER BY u ON CONFLICT (owner) DO NOTHING`,
		list(t.Store, users)); err != nil {
		return err
	}
	// The savepoint itself ends with the savepoint of the operation.
	_, err := t.exec(ctx, `ROLLBACK TO SAVEPOINT buddychat_users`)
	return err
}

// snapshot reports whether all statements see the database as it was when the transaction began.
// That is possible only in a host transaction.
func (t *tx) snapshot(ctx context.Context) (bool, error) {
	if t.host == nil || t.dialect != PostgreSQL {
		return false, nil
	}
	var level string
	_, err := t.row(ctx, `SELECT current_setting('transaction_isolation')`, nil, &level)
	return hasSnapshot(level), err
}

// lockUserToErase waits for all transactions that hold the user by lockUsers.
func (t *tx) lockUserToErase(ctx context.Context, u user.ID) error {
	if t.dialect != PostgreSQL {
		return nil
	}
	_, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($2::text || $1::text, 0))`, userArg(u), t.prefix)
	return err
}

// userArg returns the id as an argument of a statement. It replaces an invalid id, which the
// database may reject, by another id that no user has.
func userArg(u user.ID) string {
	if u.Valid() {
		return string(u)
	}
	return noUser
}

// noUser is too long to be the id of a user.
var noUser = strings.Repeat("-", user.MaxIDLength+1)

// validUsers returns the ids that a user can have.
func validUsers(users []user.ID) []user.ID {
	return slices.DeleteFunc(slices.Clone(users), func(u user.ID) bool { return !u.Valid() })
}

// operation returns the operation for the kind of conversation.
func operation(k chat.Kind, inChat, inGroup realtime.Operation) realtime.Operation {
	if k == chat.Group {
		return inGroup
	}
	return inChat
}

// joinFirst returns a FROM clause that joins every row of parent with the first rows of child, as
// x, that satisfy where. The condition may refer to both tables. Only the returned rows of child
// are read.
func (s *Store) joinFirst(parent, child, where, order, limit string) string {
	inner := ` FROM ` + child + ` x WHERE ` + where + ` ORDER BY ` + order + ` LIMIT ` + limit
	if s.dialect == SQLite {
		// SQLite keeps the order of a CROSS JOIN. With another join, it may read all rows of child
		// first and run the subquery for each pair.
		return parent + ` CROSS JOIN ` + child + ` x ON x.id IN (SELECT x.id` + inner + `)`
	}
	return parent + ` CROSS JOIN LATERAL (SELECT x.*` + inner + `) x`
}

// copyHasMessage is the SQL condition that the copy c has the message x of its conversation. The
// message may be gone.
const copyHasMessage = `x.seq > c.cleared_seq AND NOT EXISTS (SELECT 1 FROM {hidden} h WHERE h.copy_id = c.id AND h.message_id = x.id)`

// anyCopyHasMessage is the SQL condition that at least one copy has the message x. Other messages
// are purged.
const anyCopyHasMessage = `EXISTS (SELECT 1 FROM {copies} c WHERE c.conversation_id = x.conversation_id AND c.end_event = 0 AND ` + copyHasMessage + `)`

// messagePresent is the SQL condition that the message x is not gone and its sender is not being
// erased.
const messagePresent = `NOT x.gone AND NOT EXISTS (SELECT 1 FROM {erasures} z WHERE z.owner = x.sender AND NOT z.done)`

// visible is the SQL condition that the copy c shows the message x of its conversation.
const visible = copyHasMessage + ` AND ` + messagePresent

// messageColumns are the columns of the message x.
const messageColumns = `x.id, x.conversation_id, x.seq, x.sender, x.content,
	COALESCE(x.client_id, ''), x.created_at, x.edited_at, ` + readTime

// readTime is when the message x was read by all, or 0. The read time of a group message comes from
// {read_marks}. At most one mark of each kind can cover a sequence number, because the ranges of
// marks of one kind do not overlap.
const readTime = `
	CASE WHEN x.read_at <> 0 THEN x.read_at ELSE COALESCE(
		(SELECT CASE WHEN r.from_seq < x.seq THEN r.at END FROM {read_marks} r
			WHERE r.conversation_id = x.conversation_id AND r.only_sender AND r.sender = x.sender AND r.to_seq >= x.seq
			ORDER BY r.to_seq LIMIT 1),
		(SELECT CASE WHEN r.from_seq < x.seq AND r.sender <> x.sender THEN r.at END FROM {read_marks} r
			WHERE r.conversation_id = x.conversation_id AND NOT r.only_sender AND r.to_seq >= x.seq
			ORDER BY r.to_seq LIMIT 1),
		0) END`

// messageRow holds the targets that the rows of one statement are scanned into, one after another:
// a message, and the copy that shows it if the statement selects [copyOfMessage] after
// [messageColumns].
type messageRow struct {
	message               chat.Message
	sender, owner         string
	created, edited, read int64
	kind, copyID          int64
	more                  int64 // one more column, at the end
	into                  []any
}

// copyOfMessage are the columns that identify the copy c.
const copyOfMessage = `, c.kind, c.id, c.owner`

func newMessageRow() *messageRow {
	r := &messageRow{}
	m := &r.message
	r.into = []any{&m.ID, &m.Conversation, &m.Seq, &r.sender, &m.Content, &m.ClientID, &r.created, &r.edited, &r.read, &r.kind, &r.copyID, &r.owner, &r.more}
	return r
}

// scan scans the columns of the message, and up to four more.
func (r *messageRow) scan(rows *sql.Rows, more int) (chat.Message, error) {
	if err := rows.Scan(r.into[:9+more]...); err != nil {
		return chat.Message{}, err
	}
	m := r.message
	m.Sender = user.ID(r.sender)
	m.Date, m.EditedAt, m.ReadAt = moment(r.created), moment(r.edited), moment(r.read)
	return m, nil
}

// copy returns the copy of the row that was scanned last.
func (r *messageRow) copy() chat.Copy {
	return chat.Copy{Kind: chat.Kind(r.kind), ID: r.copyID, Owner: user.ID(r.owner)}
}

// shown returns a message if the copy shows it, and NotFound otherwise.
func (t *tx) shown(ctx context.Context, c chat.Copy, message int64) (m chat.Message, err error) {
	found := false
	err = t.query(ctx, `SELECT `+messageColumns+` FROM {copies} c JOIN {messages} x ON x.conversation_id = c.conversation_id
		WHERE c.id = $1 AND c.owner = $2 AND c.kind = $3 AND c.end_event = 0 AND x.id = $4 AND `+visible,
		[]any{c.ID, userArg(c.Owner), int64(c.Kind), message}, func(rows *sql.Rows) (err error) {
			found = true
			m, err = newMessageRow().scan(rows, 0)
			return err
		})
	if err == nil && !found {
		err = storage.NotFound()
	}
	return m, err
}
