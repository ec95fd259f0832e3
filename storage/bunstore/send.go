package bunstore

import (
	"context"
	"database/sql"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
)

// commonLane is where every send begins; any other lane is that of the conversation of that id.
const commonLane = 0

// AppendMessage implements [chat.MessageStore]. Those who send at the same time share a transaction. One that ctx ends may have happened or not.
func (s *Store) AppendMessage(ctx context.Context, c chat.Copy, d chat.Draft) (chat.Message, error) {
	if err := storage.CheckText("content", d.Content, "clientMessageId", d.ClientID); err != nil {
		return chat.Message{}, err
	}
	if s.host != nil || !c.Owner.Valid() { // such an owner must not be in a batch, which would fail as a whole
		return s.appendAlone(ctx, c, d)
	}
	w := &sending{copy: c, draft: d}
	err := s.sendings.pass(ctx, commonLane, w, s.appendTogether)
	if err == nil && w.held != 0 {
		err = s.sendings.pass(ctx, w.held, w, s.appendInTurn)
	}
	switch {
	case err != nil:
		return chat.Message{}, err
	case w.alone, w.held != 0: // of one that is held once more the conversation has gone meanwhile
		return s.appendAlone(ctx, c, d)
	}
	return w.message, w.err
}

// appendTogether serves the common lane. It waits for nobody who holds a conversation.
func (s *Store) appendTogether(ctx context.Context, batch []*sending) {
	if s.dialect == SQLite {
		s.appendOneByOne(ctx, batch)
		return
	}
	s.appendFree(ctx, batch)
}

// appendOneByOne sends messages in one transaction. What the domain refuses leaves no trace in it; any other error concerns all alike.
func (s *Store) appendOneByOne(ctx context.Context, batch []*sending) {
	err := s.act(ctx, func(t *tx) error {
		for _, w := range batch {
			w.message, w.err = t.appendOne(ctx, w.copy, w.draft)
			if w.err != nil && storage.Message(w.err) == "" {
				return w.err
			}
		}
		return nil
	})
	for _, w := range batch {
		if err != nil {
			w.message, w.err = chat.Message{}, err
		}
	}
}

// appendAlone is AppendMessage as an act of its own.
func (s *Store) appendAlone(ctx context.Context, c chat.Copy, d chat.Draft) (m chat.Message, err error) {
	defer emptyOnError(&err, &m)
	err = s.act(ctx, func(t *tx) error {
		m, err = t.appendOne(ctx, c, d)
		return err
	})
	return m, err
}

func (t *tx) appendOne(ctx context.Context, c chat.Copy, d chat.Draft) (chat.Message, error) {
	v, own, err := t.lock(ctx, c)
	if err != nil {
		return chat.Message{}, err
	}
	if d.ClientID != "" {
		if before, found, err := t.sentBefore(ctx, c, own, d); found || err != nil {
			return before, err
		}
	}
	return t.append(ctx, v, own, d)
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
	if _, err := t.exec(ctx, `UPDATE {conversations} SET last_seq = $2, last_sent_at = `+laterThanLastSend(`$3`)+`,
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

// laterThanLastSend is the activity of the conversation after a send at a moment, which is an SQL expression. The clock of this
// node may be behind the clock of the node that sent before, and activity never goes back.
func laterThanLastSend(moment string) string {
	return `CASE WHEN last_sent_at > CAST(` + moment + ` AS BIGINT) THEN last_sent_at ELSE CAST(` + moment + ` AS BIGINT) END`
}
