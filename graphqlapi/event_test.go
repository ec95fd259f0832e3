package graphqlapi

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
)

const wholeEvent = `{ events(after: "x") { id cursor operation at subjectId erased actor { id username }
	chat { id otherUser { username } unreadCount lastMessage { message { content } } } chatMessage { id message { id content sender { username } clientMessageId } chat { id unreadCount } }
	groupCopy { id unreadCount member { user { username } group { title membersCount } } } groupMessage { id message { id content sender { username } } groupCopy { id } readBy { totalCount } }
	member { id isAdmin joinedAt user { username } group { id title } } notification { id isRead message { content } receiver { username } } } }`

// objects are the nullable fields of an event.
var objects = []string{"actor", "chat", "chatMessage", "groupCopy", "groupMessage", "member", "notification"}

func TestEachEventShowsOnlyItsOwnObjects(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000, time.UTC)
	own, group := s.chats["creator"].Copy(), s.copies["creator"].Copy()
	in := s.copies["creator"].Group
	chatMessage, groupMessage := &s.byParticipant, &s.inGroupByMember
	inChat := func(op realtime.Operation, m *chat.Message) realtime.Event {
		return realtime.Event{Operation: op, Copy: own, Conversation: s.chats["creator"].Conversation, MessageID: s.byParticipant.ID, Message: m, Actor: s.users["participant"]}
	}
	inGroup := func(op realtime.Operation, m *chat.Message) realtime.Event {
		return realtime.Event{Operation: op, Copy: group, Conversation: in, MessageID: s.inGroupByMember.ID, Message: m, Actor: s.users["member"]}
	}
	ofMember := func(op realtime.Operation, member int64) realtime.Event {
		return realtime.Event{Operation: op, Copy: group, Conversation: in, Member: member, Actor: s.users["admin"]}
	}
	onCopy := func(op realtime.Operation, c chat.Copy) realtime.Event {
		return realtime.Event{Operation: op, Copy: c, Conversation: in, Actor: c.Owner}
	}
	ended := group
	ended.ID = 999_999
	theMember := s.copies["member"].ID
	chatMessageIs, groupMessageIs := chatMessageID(own.ID, s.byParticipant.ID), groupMessageID(group.ID, s.inGroupByMember.ID)
	for name, c := range map[string]struct {
		event   realtime.Event
		subject string
		shows   []string
	}{
		"created in a chat":  {inChat(realtime.ChatMessageCreated, chatMessage), chatMessageIs, []string{"actor", "chat", "chatMessage"}},
		"updated in a chat":  {inChat(realtime.ChatMessageUpdated, chatMessage), chatMessageIs, []string{"actor", "chat", "chatMessage"}},
		"deleted in a chat":  {inChat(realtime.ChatMessageDeleted, nil), chatMessageIs, []string{"actor", "chat"}},
		"unsent in a chat":   {inChat(realtime.ChatMessageUnsent, nil), chatMessageIs, []string{"actor", "chat"}},
		"read in a chat":     {inChat(realtime.ChatMessageRead, chatMessage), chatMessageIs, []string{"actor", "chat", "chatMessage"}},
		"a chat was cleared": {onCopy(realtime.ChatDeleted, own), chatID(own.ID), []string{"actor", "chat"}},
		"a chat ended": {realtime.Event{Operation: realtime.ChatDeleted, Copy: chat.Copy{Kind: chat.OneToOne, ID: 999_999, Owner: own.Owner}, Erased: true},
			chatID(999_999), nil},

		"created in a group":  {inGroup(realtime.GroupMessageCreated, groupMessage), groupMessageIs, []string{"actor", "groupCopy", "groupMessage"}},
		"updated in a group":  {inGroup(realtime.GroupMessageUpdated, groupMessage), groupMessageIs, []string{"actor", "groupCopy", "groupMessage"}},
		"deleted in a group":  {inGroup(realtime.GroupMessageDeleted, nil), groupMessageIs, []string{"actor", "groupCopy"}},
		"unsent in a group":   {inGroup(realtime.GroupMessageUnsent, nil), groupMessageIs, []string{"actor", "groupCopy"}},
		"read in a group":     {inGroup(realtime.GroupMessageRead, groupMessage), groupMessageIs, []string{"actor", "groupCopy", "groupMessage"}},
		"a group was cleared": {onCopy(realtime.GroupDeleted, group), groupCopyID(group.ID), []string{"actor", "groupCopy"}},
		"a group was changed": {onCopy(realtime.GroupUpdated, group), groupCopyID(group.ID), []string{"actor", "groupCopy"}},
		"a group was removed": {onCopy(realtime.GroupPermanentlyRemoved, ended), groupID(in), []string{"actor"}},

		"a notification of a chat":  {inChat(realtime.NotificationCreated, chatMessage), notificationID(own, s.byParticipant.ID), []string{"actor", "chat", "chatMessage", "notification"}},
		"a notification of a group": {inGroup(realtime.NotificationCreated, groupMessage), notificationID(group, s.inGroupByMember.ID), []string{"actor", "groupCopy", "groupMessage", "notification"}},

		"a member was added":   {ofMember(realtime.MemberAdded, theMember), memberID(theMember), []string{"actor", "groupCopy", "member"}},
		"a member was removed": {ofMember(realtime.MemberRemoved, 999_999), memberID(999_999), []string{"actor", "groupCopy"}},
		"a member left":        {ofMember(realtime.MemberLeft, 999_999), memberID(999_999), []string{"actor", "groupCopy"}},
		"the viewer was removed": {realtime.Event{Operation: realtime.MemberRemoved, Copy: ended, Conversation: in, Member: ended.ID, Actor: s.users["admin"]},
			memberID(ended.ID), []string{"actor"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := c.event
			e.ID, e.Cursor, e.At = "17", "the cursor", at
			r := s.deliver(e, wholeEvent)
			require.Equal(t, "17", r.string("events.id"))
			require.Equal(t, "the cursor", r.string("events.cursor"))
			require.Equal(t, string(e.Operation), r.string("events.operation"))
			require.Equal(t, "2026-01-02T03:04:05.000006Z", r.string("events.at"))
			require.Equal(t, c.subject, r.string("events.subjectId"))
			require.Equal(t, e.Erased, r.at("events.erased"))
			for _, object := range objects {
				if slices.Contains(c.shows, object) {
					require.NotNil(t, r.at("events."+object), object)
				} else {
					require.Nil(t, r.at("events."+object), object)
				}
			}
		})
	}
}

