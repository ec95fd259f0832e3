package torture

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

// A view is a client's copy of a user's chats and groups.
type view struct {
	Chats  map[string]messages
	Groups map[string]*groupView
}

// messages holds the messages of a copy, by id.
type messages map[string]messageView

type messageView struct{ Content, EditedAt, ReadAt, Sender string }

type groupView struct {
	ID, Title, Description, Image string
	Own                           string // the id of the user's own membership
	Members                       map[string]memberView
	Messages                      messages
}

type memberView struct {
	User, Joined string
	Admin        bool
}

const (
	messageFields = `{ id content editedAt readAt sender { id } }`
	groupFields   = `id title description groupImage membersCount members(first: 100) { nodes { id isAdmin joinedAt user { id } } }`
	copyFields    = `id member { id group { ` + groupFields + ` } } groupMessages(first: 100) { nodes { id message ` + messageFields + ` } }`
	snapshot      = `{ chats(first: 50) { nodes { id unreadCount chatMessages(first: 100) { nodes { id message ` + messageFields + ` } } } }
		groups(first: 50) { nodes { ` + copyFields + ` } } eventCursor }`
	oneGroup    = `query($id: ID!) { group(id: $id) { ` + copyFields + ` } }`
	typedEvents = `subscription($after: String) { events(after: $after) { cursor operation subjectId erased chat { id } groupCopy { id }
		chatMessage { id message ` + messageFields + ` } groupMessage { id message ` + messageFields + ` }
		member { id isAdmin joinedAt user { id } } } }`
)

// viewOf builds a view from the answer to a snapshot query.
func viewOf(data any) *view {
	v := &view{Chats: map[string]messages{}, Groups: map[string]*groupView{}}
	for _, c := range nodesAt(data, "chats") {
		v.Chats[textAt(c, "id")] = messagesOf(nodesAt(c, "chatMessages"))
	}
	for _, c := range nodesAt(data, "groups") {
		v.Groups[textAt(c, "id")] = groupOf(c)
	}
	return v
}

func messagesOf(nodes []any) messages {
	all := messages{}
	for _, n := range nodes {
		all.put(textAt(n, "id"), at(n, "message"))
	}
	return all
}

// put stores the current state of a message.
func (all messages) put(id string, message any) {
	m := all[id]
	for field, into := range map[string]*string{"content": &m.Content, "editedAt": &m.EditedAt, "readAt": &m.ReadAt} {
		if text := textAt(message, field); text != "" {
			*into = text
		}
	}
	if sender := textAt(message, "sender", "id"); sender != "" {
		m.Sender = sender
	}
	all[id] = m
}

// groupOf reads a UserGroupMemberCopy. It leaves out readAt of messages, because not every member
// gets an event for it.
func groupOf(c any) *groupView {
	g := &groupView{Own: textAt(c, "member", "id"), Messages: messagesOf(nodesAt(c, "groupMessages"))}
	for id, m := range g.Messages {
		m.ReadAt = ""
		g.Messages[id] = m
	}
	g.describe(at(c, "member", "group"))
	return g
}

// describe copies the fields of a fetched group.
func (g *groupView) describe(group any) {
	g.ID, g.Title, g.Description, g.Image = textAt(group, "id"), textAt(group, "title"), textAt(group, "description"), textAt(group, "groupImage")
	g.Members = map[string]memberView{}
	for _, m := range nodesAt(group, "members") {
		g.Members[textAt(m, "id")] = memberOf(m)
	}
}

func memberOf(m any) memberView {
	admin, _ := at(m, "isAdmin").(bool)
	return memberView{User: textAt(m, "user", "id"), Joined: textAt(m, "joinedAt"), Admin: admin}
}

// requireCounts requires that the server's counts equal those that a client can compute.
func requireCounts(t *testing.T, me string, data any) {
	t.Helper()
	v := viewOf(data)
	for _, c := range nodesAt(data, "chats") {
		unread := 0
		for _, m := range v.Chats[textAt(c, "id")] {
			if m.Sender != me && m.ReadAt == "" {
				unread++
			}
		}
		require.EqualValues(t, unread, at(c, "unreadCount"))
	}
	for _, c := range nodesAt(data, "groups") {
		require.EqualValues(t, len(v.Groups[textAt(c, "id")].Members), at(c, "member", "group", "membersCount"))
	}
}

// A change is an event from either subscription.
type change struct {
	operation string
	copy      string // the conversation's copy; "" in a typed event if it was deleted
	subject   string // the message's copy, the membership, or in a typed event the group
	message   any
	member    any
	erased    bool
}

