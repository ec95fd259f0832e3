package graphqlapi

import (
	"context"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// chatNode is a Chat of the viewer.
type chatNode struct {
	ID              graphql.ID
	User, OtherUser *userNode
	Archived        bool
	LastMessage     *chatMessageNode
	UnreadCount     int32

	place int
	among *siblings[chat.Chat, chatMessageNode]
}

// ChatMessages resolves Chat.chatMessages and Chat.chat_messages.
func (n *chatNode) ChatMessages(ctx context.Context, args pageArgs) (*connection[chatMessageNode], error) {
	return n.among.page(ctx, n.place, args)
}

// chatMessageNode is a ChatMessage of the viewer.
type chatMessageNode struct {
	ID      graphql.ID
	Message *messageNode
	Chat    *chatNode
}

type chatsArgs struct {
	Archived *bool
	pageArgs
}

// chats returns a page of the owner's chats.
func (r *resolver) chats(ctx context.Context, owner user.ID, args chatsArgs) (*connection[chatNode], error) {
	return loading(ctx, r, owner, func(l *load, sel selection) (*connection[chatNode], error) {
		p, err := args.page()
		if err != nil {
			return nil, err
		}
		f := chat.Filter{Archived: args.Archived}
		list, err := r.app.Chats.List(ctx, owner, f, p)
		if err != nil {
			return nil, err
		}
		nodes, err := l.chatNodes(list.Items, sel.nodes())
		if err != nil {
			return nil, err
		}
		c := connect(list, nodes)
		if sel.has("totalCount") {
			n, err := r.app.Chats.Count(ctx, owner, f)
			c.TotalCount = int32(n)
			return c, err
		}
		return c, nil
	})
}

// chatNodes loads the nodes of the viewer's chats.
func (l *load) chatNodes(chats []chat.Chat, sel selection) ([]*chatNode, error) {
	nodes := make([]*chatNode, len(chats))
	copies := make([]chat.Copy, len(chats))
	among := newSiblings(l.resolver, chats, l.chatMessagePages(l.viewer))
	for i, c := range chats {
		l.chatsByID[c.ID] = c
		copies[i] = c.Copy()
		nodes[i] = &chatNode{
			ID: graphql.ID(chatID(c.ID)), Archived: c.Archived,
			User: l.user(c.Owner, sel.at("user")), OtherUser: l.user(c.Other, sel.at("otherUser")),
			place: i, among: among,
		}
	}
	if sel.has("unreadCount") {
		unread, err := l.app.Messages.Unread(l.ctx, copies)
		if err != nil {
			return nil, err
		}
		for i, n := range unread {
			nodes[i].UnreadCount = int32(n)
		}
	}
	if sel.has("lastMessage") {
		last, of, err := l.newest(copies)
		if err != nil {
			return nil, err
		}
		messages, err := l.chatMessageNodes(last, sel.at("lastMessage"))
		if err != nil {
			return nil, err
		}
		for i, m := range messages {
			nodes[of[i]].LastMessage = m
		}
	}
	return nodes, nil
}

// chatMessagePages returns the function that loads pages of messages in chats.
func (r *resolver) chatMessagePages(viewer user.ID) loadPages[chat.Chat, chatMessageNode] {
	return func(ctx context.Context, chats []chat.Chat, p storage.Page) ([]*connection[chatMessageNode], error) {
		return loading(ctx, r, viewer, func(l *load, sel selection) ([]*connection[chatMessageNode], error) {
			copies := make([]chat.Copy, len(chats))
			for i, c := range chats {
				copies[i], l.chatsByID[c.ID] = c.Copy(), c
			}
			return messagePages(l, copies, p, sel, l.chatMessageNodes)
		})
	}
}

// chatMessageNodes loads the nodes of messages in the viewer's chats.
func (l *load) chatMessageNodes(messages []copied, sel selection) ([]*chatMessageNode, error) {
	chats, err := l.chatsOf(messages, sel.at("chat"))
	if err != nil {
		return nil, err
	}
	nodes := make([]*chatMessageNode, len(messages))
	for i, m := range messages {
		nodes[i] = &chatMessageNode{
			ID:      graphql.ID(chatMessageID(m.in.ID, m.ID)),
			Message: l.message(m.Message, sel.at("message")),
			Chat:    chats[m.in.ID],
		}
	}
	return nodes, nil
}

// chatsOf loads the chats that contain the messages, by id.
func (l *load) chatsOf(messages []copied, sel selection) (map[int64]*chatNode, error) {
	ids := distinct(messages, copied.copyID)
	nodes := make(map[int64]*chatNode, len(ids))
	if !sel.beyondID() {
		for _, id := range ids {
			nodes[id] = &chatNode{ID: graphql.ID(chatID(id))}
		}
		return nodes, nil
	}
	chats, err := known(ids, l.chatsByID, func(missing []int64) (map[int64]chat.Chat, error) {
		return l.app.Chats.GetAll(l.ctx, l.viewer, missing...)
	})
	if err != nil {
		return nil, err
	}
	loaded, err := l.chatNodes(chats, sel)
	for i, n := range loaded {
		nodes[ids[i]] = n
	}
	return nodes, err
}

// otherChatNode is the Chat of the other user in a chat. The viewer may read only its id and users.
type otherChatNode struct {
	ID              graphql.ID
	User, OtherUser *userNode

	mine *chatNode // set only for a chat with oneself, which is fully readable
}

func (l *load) otherChat(c chat.Chat, sel selection) *otherChatNode {
	return &otherChatNode{
		ID:   graphql.ID(chatID(c.ID)),
		User: l.user(c.Owner, sel.at("user")), OtherUser: l.user(c.Other, sel.at("otherUser")),
	}
}

var errOtherChat = &wireError{code: codeForbidden, message: "otherChat belongs to the other user: only its id, user and otherUser can be read"}

func ofMine[T any](n *otherChatNode, read func(*chatNode) (T, error)) (T, error) {
	if n.mine == nil {
		var none T
		return none, errOtherChat
	}
	return read(n.mine)
}

// Archived resolves Chat.archived.
func (n *otherChatNode) Archived() (bool, error) {
	return ofMine(n, func(c *chatNode) (bool, error) { return c.Archived, nil })
}

// LastMessage resolves Chat.lastMessage.
func (n *otherChatNode) LastMessage() (*chatMessageNode, error) {
	return ofMine(n, func(c *chatNode) (*chatMessageNode, error) { return c.LastMessage, nil })
}

// UnreadCount resolves Chat.unreadCount.
func (n *otherChatNode) UnreadCount() (int32, error) {
	return ofMine(n, func(c *chatNode) (int32, error) { return c.UnreadCount, nil })
}

// ChatMessages resolves Chat.chatMessages and Chat.chat_messages.
func (n *otherChatNode) ChatMessages(ctx context.Context, args pageArgs) (*connection[chatMessageNode], error) {
	return ofMine(n, func(c *chatNode) (*connection[chatMessageNode], error) { return c.ChatMessages(ctx, args) })
}
