package memory

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// operation returns the one of two operations that is for this kind of conversation.
func operation(kind chat.Kind, ofChat, ofGroup realtime.Operation) realtime.Operation {
	if kind == chat.Group {
		return ofGroup
	}
	return ofChat
}

// showing returns a message that the copy c shows.
func (s *state) showing(c chat.Copy, id int64) (*userCopy, *conversation, *message, error) {
	uc, conv, err := s.find(c)
	if err != nil {
		return nil, nil, nil, err
	}
	m, ok := conv.find(id)
	if !ok || !s.shows(uc, m) {
		return nil, nil, nil, storage.NotFound()
	}
	return uc, conv, m, nil
}

// sentBy returns a message that the copy c shows and that its owner sent.
func (s *state) sentBy(c chat.Copy, id int64) (*conversation, *message, error) {
	_, conv, m, err := s.showing(c, id)
	if err != nil {
		return nil, nil, err
	}
	if m.Sender != c.Owner {
		return nil, nil, chat.NotTheSender()
	}
	return conv, m, nil
}

// AppendMessage implements [chat.MessageStore].
func (s *Store) AppendMessage(ctx context.Context, c chat.Copy, d chat.Draft) (chat.Message, error) {
	if err := storage.CheckText("content", d.Content, "clientMessageId", d.ClientID); err != nil {
		return chat.Message{}, err
	}
	return change(ctx, s, func(a *act) (chat.Message, error) {
		uc, conv, err := a.find(c)
		if err != nil {
			return chat.Message{}, err
		}
		key := clientKey{sender: c.Owner, id: d.ClientID}
		if seq, ok := conv.sent[key]; ok {
			return a.sentBefore(uc, &conv.messages[seq-1], d)
		}
		m := message{Message: chat.Message{
			ID: next(&a.lastMessage), Conversation: conv.id, Seq: conv.lastSeq() + 1,
			Sender: c.Owner, Content: d.Content, ClientID: d.ClientID, Date: a.now,
		}}
		conv.messages = append(conv.messages, m)
		if a.now.After(conv.lastSend) {
			conv.lastSend = a.now
		}
		if d.ClientID != "" {
			conv.sent[key] = m.Seq
		}
		a.recordIn(conv, messageRecord(&m, operation(conv.kind, realtime.ChatMessageCreated, realtime.GroupMessageCreated), c.Owner))
		return m.Message, nil
	})
}

// sentBefore returns the result for a draft whose ClientID was used before.
func (s *state) sentBefore(uc *userCopy, m *message, d chat.Draft) (chat.Message, error) {
	switch {
	case !s.shows(uc, m):
		return chat.Message{}, chat.ClientIDGone()
	case m.Content != d.Content && m.EditedAt.IsZero():
		return chat.Message{}, chat.ClientIDTaken()
	}
	return m.Message, nil
}

// EditMessage implements [chat.MessageStore].
func (s *Store) EditMessage(ctx context.Context, c chat.Copy, id int64, content string) (chat.Message, error) {
	if err := storage.CheckText("content", content); err != nil {
		return chat.Message{}, err
	}
	return change(ctx, s, func(a *act) (chat.Message, error) {
		conv, m, err := a.sentBy(c, id)
		if err != nil {
			return chat.Message{}, err
		}
		m.Content, m.EditedAt = content, a.now
		a.recordIn(conv, messageRecord(m, operation(conv.kind, realtime.ChatMessageUpdated, realtime.GroupMessageUpdated), c.Owner))
		return m.Message, nil
	})
}

// UnsendMessage implements [chat.MessageStore].
func (s *Store) UnsendMessage(ctx context.Context, c chat.Copy, id int64) error {
	return run(ctx, s, func(a *act) error {
		conv, m, err := a.sentBy(c, id)
		if err != nil {
			return err
		}
		m.empty()
		a.recordIn(conv, messageRecord(m, operation(conv.kind, realtime.ChatMessageUnsent, realtime.GroupMessageUnsent), c.Owner))
		return nil
	})
}

// empty turns m into a tombstone.
func (m *message) empty() { m.Content, m.gone = "", true }

