package graphqlapi

import (
	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
)

// messageNode is a Message.
type messageNode struct {
	ID               graphql.ID
	Content          string
	Sender           *userNode
	Date             dateTime
	EditedAt, ReadAt *dateTime
	ClientMessageID  *string
}

func (l *load) message(m chat.Message, sel selection) *messageNode {
	n := &messageNode{
		ID: graphql.ID(messageID(m.ID)), Content: m.Content, Sender: l.user(m.Sender, sel.at("sender")),
		Date: dateTime{m.Date}, EditedAt: optionalTime(m.EditedAt), ReadAt: optionalTime(m.ReadAt),
	}
	if m.Sender == l.viewer {
		n.ClientMessageID = optionalText(m.ClientID)
	}
	return n
}

// copied is a message in one of the viewer's copies: a ChatMessage, a GroupMessage or a Notification.
type copied struct {
	in chat.Copy
	chat.Message
}

// newest returns the newest message of each copy that has one, and which copy each is in.
func (l *load) newest(copies []chat.Copy) (messages []copied, of []int, err error) {
	last, err := l.app.Messages.Last(l.ctx, copies)
	if err != nil {
		return nil, nil, err
	}
	for i, m := range last {
		if m != nil {
			messages, of = append(messages, copied{copies[i], *m}), append(of, i)
		}
	}
	return messages, of, nil
}

// copyID is the id of the copy that the message is in.
func (c copied) copyID() int64 { return c.in.ID }

// messagePages loads the same page of the messages of each copy.
func messagePages[N any](l *load, copies []chat.Copy, p storage.Page, sel selection, nodes func([]copied, selection) ([]*N, error)) ([]*connection[N], error) {
	lists, err := l.app.Messages.Lists(l.ctx, copies, p)
	if err != nil {
		return nil, err
	}
	pages, err := connectAll(lists, func(messages []chat.Message, of []int) ([]*N, error) {
		all := make([]copied, len(messages))
		for i, m := range messages {
			all[i] = copied{copies[of[i]], m}
		}
		return nodes(all, sel.nodes())
	})
	if err != nil || !sel.has("totalCount") {
		return pages, err
	}
	counts, err := l.app.Messages.Counts(l.ctx, copies)
	countAll(pages, counts)
	return pages, err
}
