package bunstore

import (
	"context"
	"database/sql"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

// AppendMessage implements [chat.MessageStore].
func (s *Store) AppendMessage(ctx context.Context, c chat.Copy, d chat.Draft) (m chat.Message, err error) {
	if s.dialect == PostgreSQL && s.host == nil {
		m, ok, err := s.appendAtOnce(ctx, c, d)
		if ok || err != nil {
			return m, err
		}
	}
	err = s.act(ctx, func(t *tx) error {
		v, own, err := t.lock(ctx, c)
		if err != nil {
			return err
		}
		if d.ClientID != "" {
			before, found, err := t.sentBefore(ctx, c, own, d)
			if found || err != nil {
				m = before
				return err
			}
		}
		m, err = t.append(ctx, v, own, d)
		return err
	})
	return m, err
}

// sentBefore returns the message that the owner sent with this ClientID, where it may be answered.
func (t *tx) sentBefore(ctx context.Context, c chat.Copy, own ownCopy, d chat.Draft) (m chat.Message, found bool, err error) {
	var id, edited int64
	var content string
	found, err = t.row(ctx, `SELECT x.id, x.edited_at, x.content FROM {messages} x WHERE x.conversation_id = $1 AND x.sender = $2 AND x.client_id = $3`,
		[]any{own.conversation, string(own.owner), d.ClientID}, &id, &edited, &content)
	if err != nil || !found {
		return chat.Message{}, false, err
	}
	m, err = t.shown(ctx, c, id)
	switch {
	case err != nil && storage.Message(err) != "":
		return chat.Message{}, true, chat.ClientIDGone()
	case err != nil:
		return chat.Message{}, true, err
	case edited == 0 && content != d.Content:
		return chat.Message{}, true, chat.ClientIDTaken()
	}
	return m, true, nil
}

// append writes the message: one row of the log, one bump of its conversation, one event.
func (t *tx) append(ctx context.Context, v conversation, own ownCopy, d chat.Draft) (chat.Message, error) {
	now := t.time()
	m := chat.Message{Conversation: v.id, Seq: v.lastSeq + 1, Sender: own.owner, Content: d.Content, ClientID: d.ClientID, Date: moment(now)}
	if _, err := t.exec(ctx, `UPDATE {conversations} SET last_seq = $2, last_sent_at = $3,
		unread_1 = unread_1 + CASE WHEN CAST($4 AS BIGINT) = 2 THEN 1 ELSE 0 END, unread_2 = unread_2 + CASE WHEN CAST($4 AS BIGINT) = 1 THEN 1 ELSE 0 END
		WHERE id = $1`, v.id, m.Seq, now, own.side); err != nil {
		return chat.Message{}, err
	}
	if _, err := t.row(ctx, `INSERT INTO {messages} (conversation_id, seq, sender, content, client_id, created_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		[]any{v.id, m.Seq, string(m.Sender), m.Content, sql.NullString{String: d.ClientID, Valid: d.ClientID != ""}, now}, &m.ID); err != nil {
		return chat.Message{}, err
	}
	_, err := t.record(ctx, realtime.Record{Operation: operation(v.kind, realtime.ChatMessageCreated, realtime.GroupMessageCreated),
		At: m.Date, Conversation: v.id, Kind: v.kind, Actor: own.owner, Message: m.ID, Seq: m.Seq})
	return m, err
}

// appendAtOnce is AppendMessage in one statement, one round trip to the database. It sees the copy as of before its wait for the conversation's
// lock, so it takes part only where no copy of the conversation ended meanwhile (endings); and a ClientID that is taken raises. Where it does not
// come to pass it has changed nothing, and the act is done the long way, which knows why.
//
// Each row is made from the one before it, so that the record's id is drawn behind the lock.
func (s *Store) appendAtOnce(ctx context.Context, c chat.Copy, d chat.Draft) (m chat.Message, ok bool, err error) {
	t := s.reader()
	now := s.time()
	err = t.query(ctx, `
		WITH own AS MATERIALIZED (
			SELECT c.conversation_id, c.side, c.owner, v.endings FROM {copies} c JOIN {conversations} v ON v.id = c.conversation_id
			WHERE c.id = $1 AND c.owner = $2::text AND c.kind = $3::smallint AND c.end_event = 0
		), bumped AS (
			UPDATE {conversations} v SET last_seq = v.last_seq + 1, last_sent_at = $4::bigint,
				unread_1 = v.unread_1 + CASE WHEN own.side = 2 THEN 1 ELSE 0 END, unread_2 = v.unread_2 + CASE WHEN own.side = 1 THEN 1 ELSE 0 END
			FROM own WHERE v.id = own.conversation_id AND v.endings = own.endings
			RETURNING v.id, v.last_seq, v.kind, own.owner
		), sent AS (
			INSERT INTO {messages} (conversation_id, seq, sender, content, client_id, created_at)
			SELECT b.id, b.last_seq, b.owner, $5::text, $6::text, $4::bigint FROM bumped b RETURNING id, conversation_id, seq
		), recorded AS (
			INSERT INTO {events} (nonce, operation, at, conversation_id, kind, actor, message_id, seq)
			SELECT $7::bigint, $8::text, $4::bigint, s.conversation_id, $3::smallint, $2::text, s.id, s.seq FROM sent s RETURNING id
		)
		SELECT s.id, s.conversation_id, s.seq FROM sent s, recorded`,
		[]any{c.ID, string(c.Owner), int64(c.Kind), now, d.Content, sql.NullString{String: d.ClientID, Valid: d.ClientID != ""},
			nonce(), string(operation(c.Kind, realtime.ChatMessageCreated, realtime.GroupMessageCreated))},
		func(rows *sql.Rows) error {
			ok = true
			m = chat.Message{Sender: c.Owner, Content: d.Content, ClientID: d.ClientID, Date: moment(now)}
			return rows.Scan(&m.ID, &m.Conversation, &m.Seq)
		})
	if err != nil && (s.isConflict(err) || s.isTransient(err)) {
		return chat.Message{}, false, nil
	}
	if ok && err == nil {
		s.commits.ring([]realtime.Stream{{Conversation: m.Conversation}})
	}
	return m, ok, err
}

// EditMessage implements [chat.MessageStore].
func (s *Store) EditMessage(ctx context.Context, c chat.Copy, message int64, content string) (m chat.Message, err error) {
	err = s.act(ctx, func(t *tx) error {
		v, own, err := t.lock(ctx, c)
		if err != nil {
			return err
		}
		if m, err = t.sentByOwner(ctx, c, own, message); err != nil {
			return err
		}
		now := t.time()
		if _, err := t.exec(ctx, `UPDATE {messages} SET content = $2, edited_at = $3 WHERE id = $1`, message, content, now); err != nil {
			return err
		}
		m.Content, m.EditedAt = content, moment(now)
		_, err = t.record(ctx, realtime.Record{Operation: operation(v.kind, realtime.ChatMessageUpdated, realtime.GroupMessageUpdated),
			At: m.EditedAt, Conversation: v.id, Kind: v.kind, Actor: own.owner, Message: m.ID, Seq: m.Seq})
		return err
	})
	return m, err
}

// sentByOwner returns a message that the copy shows and that its owner sent.
func (t *tx) sentByOwner(ctx context.Context, c chat.Copy, own ownCopy, message int64) (chat.Message, error) {
	m, err := t.shown(ctx, c, message)
	if err == nil && m.Sender != own.owner {
		return chat.Message{}, chat.NotTheSender()
	}
	return m, err
}

// UnsendMessage implements [chat.MessageStore].
func (s *Store) UnsendMessage(ctx context.Context, c chat.Copy, message int64) error {
	return s.act(ctx, func(t *tx) error {
		v, own, err := t.lock(ctx, c)
		if err != nil {
			return err
		}
		m, err := t.sentByOwner(ctx, c, own, message)
		if err != nil {
			return err
		}
		if own.side != 0 && m.ReadAt.IsZero() {
			if err := t.uncount(ctx, v, m, 3-own.side); err != nil {
				return err
			}
		}
		if err := t.empty(ctx, []int64{message}); err != nil {
			return err
		}
		_, err = t.record(ctx, realtime.Record{Operation: operation(v.kind, realtime.ChatMessageUnsent, realtime.GroupMessageUnsent),
			At: moment(t.time()), Conversation: v.id, Kind: v.kind, Actor: own.owner, Message: m.ID, Seq: m.Seq})
		return err
	})
}

// uncount takes a message from the unread counter of a side of a chat, where that copy still shows it.
func (t *tx) uncount(ctx context.Context, v conversation, m chat.Message, side int) error {
	_, err := t.exec(ctx, `UPDATE {conversations} SET
		unread_1 = unread_1 - CASE WHEN CAST($2 AS BIGINT) = 1 THEN 1 ELSE 0 END, unread_2 = unread_2 - CASE WHEN CAST($2 AS BIGINT) = 2 THEN 1 ELSE 0 END
		WHERE id = $1 AND EXISTS (SELECT 1 FROM {copies} c WHERE c.conversation_id = $1 AND c.side = CAST($2 AS BIGINT) AND c.end_event = 0 AND c.cleared_seq < $3
			AND NOT EXISTS (SELECT 1 FROM {hidden} h WHERE h.copy_id = c.id AND h.message_id = $4))`, v.id, side, m.Seq, m.ID)
	return err
}

// empty makes messages tombstones: nothing of their content is left.
func (t *tx) empty(ctx context.Context, messages []int64) error {
	ids := list(t.Store, messages)
	if _, err := t.exec(ctx, `UPDATE {messages} SET content = '', edited_at = 0, gone = TRUE WHERE `+t.in("id", "$1", "bigint"), ids); err != nil {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE {hidden} SET gone = TRUE, checked = TRUE WHERE `+t.in("message_id", "$1", "bigint"), ids); err != nil {
		return err
	}
	_, err := t.exec(ctx, `DELETE FROM {notification_reads} WHERE `+t.in("message_id", "$1", "bigint"), ids)
	return err
}

// HideMessage implements [chat.MessageStore].
func (s *Store) HideMessage(ctx context.Context, c chat.Copy, message int64) error {
	return s.act(ctx, func(t *tx) error {
		v, own, err := t.lock(ctx, c)
		if err != nil {
			return err
		}
		m, err := t.shown(ctx, c, message)
		if err != nil {
			return err
		}
		if own.side != 0 && m.Sender != own.owner && m.ReadAt.IsZero() {
			if err := t.uncount(ctx, v, m, own.side); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, `INSERT INTO {hidden} (copy_id, message_id, seq, own) VALUES ($1, $2, $3, $4)`,
			own.id, m.ID, m.Seq, m.Sender == own.owner); err != nil {
			return err
		}
		_, err = t.record(ctx, realtime.Record{Operation: operation(v.kind, realtime.ChatMessageDeleted, realtime.GroupMessageDeleted),
			At: moment(t.time()), Conversation: v.id, Kind: v.kind, Recipient: own.owner, Actor: own.owner, Message: m.ID, Seq: m.Seq})
		return err
	})
}

// ClearCopy implements [chat.MessageStore].
func (s *Store) ClearCopy(ctx context.Context, c chat.Copy) error {
	return s.act(ctx, func(t *tx) error {
		v, own, err := t.lock(ctx, c)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE {copies} SET cleared_seq = $2 WHERE id = $1`, own.id, v.lastSeq); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE {conversations} SET purge_due = TRUE,
			unread_1 = CASE WHEN CAST($2 AS BIGINT) = 1 THEN 0 ELSE unread_1 END, unread_2 = CASE WHEN CAST($2 AS BIGINT) = 2 THEN 0 ELSE unread_2 END WHERE id = $1`,
			v.id, own.side); err != nil {
			return err
		}
		_, err = t.record(ctx, realtime.Record{Operation: operation(v.kind, realtime.ChatDeleted, realtime.GroupDeleted),
			At: moment(t.time()), Conversation: v.id, Kind: v.kind, Recipient: own.owner, Actor: own.owner})
		return err
	})
}

// ArchiveCopy implements [chat.MessageStore].
func (s *Store) ArchiveCopy(ctx context.Context, c chat.Copy, archived bool) error {
	return s.act(ctx, func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE {copies} SET archived = $4 WHERE id = $1 AND owner = $2 AND kind = $3 AND end_event = 0`,
			c.ID, string(c.Owner), int64(c.Kind), archived)
		if err == nil && n == 0 {
			return storage.NotFound()
		}
		return err
	})
}
