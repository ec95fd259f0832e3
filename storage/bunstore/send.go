package bunstore

import (
	"context"
	"database/sql"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

// sharedQueue is the queue in which every send starts. The key of any other queue is the id of a
// conversation.
const sharedQueue = 0

// AppendMessage implements [chat.MessageStore]. Concurrent sends share a transaction. If ctx ends,
// the message may have been sent or not.
func (s *Store) AppendMessage(ctx context.Context, c chat.Copy, d chat.Draft) (chat.Message, error) {
	if err := storage.CheckText("content", d.Content, "clientMessageId", d.ClientID); err != nil {
		return chat.Message{}, err
	}
	// An invalid owner would make its whole batch fail.
	if s.host != nil || !c.Owner.Valid() {
		return s.appendAlone(ctx, c, d)
	}
	p := &pendingSend{copy: c, draft: d}
	err := s.sends.do(ctx, sharedQueue, p, s.appendTogether)
	if err == nil && p.lockedConversation != 0 {
		err = s.sends.do(ctx, p.lockedConversation, p, s.appendAfterWaiting)
	}
	switch {
	case err != nil:
		return chat.Message{}, err
	case p.alone, p.lockedConversation != 0:
		// Still locked: the conversation was deleted in the meantime.
		return s.appendAlone(ctx, c, d)
	}
	return p.message, p.err
}

// appendTogether serves the shared queue. It does not wait for conversations that are locked.
func (s *Store) appendTogether(ctx context.Context, batch []*pendingSend) {
	if s.dialect == SQLite {
		s.appendOneByOne(ctx, batch)
		return
	}
	s.appendIfUnlocked(ctx, batch)
}

// appendOneByOne sends messages in one transaction. A message that breaks a rule of the domain
// writes nothing. Any other error fails the whole batch.
func (s *Store) appendOneByOne(ctx context.Context, batch []*pendingSend) {
	err := s.act(ctx, func(t *tx) error {
		for _, p := range batch {
			p.message, p.err = t.appendOne(ctx, p.copy, p.draft)
			if p.err != nil && storage.Message(p.err) == "" {
				return p.err
			}
		}
		return nil
	})
	for _, p := range batch {
		if err != nil {
			p.message, p.err = chat.Message{}, err
		}
	}
}

// appendAlone is AppendMessage in an operation of its own.
func (s *Store) appendAlone(ctx context.Context, c chat.Copy, d chat.Draft) (m chat.Message, err error) {
	defer emptyOnError(&err, &m)
	err = s.act(ctx, func(t *tx) error {
		m, err = t.appendOne(ctx, c, d)
		return err
	})
	return m, err
}

func (t *tx) appendOne(ctx context.Context, c chat.Copy, d chat.Draft) (chat.Message, error) {
	conv, own, err := t.lock(ctx, c)
	if err != nil {
		return chat.Message{}, err
	}
	if d.ClientID != "" {
		if before, found, err := t.sentBefore(ctx, c, own, d); found || err != nil {
			return before, err
		}
	}
	return t.append(ctx, conv, own, d)
}

// sentBefore returns the message that the owner already sent with this ClientID. If the copy no
// longer shows it, or its content differs, the error says so.
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

// append writes the message: a row in messages, an update of the conversation, and an event.
func (t *tx) append(ctx context.Context, conv conversation, own ownCopy, d chat.Draft) (chat.Message, error) {
	now := t.time()
	m := chat.Message{Conversation: conv.id, Seq: conv.lastSeq + 1, Sender: own.owner, Content: d.Content, ClientID: d.ClientID, Date: moment(now)}
	if _, err := t.exec(ctx, `UPDATE {conversations} SET last_seq = $2, last_sent_at = `+laterThanLastSend(`$3`)+`,
		unread_1 = unread_1 + CASE WHEN CAST($4 AS BIGINT) = 2 THEN 1 ELSE 0 END, unread_2 = unread_2 + CASE WHEN CAST($4 AS BIGINT) = 1 THEN 1 ELSE 0 END
		WHERE id = $1`, conv.id, m.Seq, now, own.side); err != nil {
		return chat.Message{}, err
	}
	if _, err := t.row(ctx, `INSERT INTO {messages} (conversation_id, seq, sender, content, client_id, created_at) VALUES ($1, $2, $3, $4, $5, $6) RETURNING id`,
		[]any{conv.id, m.Seq, string(m.Sender), m.Content, sql.NullString{String: d.ClientID, Valid: d.ClientID != ""}, now}, &m.ID); err != nil {
		return chat.Message{}, err
	}
	_, err := t.record(ctx, realtime.Record{Operation: operation(conv.kind, realtime.ChatMessageCreated, realtime.GroupMessageCreated),
		At: m.Date, Conversation: conv.id, Kind: conv.kind, Actor: own.owner, Message: m.ID, Seq: m.Seq})
	return m, err
}

// laterThanLastSend returns the SQL for a conversation's activity time after a send at the given
// moment, an SQL expression. Activity never goes back, even if the clock of this node lags behind
// the clock of the node that sent last.
func laterThanLastSend(moment string) string {
	return `CASE WHEN last_sent_at > CAST(` + moment + ` AS BIGINT) THEN last_sent_at ELSE CAST(` + moment + ` AS BIGINT) END`
}