func TestEventsShowTheStateAtDelivery(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	own := s.chats["creator"].Copy()
	m := s.byParticipant
	m.ClientID = "the sender's"
	e := realtime.Event{ID: "1", Operation: realtime.ChatMessageCreated, Copy: own, MessageID: m.ID, Message: &m, Actor: m.Sender}
	r := s.deliver(e, wholeEvent)
	require.EqualValues(t, 1, r.at("events.chat.unreadCount"))
	require.EqualValues(t, 1, r.at("events.chatMessage.chat.unreadCount"))
	require.Equal(t, "participant", r.string("events.actor.username"))
	require.Equal(t, "participant", r.string("events.chatMessage.message.sender.username"))
	require.Nil(t, r.at("events.chatMessage.message.clientMessageId"))

	e.Copy = s.chats["participant"].Copy()
	require.Equal(t, "the sender's", s.deliver(e, wholeEvent).string("events.chatMessage.message.clientMessageId"))

	_, err := s.app.Chats.Read(t.Context(), own.Owner, own.ID, m.ID)
	require.NoError(t, err)
	e.Copy = own
	require.EqualValues(t, 0, s.deliver(e, wholeEvent).at("events.chat.unreadCount"))
}

func TestEventsOfADeletedChatHaveNoObjects(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	m := s.byParticipant
	require.NoError(t, s.app.Erase(t.Context(), s.users["participant"]))
	r := s.deliver(realtime.Event{ID: "1", Operation: realtime.NotificationCreated, Copy: s.chats["creator"].Copy(), MessageID: m.ID, Message: &m}, wholeEvent)
	for _, object := range objects {
		require.Nil(t, r.at("events."+object), object)
	}
}

func TestEventsNeedALogin(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	exec := func(v viewer, document string) result {
		return read(t, w.events.Exec(withViewer(t.Context(), v), document, "", nil))
	}
	require.Equal(t, true, exec(viewer{}, `{ subscribe { success } }`).at("subscribe.success"))
	exec(viewer{}, `{ events { id } }`).refused(codeUnauthenticated)
	exec(viewer{Identity: Identity{User: "1"}}, `{ events { id } }`).refused(codeInternal)
}

func TestEventCursorIsTakenBeforeTheOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.runAs(viewer{Identity: Identity{User: "1"}, eventCursor: "taken before"}, `{ me { id } eventCursor }`)
	require.Equal(t, "taken before", r.string("eventCursor"))
}

func TestEventCursorAsksTheHubIfNoCursorWasTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ran := make(chan error, 1)
	go func() { ran <- w.app.Run(t.Context()) }()
	r := w.runAs(viewer{Identity: Identity{User: "1"}}, `{ eventCursor }`)
	_, err := realtime.ParseCursor(r.string("eventCursor"))
	require.NoError(t, err)
	require.NoError(t, w.app.Shutdown(t.Context()))
	require.NoError(t, <-ran)
}
