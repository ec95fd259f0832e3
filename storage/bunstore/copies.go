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

// conversation is a locked row of conversations: nothing else happens there until the transaction ends.
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

// lockConversation locks a row of conversations by the condition, which is on v. It does so by a write. On SQLite a transaction of the host's that began
// without one waits its turn by that; on PostgreSQL one with a snapshot of its own, which would decide by what was there before, fails as not serializable
// where anything happened in the conversation since.
func (t *tx) lockConversation(ctx context.Context, condition string, args ...any) (conversation, error) {
	var v conversation
	found, err := t.row(ctx, `UPDATE {conversations} AS v SET kind = kind WHERE `+condition+` RETURNING id, kind, last_seq`, args, &v.id, &v.kind, &v.lastSeq)
	if err == nil && !found {
		err = storage.NotFound()
	}
	return v, err
}

// lock locks the conversation of a copy and then reads the copy, which may have ended while the lock was waited for. A copy
// that does not exist, has ended, is of another kind or another user's is not found. All of these take the same steps, and
// none of them waits for a lock: neither how long the answer takes nor who else acts there tells one from another.
func (t *tx) lock(ctx context.Context, c chat.Copy) (conversation, ownCopy, error) {
	conv, err := t.lockConversation(ctx, `v.id = (SELECT c.conversation_id FROM {copies} c WHERE c.id = $1 AND c.owner = $2 AND c.kind = $3 AND c.end_event = 0)`,
		c.ID, named(c.Owner), int64(c.Kind))
	if err != nil {
		return conversation{}, ownCopy{}, err
	}
	own, err := t.copy(ctx, c)
	return conv, own, err
}

// lockKind is lock for an act that there is in one kind of conversation only.
func (t *tx) lockKind(ctx context.Context, kind chat.Kind, c chat.Copy) (conversation, ownCopy, error) {
	if c.Kind != kind {
		return conversation{}, ownCopy{}, storage.NotFound()
	}
	return t.lock(ctx, c)
}

// copy reads a present copy.
func (t *tx) copy(ctx context.Context, c chat.Copy) (ownCopy, error) {
	var own ownCopy
	found, err := t.row(ctx, `SELECT `+copyColumns+` FROM {copies} c WHERE c.id = $1 AND c.owner = $2 AND c.kind = $3 AND c.end_event = 0`,
		[]any{c.ID, named(c.Owner), int64(c.Kind)}, own.into()...)
	if err == nil && !found {
		err = storage.NotFound()
	}
	return own, err
}

