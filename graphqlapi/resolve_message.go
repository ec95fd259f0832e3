package graphqlapi

import (
	"slices"

	"github.com/graph-gophers/graphql-go"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
)

// messageNode is a Message.
type messageNode struct {
	ID               graphql.ID
	Content          userText
	Sender           *userNode
	Date             dateTime
	EditedAt, ReadAt *dateTime
	ClientMessageID  *userText
}

func (l *load) message(m chat.Message, sel selection) *messageNode {
	n := &messageNode{
		ID: graphql.ID(messageID(m.ID)), Content: newText(m.Content, l.budget), Sender: l.user(m.Sender, sel.at("sender")),
		Date: dateTime{m.Date}, EditedAt: optionalTime(m.EditedAt), ReadAt: optionalTime(m.ReadAt),
	}
	if m.Sender == l.viewer {
		n.ClientMessageID = l.text(m.ClientID).optional()
	}
	return n
}

// copied is a message in one of the viewer's copies: a ChatMessage, a GroupMessage or a
// Notification.
type copied struct {
	in chat.Copy
	chat.Message
}

// newest returns the newest message of each copy. Empty copies have none: of[i] is the index of the
// copy that messages[i] is in.
func (l *load) newest(copies []chat.Copy) (messages []copied, of []int, err error) {
	var last []*chat.Message
	for part := range slices.Chunk(copies, l.messagesAtOnce()) {
		err := l.readMessages(len(part), func() (bytes int, err error) {
			found, err := l.app.Messages.Last(l.ctx, part)
			for _, m := range found {
				if m != nil {
					bytes += len(m.Content)
				}
			}
			last = append(last, found...)
			return bytes, err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	for i, m := range last {
		if m != nil {
			messages, of = append(messages, copied{copies[i], *m}), append(of, i)
		}
	}
	return messages, of, nil
}

// copyID returns the id of the copy that contains the message.
func (c copied) copyID() int64 { return c.in.ID }

// messageLists reads the same page of messages from each copy. A query reads as many pages as
// messagesAtOnce allows.
func (l *load) messageLists(copies []chat.Copy, p storage.Page) (lists []storage.List[chat.Message], err error) {
	each := min(p.Size(), l.app.Messages.MaxPageSize()) + 1
	for part := range slices.Chunk(copies, max(1, l.messagesAtOnce()/max(1, each))) {
		err := l.readMessages(len(part)*each, func() (bytes int, err error) {
			found, err := l.app.Messages.Lists(l.ctx, part, p)
			for _, list := range found {
				for _, m := range list.Items {
					bytes += len(m.Content)
				}
			}
			lists = append(lists, found...)
			return bytes, err
		})
		if err != nil {
			return nil, err
		}
	}
	return lists, nil
}

// messagePages loads the same page of messages from each copy.
func messagePages[N any](l *load, copies []chat.Copy, p storage.Page, sel selection, nodes func([]copied, selection) ([]*N, error)) ([]*connection[N], error) {
	lists, err := l.messageLists(copies, p)
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
