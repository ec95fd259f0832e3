package bunstore

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

// EditMessage implements [chat.MessageStore].
func (s *Store) EditMessage(ctx context.Context, c chat.Copy, message int64, content string) (m chat.Message, err error) {
	defer emptyOnError(&err, &m)
	if err := storage.CheckText("content", content); err != nil {
		return chat.Message{}, err
	}
	err = s.act(ctx, func(t *tx) error {
		conv, own, err := t.lock(ctx, c)
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
		_, err = t.record(ctx, realtime.Record{Operation: operation(conv.kind, realtime.ChatMessageUpdated, realtime.GroupMessageUpdated),
			At: m.EditedAt, Conversation: conv.id, Kind: conv.kind, Actor: own.owner, Message: m.ID, Seq: m.Seq})
		return err
	})
	return m, err
}

// sentByOwner returns a message if the copy shows it and its owner sent it.
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
		conv, own, err := t.lock(ctx, c)
		if err != nil {
			return err
		}
		m, err := t.sentByOwner(ctx, c, own, message)
		if err != nil {
			return err
		}
		if own.side != 0 && m.ReadAt.IsZero() {
			if err := t.uncount(ctx, conv, m, 3-own.side); err != nil {
				return err
			}
		}
		if err := t.empty(ctx, []int64{message}); err != nil {
			return err
		}
		_, err = t.record(ctx, realtime.Record{Operation: operation(conv.kind, realtime.ChatMessageUnsent, realtime.GroupMessageUnsent),
			At: moment(t.time()), Conversation: conv.id, Kind: conv.kind, Actor: own.owner, Message: m.ID, Seq: m.Seq})
		return err
	})
}

// uncount removes a message from the unread counter of one side of a chat, if that side's copy
// still shows it.
func (t *tx) uncount(ctx context.Context, conv conversation, m chat.Message, side int) error {
	_, err := t.exec(ctx, `UPDATE {conversations} SET
		unread_1 = unread_1 - CASE WHEN CAST($2 AS BIGINT) = 1 THEN 1 ELSE 0 END, unread_2 = unread_2 - CASE WHEN CAST($2 AS BIGINT) = 2 THEN 1 ELSE 0 END
		WHERE id = $1 AND EXISTS (SELECT 1 FROM {copies} c WHERE c.conversation_id = $1 AND c.side = CAST($2 AS BIGINT) AND c.end_event = 0 AND c.cleared_seq < $3
			AND NOT EXISTS (SELECT 1 FROM {hidden} h WHERE h.copy_id = c.id AND h.message_id = $4))`, conv.id, side, m.Seq, m.ID)
	return err
}

// empty turns messages into tombstones and removes all of their content.
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
		conv, own, err := t.lock(ctx, c)
		if err != nil {
			return err
		}
		m, err := t.shown(ctx, c, message)
		if err != nil {
			return err
		}
		if own.side != 0 && m.Sender != own.owner && m.ReadAt.IsZero() {
			if err := t.uncount(ctx, conv, m, own.side); err != nil {
				return err
			}
		}
		if _, err := t.exec(ctx, `INSERT INTO {hidden} (copy_id, message_id, seq, own) VALUES ($1, $2, $3, $4)`,
			own.id, m.ID, m.Seq, m.Sender == own.owner); err != nil {
			return err
		}
		_, err = t.record(ctx, realtime.Record{Operation: operation(conv.kind, realtime.ChatMessageDeleted, realtime.GroupMessageDeleted),
			At: moment(t.time()), Conversation: conv.id, Kind: conv.kind, Recipient: own.owner, Actor: own.owner, Message: m.ID, Seq: m.Seq})
		return err
	})
}

// ClearCopy implements [chat.MessageStore].
func (s *Store) ClearCopy(ctx context.Context, c chat.Copy) error {
	return s.act(ctx, func(t *tx) error {
		conv, own, err := t.lock(ctx, c)
		if err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE {copies} SET cleared_seq = $2 WHERE id = $1`, own.id, conv.lastSeq); err != nil {
			return err
		}
		if _, err := t.exec(ctx, `UPDATE {conversations} SET purge_due = TRUE,
			unread_1 = CASE WHEN CAST($2 AS BIGINT) = 1 THEN 0 ELSE unread_1 END, unread_2 = CASE WHEN CAST($2 AS BIGINT) = 2 THEN 0 ELSE unread_2 END WHERE id = $1`,
			conv.id, own.side); err != nil {
			return err
		}
		_, err = t.record(ctx, realtime.Record{Operation: operation(conv.kind, realtime.ChatDeleted, realtime.GroupDeleted),
			At: moment(t.time()), Conversation: conv.id, Kind: conv.kind, Recipient: own.owner, Actor: own.owner})
		return err
	})
}

// ArchiveCopy implements [chat.MessageStore].
func (s *Store) ArchiveCopy(ctx context.Context, c chat.Copy, archived bool) error {
	return s.act(ctx, func(t *tx) error {
		n, err := t.exec(ctx, `UPDATE {copies} SET archived = $4 WHERE id = $1 AND owner = $2 AND kind = $3 AND end_event = 0`,
			c.ID, userArg(c.Owner), int64(c.Kind), archived)
		if err == nil && n == 0 {
			return storage.NotFound()
		}
		return err
	})
}