// lockUsers holds off the erasure of users until the transaction ends, and refuses those who were erased. It comes before the
// lock of a conversation.
func (t *tx) lockUsers(ctx context.Context, users ...user.ID) error {
	if len(valid(users)) < len(users) {
		return storage.NotFound()
	}
	if t.dialect == PostgreSQL {
		// In one order, whoever asks.
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

// countErased returns how many of the users were erased. On SQLite it asks by a write, see [tx.writeFirst].
func (t *tx) countErased(ctx context.Context, users []user.ID) (erased int64, err error) {
	if t.dialect == SQLite {
		return t.exec(ctx, `UPDATE {erasures} SET done = done WHERE `+t.in("owner", "$1", "text"), list(t.Store, users))
	}
	_, err = t.row(ctx, `SELECT count(*) FROM {erasures} x WHERE `+t.in("x.owner", "$1", "text"), []any{list(t.Store, users)}, &erased)
	return erased, err
}

// noticeErasures makes a transaction of the host's with a snapshot of its own fail as not serializable, where one of the users was erased since: the unique
// index knows of rows that the snapshot does not show.
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
	_, err := t.exec(ctx, `ROLLBACK TO SAVEPOINT buddychat_users`) // which ends with that of the act
	return err
}

// snapshot reports whether all statements see the database as it was when the transaction began, as only in one of the host's.
func (t *tx) snapshot(ctx context.Context) (bool, error) {
	if t.host == nil || t.dialect != PostgreSQL {
		return false, nil
	}
	var level string
	_, err := t.row(ctx, `SELECT current_setting('transaction_isolation')`, nil, &level)
	return hasSnapshot(level), err
}

// lockUserToErase waits for all who hold the user by lockUsers.
func (t *tx) lockUserToErase(ctx context.Context, u user.ID) error {
	if t.dialect != PostgreSQL {
		return nil
	}
	_, err := t.exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($2::text || $1::text, 0))`, named(u), t.prefix)
	return err
}

// named is how a user is named in a statement. A name that no user can have is replaced by another such name that every database
// takes.
func named(u user.ID) string {
	if u.Valid() {
		return string(u)
	}
	return noUser
}

// noUser is too long for a user.
var noUser = strings.Repeat("-", user.MaxIDLength+1)

// valid returns those of the names that a user can have.
func valid(users []user.ID) []user.ID {
	return slices.DeleteFunc(slices.Clone(users), func(u user.ID) bool { return !u.Valid() })
}

// operation returns the operation of the conversation's kind.
func operation(k chat.Kind, inChat, inGroup realtime.Operation) realtime.Operation {
	if k == chat.Group {
		return inGroup
	}
	return inChat
}

// each returns a FROM clause that joins every row of parent with the first rows of child, as x, that satisfy where (which may name both).
// It reads no more of child than it returns, however many there are.
func (s *Store) each(parent, child, where, order, limit string) string {
	inner := ` FROM ` + child + ` x WHERE ` + where + ` ORDER BY ` + order + ` LIMIT ` + limit
	if s.dialect == SQLite {
		// It keeps the order of a CROSS JOIN: else it may read each row of child first, and run the inner statement for each pair.
		return parent + ` CROSS JOIN ` + child + ` x ON x.id IN (SELECT x.id` + inner + `)`
	}
	return parent + ` CROSS JOIN LATERAL (SELECT x.*` + inner + `) x`
}

// has is the condition that the copy c has the message x of its conversation, be that gone or not.
const has = `x.seq > c.cleared_seq AND NOT EXISTS (SELECT 1 FROM {hidden} h WHERE h.copy_id = c.id AND h.message_id = x.id)`

// hadByAny is the condition that any copy has the message x. What none has is purged.
const hadByAny = `EXISTS (SELECT 1 FROM {copies} c WHERE c.conversation_id = x.conversation_id AND c.end_event = 0 AND ` + has + `)`

// there is the condition that the message x has its content and its sender.
const there = `NOT x.gone AND NOT EXISTS (SELECT 1 FROM {erasures} z WHERE z.owner = x.sender AND NOT z.done)`

// visible is the condition that the copy c shows the message x of its conversation.
const visible = has + ` AND ` + there

// messageColumns are those of the message x.
const messageColumns = `x.id, x.conversation_id, x.seq, x.sender, x.content,
	COALESCE(x.client_id, ''), x.created_at, x.edited_at, ` + readMoment

// readMoment is when everybody had read the message x. A group's read moments are looked up in the
// one mark of everybody's and the one of the sender's that can cover the place: the ranges of each
// do not overlap.
const readMoment = `
	CASE WHEN x.read_at <> 0 THEN x.read_at ELSE COALESCE(
		(SELECT CASE WHEN r.from_seq < x.seq THEN r.at END FROM {read_marks} r
			WHERE r.conversation_id = x.conversation_id AND r.only_sender AND r.sender = x.sender AND r.to_seq >= x.seq
			ORDER BY r.to_seq LIMIT 1),
		(SELECT CASE WHEN r.from_seq < x.seq AND r.sender <> x.sender THEN r.at END FROM {read_marks} r
			WHERE r.conversation_id = x.conversation_id AND NOT r.only_sender AND r.to_seq >= x.seq
			ORDER BY r.to_seq LIMIT 1),
		0) END`

// messageRow is where the rows of one statement are scanned into, one after another: a message, and the copy that shows it where the statement
// selects [copyOfMessage] behind [messageColumns].
type messageRow struct {
	message               chat.Message
	sender, owner         string
	created, edited, read int64
	kind, copyID          int64
	more                  int64 // a column of the statement's own, last
	into                  []any
}

// copyOfMessage names the copy c.
const copyOfMessage = `, c.kind, c.id, c.owner`

func newMessageRow() *messageRow {
	r := &messageRow{}
	m := &r.message
	r.into = []any{&m.ID, &m.Conversation, &m.Seq, &r.sender, &m.Content, &m.ClientID, &r.created, &r.edited, &r.read, &r.kind, &r.copyID, &r.owner, &r.more}
	return r
}

// scan scans as many columns as a statement has: those of the message, and up to four more.
func (r *messageRow) scan(rows *sql.Rows, more int) (chat.Message, error) {
	if err := rows.Scan(r.into[:9+more]...); err != nil {
		return chat.Message{}, err
	}
	m := r.message
	m.Sender = user.ID(r.sender)
	m.Date, m.EditedAt, m.ReadAt = moment(r.created), moment(r.edited), moment(r.read)
	return m, nil
}

// copy names the copy of the row that was scanned.
func (r *messageRow) copy() chat.Copy {
	return chat.Copy{Kind: chat.Kind(r.kind), ID: r.copyID, Owner: user.ID(r.owner)}
}

// shown returns a message that the copy shows.
func (t *tx) shown(ctx context.Context, c chat.Copy, message int64) (m chat.Message, err error) {
	found := false
	err = t.query(ctx, `SELECT `+messageColumns+` FROM {copies} c JOIN {messages} x ON x.conversation_id = c.conversation_id
		WHERE c.id = $1 AND c.owner = $2 AND c.kind = $3 AND c.end_event = 0 AND x.id = $4 AND `+visible,
		[]any{c.ID, named(c.Owner), int64(c.Kind), message}, func(rows *sql.Rows) (err error) {
			found = true
			m, err = newMessageRow().scan(rows, 0)
			return err
		})
	if err == nil && !found {
		err = storage.NotFound()
	}
	return m, err
}
