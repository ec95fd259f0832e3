package memory

import (
	"context"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// chat returns the copy as a [chat.Chat].
func (s *state) chat(uc *userCopy) chat.Chat {
	return chat.Chat{
		ID: uc.ID, Conversation: uc.conversation, Owner: uc.Owner, Other: uc.other,
		Archived: uc.archived, Activity: s.conversations[uc.conversation].activity(uc),
	}
}

// OpenChat implements [chat.Store].
func (s *Store) OpenChat(ctx context.Context, owner, other user.ID) (mine, others chat.Chat, err error) {
	err = run(ctx, s, func(a *act) error {
		if a.noUser(owner) || a.noUser(other) {
			return storage.NotFound()
		}
		conv := a.chatBetween(owner, other)
		if conv == nil {
			conv = a.openChat(owner, other)
		}
		mine, others = a.chat(conv.copyOf(owner)), a.chat(conv.copyOf(other))
		return nil
	})
	return mine, others, err
}

func (s *state) chatBetween(owner, other user.ID) *conversation {
	for _, uc := range s.copiesOfKind(owner, chat.OneToOne) {
		if uc.other == other {
			return s.conversations[uc.conversation]
		}
	}
	return nil
}

func (a *act) openChat(owner, other user.ID) *conversation {
	conv := a.converse(chat.OneToOne)
	opened := a.recordIn(conv, realtime.Record{Operation: realtime.ChatOpened, Actor: owner})
	a.begin(conv, owner, opened).other = other
	if other != owner {
		a.begin(conv, other, opened).other = owner
	}
	return conv
}

// Chats implements [chat.Store].
func (s *Store) Chats(ctx context.Context, owner user.ID, ids ...int64) (map[int64]chat.Chat, error) {
	return readState(ctx, s, func(st *state) (map[int64]chat.Chat, error) {
		found := map[int64]chat.Chat{}
		for _, id := range ids {
			if uc, _, err := st.find(chat.Copy{Kind: chat.OneToOne, ID: id, Owner: owner}); err == nil {
				found[id] = st.chat(uc)
			}
		}
		return found, nil
	})
}

// ListChats implements [chat.Store].
func (s *Store) ListChats(ctx context.Context, owner user.ID, f chat.Filter, r storage.Range) ([]chat.Chat, error) {
	return readState(ctx, s, func(st *state) ([]chat.Chat, error) {
		return page(st.chats(owner, f), r, chat.Chat.Key, descending), nil
	})
}

// CountChats implements [chat.Store].
func (s *Store) CountChats(ctx context.Context, owner user.ID, f chat.Filter) (int, error) {
	return readState(ctx, s, func(st *state) (int, error) { return len(st.chats(owner, f)), nil })
}

func (s *state) chats(owner user.ID, f chat.Filter) []chat.Chat {
	var own []chat.Chat
	for _, uc := range s.copiesOfKind(owner, chat.OneToOne) {
		if f.Archived == nil || *f.Archived == uc.archived {
			own = append(own, s.chat(uc))
		}
	}
	return own
}

// ReadMessage implements [chat.Store].
func (s *Store) ReadMessage(ctx context.Context, c chat.Copy, id int64) (chat.Message, error) {
	return change(ctx, s, func(a *act) (chat.Message, error) {
		if c.Kind != chat.OneToOne {
			return chat.Message{}, storage.NotFound()
		}
		_, conv, m, err := a.showing(c, id)
		if err != nil {
			return chat.Message{}, err
		}
		if m.Sender != c.Owner && m.ReadAt.IsZero() {
			m.ReadAt = a.now
			a.recordIn(conv, messageRecord(m, realtime.ChatMessageRead, c.Owner))
		}
		return m.Message, nil
	})
}