// HideMessage implements [chat.MessageStore].
func (s *Store) HideMessage(ctx context.Context, c chat.Copy, id int64) error {
	return run(ctx, s, func(a *act) error {
		uc, conv, m, err := a.showing(c, id)
		if err != nil {
			return err
		}
		uc.hidden[id] = true
		r := messageRecord(m, operation(conv.kind, realtime.ChatMessageDeleted, realtime.GroupMessageDeleted), c.Owner)
		r.Recipient = c.Owner
		a.recordIn(conv, r)
		return nil
	})
}

// ClearCopy implements [chat.MessageStore].
func (s *Store) ClearCopy(ctx context.Context, c chat.Copy) error {
	return run(ctx, s, func(a *act) error {
		uc, conv, err := a.find(c)
		if err != nil {
			return err
		}
		uc.clearedSeq = conv.lastSeq()
		a.recordIn(conv, realtime.Record{
			Operation: operation(conv.kind, realtime.ChatDeleted, realtime.GroupDeleted),
			Recipient: c.Owner, Actor: c.Owner,
		})
		return nil
	})
}

// ArchiveCopy implements [chat.MessageStore].
func (s *Store) ArchiveCopy(ctx context.Context, c chat.Copy, archived bool) error {
	return run(ctx, s, func(a *act) error {
		uc, _, err := a.find(c)
		if err != nil {
			return err
		}
		uc.archived = archived
		return nil
	})
}

// Message implements [chat.MessageStore].
func (s *Store) Message(ctx context.Context, c chat.Copy, id int64) (chat.Message, error) {
	return readState(ctx, s, func(st *state) (chat.Message, error) {
		_, _, m, err := st.showing(c, id)
		if err != nil {
			return chat.Message{}, err
		}
		return m.Message, nil
	})
}

// FindMessage implements [chat.MessageStore].
func (s *Store) FindMessage(ctx context.Context, viewer user.ID, id int64) (chat.Message, chat.Copy, error) {
	var c chat.Copy
	m, err := readState(ctx, s, func(st *state) (chat.Message, error) {
		for _, uc := range st.copiesOf[viewer] {
			if m, ok := st.conversations[uc.conversation].find(id); ok && st.shows(uc, m) {
				c = uc.Copy
				return m.Message, nil
			}
		}
		return chat.Message{}, storage.NotFound()
	})
	return m, c, err
}

// ofEach calls a function for each of many copies. A copy that does not exist gets the zero value.
func ofEach[T any](ctx context.Context, s *Store, copies []chat.Copy, of func(*state, *userCopy) T) ([]T, error) {
	return readState(ctx, s, func(st *state) ([]T, error) {
		all := make([]T, len(copies))
		for i, c := range copies {
			if uc, _, err := st.find(c); err == nil {
				all[i] = of(st, uc)
			}
		}
		return all, nil
	})
}

// Messages implements [chat.MessageStore].
func (s *Store) Messages(ctx context.Context, copies []chat.Copy, r storage.Range) ([][]chat.Message, error) {
	return ofEach(ctx, s, copies, func(st *state, uc *userCopy) []chat.Message {
		var all []chat.Message
		for _, m := range st.shown(uc) {
			all = append(all, m.Message)
		}
		return page(all, r, chat.Message.Key, descending)
	})
}

// CountMessages implements [chat.MessageStore].
func (s *Store) CountMessages(ctx context.Context, copies []chat.Copy) ([]int, error) {
	return ofEach(ctx, s, copies, func(st *state, uc *userCopy) int { return len(st.shown(uc)) })
}

// LastMessages implements [chat.MessageStore].
func (s *Store) LastMessages(ctx context.Context, copies []chat.Copy) ([]*chat.Message, error) {
	return ofEach(ctx, s, copies, func(st *state, uc *userCopy) *chat.Message {
		all := st.shown(uc)
		if len(all) == 0 {
			return nil
		}
		return shallow(&all[len(all)-1].Message)
	})
}

// CountUnread implements [chat.MessageStore].
func (s *Store) CountUnread(ctx context.Context, copies []chat.Copy) ([]int, error) {
	return ofEach(ctx, s, copies, func(st *state, uc *userCopy) int {
		n := 0
		for _, m := range st.shown(uc) {
			if m.Sender != uc.Owner && !uc.read(m) {
				n++
			}
		}
		return n
	})
}

// read reports whether the copy's owner has read a message of another user.
func (uc *userCopy) read(m *message) bool {
	if uc.Kind == chat.Group {
		return m.Seq <= uc.readSeq
	}
	return !m.ReadAt.IsZero()
}
