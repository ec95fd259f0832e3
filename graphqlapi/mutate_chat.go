package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// Answers to mutations of chats.
type (
	openedChat struct {
		Chat      *chatNode
		OtherChat *otherChatNode
	}
	changedChat        struct{ Chat *chatNode }
	changedChatMessage struct{ ChatMessage *chatMessageNode }
)

type (
	chatArgs        struct{ ChatID graphql.ID }
	archiveChatArgs struct {
		ChatID   graphql.ID
		Archived bool
	}
	chatMessageArgs struct{ ChatMessageID graphql.ID }
)

// CreateChat resolves Mutation.createChat.
func (m *mutations) CreateChat(ctx context.Context, args struct{ OtherUserID graphql.ID }) (*openedChat, error) {
	type copies struct{ mine, others chat.Chat }
	return mutate(ctx, m,
		func(viewer user.ID) (c copies, err error) {
			other, err := decodeUserID(string(args.OtherUserID))
			if err != nil {
				return c, err
			}
			c.mine, c.others, err = m.app.Chats.Open(ctx, viewer, other)
			return c, err
		},
		func(l *load, sel selection, c copies) (*openedChat, error) {
			if c.mine.ID != c.others.ID {
				mine, err := only(l.chatNodes([]chat.Chat{c.mine}, sel.at("chat")))
				return &openedChat{mine, l.otherChat(c.others, sel.at("otherChat"))}, err
			}
			mine, err := only(l.chatNodes([]chat.Chat{c.mine}, sel.at("chat", "otherChat")))
			if err != nil {
				return nil, err
			}
			return &openedChat{mine, &otherChatNode{ID: mine.ID, User: mine.User, OtherUser: mine.OtherUser, mine: mine}}, nil
		})
}

// CreateSelfChat resolves Mutation.createSelfChat.
func (m *mutations) CreateSelfChat(ctx context.Context) (*changedChat, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (chat.Chat, error) {
			c, _, err := m.app.Chats.Open(ctx, viewer, viewer)
			return c, err
		},
		answerChat)
}

// DeleteChat resolves Mutation.deleteChat.
func (m *mutations) DeleteChat(ctx context.Context, args chatArgs) (*success, error) {
	return succeed(ctx, m, func(viewer user.ID) error {
		id, err := decodeID(typeChat, string(args.ChatID))
		if err != nil {
			return err
		}
		return m.app.Chats.Clear(ctx, viewer, id)
	})
}

// SetArchiveChat resolves Mutation.setArchiveChat.
func (m *mutations) SetArchiveChat(ctx context.Context, args archiveChatArgs) (*changedChat, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (chat.Chat, error) {
			id, err := decodeID(typeChat, string(args.ChatID))
			if err != nil {
				return chat.Chat{}, err
			}
			if err := m.app.Chats.Archive(ctx, viewer, id, args.Archived); err != nil {
				return chat.Chat{}, err
			}
			return m.app.Chats.Get(ctx, viewer, id)
		},
		answerChat)
}

// SetChatArchived resolves Mutation.setChatArchived, an alias of setArchiveChat.
func (m *mutations) SetChatArchived(ctx context.Context, args archiveChatArgs) (*changedChat, error) {
	return m.SetArchiveChat(ctx, args)
}

// CreateChatMessage resolves Mutation.createChatMessage.
func (m *mutations) CreateChatMessage(ctx context.Context, args struct {
	ChatID          graphql.ID
	Content         string
	ClientMessageID *string
},
) (*changedChatMessage, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (copied, error) {
			id, err := decodeID(typeChat, string(args.ChatID))
			if err != nil {
				return copied{}, err
			}
			sent, err := m.app.Chats.Send(ctx, viewer, id, draft(args.Content, args.ClientMessageID))
			return copied{chat.Copy{Kind: chat.OneToOne, ID: id, Owner: viewer}, sent}, err
		},
		answerChatMessage)
}

func draft(content string, clientMessageID *string) chat.Draft {
	d := chat.Draft{Content: content}
	if clientMessageID != nil {
		d.ClientID = *clientMessageID
	}
	return d
}

// UpdateChatMessage resolves Mutation.updateChatMessage.
func (m *mutations) UpdateChatMessage(ctx context.Context, args struct {
	ChatMessageID graphql.ID
	Content       string
},
) (*changedChatMessage, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (copied, error) {
			return onMessage(chat.OneToOne, args.ChatMessageID, viewer, func(c, message int64) (chat.Message, error) {
				return m.app.Chats.Edit(ctx, viewer, c, message, args.Content)
			})
		},
		answerChatMessage)
}

// SetChatMessageAsRead resolves Mutation.setChatMessageAsRead.
func (m *mutations) SetChatMessageAsRead(ctx context.Context, args chatMessageArgs) (*changedChatMessage, error) {
	return mutate(ctx, m,
		func(viewer user.ID) (copied, error) {
			return onMessage(chat.OneToOne, args.ChatMessageID, viewer, func(c, message int64) (chat.Message, error) {
				return m.app.Chats.Read(ctx, viewer, c, message)
			})
		},
		answerChatMessage)
}

// DeleteChatMessage resolves Mutation.deleteChatMessage.
func (m *mutations) DeleteChatMessage(ctx context.Context, args chatMessageArgs) (*success, error) {
	return succeed(ctx, m, func(viewer user.ID) error {
		c, message, err := decodeMessageID(chat.OneToOne, string(args.ChatMessageID), viewer)
		if err != nil {
			return err
		}
		return m.app.Chats.DeleteMessage(ctx, viewer, c.ID, message)
	})
}

// UnsendChatMessage resolves Mutation.unsendChatMessage.
func (m *mutations) UnsendChatMessage(ctx context.Context, args chatMessageArgs) (*success, error) {
	return succeed(ctx, m, func(viewer user.ID) error {
		c, message, err := decodeMessageID(chat.OneToOne, string(args.ChatMessageID), viewer)
		if err != nil {
			return err
		}
		return m.app.Chats.Unsend(ctx, viewer, c.ID, message)
	})
}

// onMessage calls act with the copy and the message that a global id names.
func onMessage(kind chat.Kind, global graphql.ID, viewer user.ID, act func(c, message int64) (chat.Message, error)) (copied, error) {
	c, id, err := decodeMessageID(kind, string(global), viewer)
	if err != nil {
		return copied{}, err
	}
	m, err := act(c.ID, id)
	return copied{c, m}, err
}

func answerChat(l *load, sel selection, c chat.Chat) (*changedChat, error) {
	n, err := only(l.chatNodes([]chat.Chat{c}, sel.at("chat")))
	return &changedChat{n}, err
}

func answerChatMessage(l *load, sel selection, m copied) (*changedChatMessage, error) {
	n, err := only(l.chatMessageNodes([]copied{m}, sel.at("chatMessage")))
	return &changedChatMessage{n}, err
}