// typedChange reads an event of the typed subscription.
func typedChange(e any) change {
	c := change{operation: textAt(e, "operation"), subject: textAt(e, "subjectId"), member: at(e, "member")}
	c.erased, _ = at(e, "erased").(bool)
	for _, kind := range []string{"chat", "groupCopy"} {
		if id := textAt(e, kind, "id"); id != "" {
			c.copy = id
		}
	}
	for _, kind := range []string{"chatMessage", "groupMessage"} {
		if message := at(e, kind, "message"); message != nil {
			c.message = message
		}
	}
	return c
}

// envelopeChange reads an event of the documented subscription.
func envelopeChange(e any) change {
	p := at(e, "payload")
	c := change{operation: textAt(e, "operation"), subject: textAt(p, "memberId")}
	c.erased, _ = at(p, "erased").(bool)
	for message, conversation := range map[string]string{"chatMessage": "chat", "groupMessage": "groupCopy"} {
		if m := at(p, message); m != nil {
			c.subject, c.copy, c.message = textAt(m, "id"), textAt(m, conversation, "id"), at(m, "message")
		} else if id := textAt(p, conversation, "id"); id != "" {
			c.copy = id
		}
	}
	if m := at(p, "groupCopy", "member"); m != nil {
		c.subject, c.member = textAt(m, "id"), m
	}
	return c
}

// apply applies a change to the view. It fetches the group's copy if the event does not have enough
// data. fetch returns nil if the copy was deleted.
func (v *view) apply(c change, me string, fetch func(copy string) (any, error)) (err error) {
	switch c.operation {
	case "CHAT_MESSAGE_CREATED", "CHAT_MESSAGE_UPDATED", "CHAT_MESSAGE_READ":
		if in := v.Chats[c.copy]; in != nil && c.message != nil {
			if _, known := in[c.subject]; known || c.operation != "CHAT_MESSAGE_READ" {
				in.put(c.subject, c.message)
			}
		}
	case "GROUP_MESSAGE_CREATED", "GROUP_MESSAGE_UPDATED":
		if g := v.Groups[c.copy]; g != nil && c.message != nil {
			g.Messages.put(c.subject, c.message)
			m := g.Messages[c.subject]
			m.ReadAt = ""
			g.Messages[c.subject] = m
		}
	case "CHAT_MESSAGE_DELETED", "CHAT_MESSAGE_UNSENT", "GROUP_MESSAGE_DELETED", "GROUP_MESSAGE_UNSENT":
		for _, in := range v.Chats {
			delete(in, c.subject)
		}
		for _, g := range v.Groups {
			delete(g.Messages, c.subject)
		}
	case "CHAT_DELETED":
		if c.erased {
			delete(v.Chats, c.goneChat(v))
		} else {
			clear(v.Chats[c.copy])
		}
	case "GROUP_DELETED":
		if g := v.Groups[c.copy]; g != nil {
			clear(g.Messages)
		}
	case "GROUP_PERMANENTLY_REMOVED":
		maps.DeleteFunc(v.Groups, func(id string, g *groupView) bool { return id == c.copy || g.ID == c.subject })
	case "GROUP_UPDATED":
		var fresh any
		if g := v.Groups[c.copy]; g != nil {
			if fresh, err = fetch(c.copy); fresh != nil {
				g.describe(at(fresh, "member", "group"))
			}
		}
	case "MEMBER_ADDED":
		err = v.added(c, me, fetch)
	case "MEMBER_REMOVED", "MEMBER_LEFT":
		err = v.left(c, fetch)
	}
	return err
}

// goneChat returns the id of a chat that an erasure removed. In a typed event, that is the subject.
func (c change) goneChat(v *view) string {
	if _, known := v.Chats[c.copy]; known {
		return c.copy
	}
	return c.subject
}

func (v *view) added(c change, me string, fetch func(copy string) (any, error)) error {
	if c.member == nil || c.copy == "" {
		return nil // the member has already left; another event says so
	}
	if g := v.Groups[c.copy]; g != nil {
		if m := memberOf(c.member); m.User != "" {
			g.Members[c.subject] = m
		}
		return nil
	}
	if textAt(c.member, "user", "id") != me {
		return nil
	}
	fresh, err := fetch(c.copy)
	if fresh != nil {
		v.Groups[c.copy] = groupOf(fresh)
	}
	return err
}

// left removes a member, and their messages if they were erased. If the membership is unknown, for
// example because the erasure happened during the query, it fetches the copy again.
func (v *view) left(c change, fetch func(copy string) (any, error)) error {
	for id, g := range v.Groups {
		if c.subject == g.Own {
			delete(v.Groups, id)
			continue
		}
		gone, known := g.Members[c.subject]
		delete(g.Members, c.subject)
		switch {
		case !c.erased:
		case known:
			maps.DeleteFunc(g.Messages, func(_ string, m messageView) bool { return m.Sender == gone.User })
		case id == c.copy:
			fresh, err := fetch(id)
			if err != nil {
				return err
			}
			if fresh != nil {
				v.Groups[id] = groupOf(fresh)
			}
		}
	}
	return nil
}
