package graphqlapi_test

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

type object = map[string]any

// A listener has both subscriptions on one socket, and checks that they deliver the same events.
type listener struct {
	person
	t               testing.TB
	api             *api
	conn            *client
	envelopes       string
	events          string
	cursor          string // of the last event, for resuming
	operations, ids []string
}

const everythingOfAnEvent = `{
	id cursor operation at subjectId erased
	actor { id } chat { id } chatMessage { id message { content } } groupCopy { id } groupMessage { id } member { id } notification { id }
}`

func (a *api) listen(t testing.TB, p person) *listener {
	t.Helper()
	l := &listener{person: p, t: t, api: a, conn: a.connectAs(t, p)}
	l.envelopes, l.cursor = l.conn.subscribed()
	l.events = l.conn.subscribedTyped(everythingOfAnEvent)
	return l
}

// ask runs a document as the listener and returns its data.
func (l *listener) ask(document string, variables object) object {
	l.t.Helper()
	return l.api.must(l.t, l.token, document, variables)
}

// gets reads the next event of both subscriptions and checks that it is the expected one. subject
// is the subjectId of the typed event.
func (l *listener) gets(operation string, payload object, subject any) (typed object) {
	l.t.Helper()
	envelope := l.conn.result(l.envelopes)
	require.Equal(l.t, operation, envelope["operation"], "%v", envelope)
	require.Len(l.t, envelope, 6)
	require.Equal(l.t, "broadcast", envelope["type"])
	require.Equal(l.t, payload, envelope["payload"])
	require.Regexp(l.t, `^\d+n?$`, envelope["id"])
	require.Regexp(l.t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`, envelope["at"])

	result := l.conn.result(l.events)
	require.NotContains(l.t, result, "errors")
	typed = at(result, "data", "events").(object)
	for _, same := range []string{"id", "cursor", "operation", "at"} {
		require.Equal(l.t, envelope[same], typed[same], same)
	}
	require.Equal(l.t, subject, typed["subjectId"])
	l.cursor = envelope["cursor"].(string)
	l.operations, l.ids = append(l.operations, operation), append(l.ids, envelope["id"].(string))
	return typed
}

func id(id any) object { return object{"id": id} }

// A talk is the setup of the event tests: a chat and a group of two users, with the ids of each
// user's copies.
type talk struct {
	*api
	t          testing.TB
	alice, bob *listener
	chat       struct{ alice, bob any }
	user       struct{ alice, bob any }
}

func newTalk(t testing.TB) *talk {
	t.Helper()
	a := serve(t)
	k := &talk{api: a, t: t}
	alice, bob := a.register(t, "alice"), a.register(t, "robert")
	k.user.alice, k.user.bob = userIDOf(t, a, alice), userIDOf(t, a, bob)
	k.alice, k.bob = a.listen(t, alice), a.listen(t, bob)
	k.chat.alice = at(k.alice.ask(`mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } } }`, object{"u": k.user.bob}), "createChat", "chat", "id")
	k.chat.bob = at(k.bob.ask(`{ chats { nodes { id } } }`, nil), "chats", "nodes", 0, "id")
	return k
}

// say sends a message from alice to bob, and returns it with the ids of its two copies.
func (k *talk) say(content, clientID string) (message object, alices, bobs any) {
	k.t.Helper()
	sent := at(k.alice.ask(`mutation($c: ID!, $t: String!, $i: String) { createChatMessage(chatId: $c, content: $t, clientMessageId: $i) {
		chatMessage { id message { id date } } } }`, object{"c": k.chat.alice, "t": content, "i": clientID}), "createChatMessage", "chatMessage")
	bobs = at(k.bob.ask(`query($c: ID!) { chat(id: $c) { lastMessage { id } } }`, object{"c": k.chat.bob}), "chat", "lastMessage", "id")
	message = object{"id": at(sent, "message", "id"), "content": content, "date": at(sent, "message", "date"), "sender": id(k.user.alice)}
	return message, at(sent, "id"), bobs
}

func with(m object, key string, value any) object {
	copied := object{key: value}
	maps.Copy(copied, m)
	return copied
}

func chatMessage(copy, message, chat any) object {
	return object{"chatMessage": object{"id": copy, "message": message, "chat": id(chat)}}
}

func TestEveryEventOfAChatIsDelivered(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	alice, bob := k.alice, k.bob

	message, alices, bobs := k.say("a <b> & \"c\" \u2028 \U0001F600", "mine-1")
	require.NotEqual(t, alices, bobs)
	typed := alice.gets("CHAT_MESSAGE_CREATED", chatMessage(alices, with(message, "clientMessageId", "mine-1"), k.chat.alice), alices)
	require.Equal(t, k.user.alice, at(typed, "actor", "id"))
	require.Equal(t, k.chat.alice, at(typed, "chat", "id"))
	require.Equal(t, message["content"], at(typed, "chatMessage", "message", "content"))
	require.Nil(t, typed["groupCopy"])
	bob.gets("CHAT_MESSAGE_CREATED", chatMessage(bobs, message, k.chat.bob), bobs)
	notified := at(bob.ask(`{ notifications { nodes { id } } }`, nil), "notifications", "nodes", 0, "id")
	typed = bob.gets("NOTIFICATION_CREATED", object{"notification": object{
		"id": notified, "message": object{"id": message["id"], "content": message["content"], "sender": id(k.user.alice)},
	}}, notified)
	require.Equal(t, notified, at(typed, "notification", "id"))

	edited := at(alice.ask(`mutation($m: ID!) { updateChatMessage(chatMessageId: $m, content: "edited") { chatMessage { message { editedAt } } } }`, object{"m": alices}),
		"updateChatMessage", "chatMessage", "message", "editedAt")
	message = with(with(message, "editedAt", edited), "content", "edited")
	message["content"] = "edited"
	alice.gets("CHAT_MESSAGE_UPDATED", chatMessage(alices, with(message, "clientMessageId", "mine-1"), k.chat.alice), alices)
	bob.gets("CHAT_MESSAGE_UPDATED", chatMessage(bobs, message, k.chat.bob), bobs)

	read := at(bob.ask(`mutation($m: ID!) { setChatMessageAsRead(chatMessageId: $m) { chatMessage { message { readAt } } } }`, object{"m": bobs}),
		"setChatMessageAsRead", "chatMessage", "message", "readAt")
	alice.gets("CHAT_MESSAGE_READ", chatMessage(alices, object{"id": message["id"], "readAt": read}, k.chat.alice), alices)
	bob.gets("CHAT_MESSAGE_READ", chatMessage(bobs, object{"id": message["id"], "readAt": read}, k.chat.bob), bobs)

	bob.ask(`mutation($m: ID!) { deleteChatMessage(chatMessageId: $m) { success } }`, object{"m": bobs})
	typed = bob.gets("CHAT_MESSAGE_DELETED", object{"chatMessage": object{"id": bobs, "chat": id(k.chat.bob)}}, bobs)
	require.Nil(t, typed["chatMessage"])

	message, alices, bobs = k.say("to be unsent", "")
	alice.gets("CHAT_MESSAGE_CREATED", chatMessage(alices, message, k.chat.alice), alices)
	bob.gets("CHAT_MESSAGE_CREATED", chatMessage(bobs, message, k.chat.bob), bobs)
	bob.conn.result(bob.envelopes)
	bob.conn.result(bob.events)
	alice.ask(`mutation($m: ID!) { unsendChatMessage(chatMessageId: $m) { success } }`, object{"m": alices})
	alice.gets("CHAT_MESSAGE_UNSENT", chatMessage(alices, nil, k.chat.alice), alices)
	typed = bob.gets("CHAT_MESSAGE_UNSENT", chatMessage(bobs, nil, k.chat.bob), bobs)
	require.Nil(t, typed["chatMessage"])

	bob.ask(`mutation($c: ID!) { deleteChat(chatId: $c) { success } }`, object{"c": k.chat.bob})
	typed = bob.gets("CHAT_DELETED", object{"chat": id(k.chat.bob)}, k.chat.bob)
	require.Equal(t, false, typed["erased"])

	bob.ask(`mutation($p: String!) { deleteUser(password: $p) { userId } }`, object{"p": password})
	typed = alice.gets("CHAT_DELETED", object{"chat": id(k.chat.alice), "erased": true}, k.chat.alice)
	require.Equal(t, true, typed["erased"])
	require.Nil(t, typed["chat"])
}

func groupMessage(copy, message, group any) object {
	return object{"groupMessage": object{"id": copy, "message": message, "groupCopy": id(group)}}
}

func TestEveryEventOfAGroupIsDelivered(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	alice, bob := k.alice, k.bob

	made := at(alice.ask(`mutation { createGroup(title: "Climbing", description: "on <rock>") {
		userGroup { id } groupCopy { id member { id joinedAt } } } }`, nil), "createGroup")
	group, alices := at(made, "userGroup", "id"), at(made, "groupCopy", "id")
	founder := at(made, "groupCopy", "member", "id")
	typed := alice.gets("MEMBER_ADDED", object{"groupCopy": object{"id": alices, "member": object{
		"id": founder, "joinedAt": at(made, "groupCopy", "member", "joinedAt"), "isAdmin": true,
		"group": id(group), "user": object{"id": k.user.alice, "username": "alice"},
	}}}, founder)
	require.Equal(t, alices, at(typed, "groupCopy", "id"))
	require.Equal(t, founder, at(typed, "member", "id"))

	add := func() (member, bobs any) {
		added := at(alice.ask(`mutation($g: ID!, $u: ID!) { createGroupMember(groupCopyId: $g, memberId: $u) { groupMember { id joinedAt } } }`,
			object{"g": alices, "u": k.user.bob}), "createGroupMember", "groupMember")
		bobs = at(bob.ask(`{ groups { nodes { id } } }`, nil), "groups", "nodes", 0, "id")
		payload := func(copy any) object {
			return object{"groupCopy": object{"id": copy, "member": object{
				"id": at(added, "id"), "joinedAt": at(added, "joinedAt"), "isAdmin": false,
				"group": id(group), "user": object{"id": k.user.bob, "username": "robert"},
			}}}
		}
		alice.gets("MEMBER_ADDED", payload(alices), at(added, "id"))
		bob.gets("MEMBER_ADDED", payload(bobs), at(added, "id"))
		return at(added, "id"), bobs
	}
	member, bobs := add()

	say := func(content string) (message object, inAlices, inBobs any) {
		sent := at(alice.ask(`mutation($g: ID!, $t: String!) { createGroupMessage(groupCopyId: $g, content: $t, clientMessageId: "`+content+`") {
			message { id message { id date } } } }`, object{"g": alices, "t": content}), "createGroupMessage", "message")
		inBobs = at(bob.ask(`query($g: ID!) { group(id: $g) { lastMessage { id } } }`, object{"g": bobs}), "group", "lastMessage", "id")
		message = object{"id": at(sent, "message", "id"), "content": content, "date": at(sent, "message", "date"), "sender": id(k.user.alice)}
		alice.gets("GROUP_MESSAGE_CREATED", groupMessage(at(sent, "id"), with(message, "clientMessageId", content), alices), at(sent, "id"))
		bob.gets("GROUP_MESSAGE_CREATED", groupMessage(inBobs, message, bobs), inBobs)
		notified := at(bob.ask(`{ notifications { nodes { id } } }`, nil), "notifications", "nodes", 0, "id")
		bob.gets("NOTIFICATION_CREATED", object{"notification": object{
			"id": notified, "message": object{"id": message["id"], "content": content, "sender": id(k.user.alice)},
		}}, notified)
		return message, at(sent, "id"), inBobs
	}
	message, inAlices, inBobs := say("first")

	edited := at(alice.ask(`mutation($m: ID!) { updateGroupMessage(groupMessageId: $m, content: "edited") { groupMessage { message { editedAt } } } }`, object{"m": inAlices}),
		"updateGroupMessage", "groupMessage", "message", "editedAt")
	message["content"], message["editedAt"] = "edited", edited
	alice.gets("GROUP_MESSAGE_UPDATED", groupMessage(inAlices, with(message, "clientMessageId", "first"), alices), inAlices)
	bob.gets("GROUP_MESSAGE_UPDATED", groupMessage(inBobs, message, bobs), inBobs)

	read := at(bob.ask(`mutation($m: ID!) { setGroupMessageAsRead(groupMessageId: $m) { groupMessage { message { readAt } } } }`, object{"m": inBobs}),
		"setGroupMessageAsRead", "groupMessage", "message", "readAt")
	payload := func(copy, group any) object {
		p := groupMessage(copy, object{"id": message["id"], "readAt": read}, group)
		p["readBy"], p["readAt"] = id(k.user.bob), read
		return p
	}
	alice.gets("GROUP_MESSAGE_READ", payload(inAlices, alices), inAlices)
	typed = bob.gets("GROUP_MESSAGE_READ", payload(inBobs, bobs), inBobs)
	require.Equal(t, k.user.bob, at(typed, "actor", "id"))

	bob.ask(`mutation($m: ID!) { deleteGroupMessage(groupMessageId: $m) { success } }`, object{"m": inBobs})
	bob.gets("GROUP_MESSAGE_DELETED", object{"groupMessage": object{"id": inBobs, "groupCopy": id(bobs)}}, inBobs)

	_, inAlices, inBobs = say("second")
	alice.ask(`mutation($m: ID!) { unsendGroupMessage(groupMessageId: $m) { success } }`, object{"m": inAlices})
	alice.gets("GROUP_MESSAGE_UNSENT", groupMessage(inAlices, nil, alices), inAlices)
	bob.gets("GROUP_MESSAGE_UNSENT", groupMessage(inBobs, nil, bobs), inBobs)

	updated := func(title string, image any) {
		t.Helper()
		now := object{"id": group, "title": title, "description": "on <rock>", "groupImage": image}
		alice.gets("GROUP_UPDATED", object{"groupCopy": object{"id": alices, "group": now}}, alices)
		bob.gets("GROUP_UPDATED", object{"groupCopy": object{"id": bobs, "group": now}}, bobs)
	}
	alice.ask(`mutation($g: ID!) { updateGroup(groupCopyId: $g, title: "Walking") { groupCopy { id } } }`, object{"g": alices})
	updated("Walking", nil)
	alice.ask(`mutation($g: ID!) { updateGroup(groupCopyId: $g, groupImage: "/a.png") { groupCopy { id } } }`, object{"g": alices})
	updated("Walking", "/a.png")
	alice.ask(`mutation($g: ID!, $m: ID!) { changeAdmin(groupCopyId: $g, memberId: $m, isAdmin: true) { groupMember { id } } }`, object{"g": alices, "m": member})
	updated("Walking", "/a.png")

	bob.ask(`mutation($g: ID!) { deleteGroup(groupCopyId: $g) { success } }`, object{"g": bobs})
	bob.gets("GROUP_DELETED", object{"groupCopy": id(bobs)}, bobs)

	alice.ask(`mutation($g: ID!, $m: ID!) { removeGroupMember(groupCopyId: $g, memberId: $m) { success } }`, object{"g": alices, "m": member})
	removed := func(copy any) object {
		return object{"groupCopy": id(copy), "memberId": member, "removedById": k.user.alice}
	}
	alice.gets("MEMBER_REMOVED", removed(alices), member)
	bob.gets("MEMBER_REMOVED", removed(bobs), member)

	member, bobs = add()
	bob.ask(`mutation($g: ID!) { leaveGroup(groupCopyId: $g) { success } }`, object{"g": bobs})
	left := func(copy any) object { return object{"groupCopy": id(copy), "memberId": member, "removedById": nil} }
	alice.gets("MEMBER_LEFT", left(alices), member)
	bob.gets("MEMBER_LEFT", left(bobs), member)

	member, _ = add()
	bob.ask(`mutation($p: String!) { deleteUser(password: $p) { userId } }`, object{"p": password})
	// The chat and the group: there is no order between conversations.
	seen := map[any]object{}
	for range 2 {
		envelope := alice.conn.result(alice.envelopes)
		seen[envelope["operation"]] = envelope["payload"].(object)
		alice.conn.result(alice.events)
	}
	require.Equal(t, with(left(alices), "erased", true), seen["MEMBER_LEFT"])
	require.Equal(t, object{"chat": id(k.chat.alice), "erased": true}, seen["CHAT_DELETED"])

	alice.ask(`mutation($g: ID!) { removeGroupPermanently(groupCopyId: $g) { success } }`, object{"g": alices})
	alice.gets("GROUP_PERMANENTLY_REMOVED", object{"groupId": group, "groupCopy": id(alices)}, group)
}

func TestAReconnectMissesNoEvents(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	bob := k.bob
	message, _, bobs := k.say("before", "")
	bob.gets("CHAT_MESSAGE_CREATED", chatMessage(bobs, message, k.chat.bob), bobs)
	bob.conn.result(bob.envelopes)
	last := bob.conn.result(bob.events)
	cursor := at(last, "data", "events", "cursor").(string)
	require.NoError(t, bob.conn.conn.CloseNow())

	var sent []any
	for i := range 5 {
		_, _, copy := k.say(fmt.Sprintf("while away %d", i), "")
		sent = append(sent, copy)
	}
	again := k.connect(t, nil, object{"token": bob.token, "after": cursor})
	envelopes := again.start(`subscription { subscribe { success } }`, nil)
	first := again.result(envelopes)
	require.Equal(t, cursor, at(first, "extensions", "cursor"))
	events := again.start(`subscription($c: String) { events(after: $c) { operation subjectId id } }`, object{"c": cursor})
	for _, copy := range sent {
		for _, operation := range []string{"CHAT_MESSAGE_CREATED", "NOTIFICATION_CREATED"} {
			envelope, typed := again.result(envelopes), at(again.result(events), "data", "events")
			require.Equal(t, operation, envelope["operation"])
			require.Equal(t, operation, at(typed, "operation"))
			require.Equal(t, envelope["id"], at(typed, "id"))
			if operation == "CHAT_MESSAGE_CREATED" {
				require.Equal(t, copy, at(envelope, "payload", "chatMessage", "id"))
				require.Equal(t, copy, at(typed, "subjectId"))
			}
		}
	}
}

func TestAReplayNamesFormerMembersButNoErasedUsers(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	alice := k.alice
	carol := k.register(t, "caroline")
	carolID := userIDOf(t, k.api, carol)
	cursor := at(alice.ask(`{ eventCursor }`, nil), "eventCursor").(string)

	bobs := at(k.bob.ask(`mutation { createGroup(title: "Climbing") { groupCopy { id } } }`, nil), "createGroup", "groupCopy", "id")
	add := func(u any) (member any) {
		return at(k.bob.ask(`mutation($g: ID!, $u: ID!) { createGroupMember(groupCopyId: $g, memberId: $u) { groupMember { id } } }`, object{"g": bobs, "u": u}),
			"createGroupMember", "groupMember", "id")
	}
	add(k.user.alice)
	alices := at(alice.ask(`{ groups { nodes { id } } }`, nil), "groups", "nodes", 0, "id")
	member := add(carolID)
	k.bob.ask(`mutation($g: ID!, $m: ID!) { removeGroupMember(groupCopyId: $g, memberId: $m) { success } }`, object{"g": bobs, "m": member})
	sent := at(alice.ask(`mutation($g: ID!) { createGroupMessage(groupCopyId: $g, content: "hello") { message { id } } }`, object{"g": alices}),
		"createGroupMessage", "message", "id")
	inBobs := at(k.bob.ask(`query($g: ID!) { group(id: $g) { lastMessage { id } } }`, object{"g": bobs}), "group", "lastMessage", "id")
	k.bob.ask(`mutation($m: ID!) { setGroupMessageAsRead(groupMessageId: $m) { groupMessage { id } } }`, object{"m": inBobs})

	replay := func(remover, actor any) {
		t.Helper()
		conn := k.connect(t, nil, object{"token": alice.token, "after": cursor})
		envelopes, _ := conn.subscribed()
		events := conn.start(`subscription($c: String) { events(after: $c) { operation actor { id } } }`, object{"c": cursor})
		for _, operation := range []string{"MEMBER_ADDED", "MEMBER_ADDED", "MEMBER_REMOVED", "GROUP_MESSAGE_CREATED", "GROUP_MESSAGE_READ"} {
			envelope, typed := conn.result(envelopes), at(conn.result(events), "data", "events")
			require.Equal(t, operation, envelope["operation"])
			by := actor
			switch payload := envelope["payload"]; operation {
			case "MEMBER_ADDED":
				if id := at(payload, "groupCopy", "member", "id"); id == member {
					require.Equal(t, object{"id": carolID, "username": "caroline"}, at(payload, "groupCopy", "member", "user"))
				}
			case "MEMBER_REMOVED":
				require.Equal(t, object{"groupCopy": id(alices), "memberId": member, "removedById": remover}, payload)
			case "GROUP_MESSAGE_CREATED":
				by = id(k.user.alice)
			case "GROUP_MESSAGE_READ":
				require.Equal(t, sent, at(payload, "groupMessage", "id"))
				require.Equal(t, actor, at(payload, "readBy"))
			}
			require.Equal(t, by, at(typed, "actor"), operation)
		}
	}
	replay(k.user.bob, id(k.user.bob))
	k.bob.ask(`mutation($p: String!) { deleteUser(password: $p) { userId } }`, object{"p": password})
	replay(nil, nil)
}

func TestSubscriptionsUseTheClientsAliases(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	conn := k.bob.conn
	first := conn.result(conn.start(`subscription S { ready: subscribe { ok: success __typename } }`, nil))
	require.Equal(t, object{"ready": object{"ok": true, "__typename": "Subscribe"}}, first["data"])

	cursor := at(conn.run(`{ eventCursor }`, nil), "data", "eventCursor")
	typed := conn.start(`subscription S($after: String = "`+cursor.(string)+`", $chat: Boolean = false) { ...f }
		fragment f on Subscription { it: events(after: $after) { op: operation __typename chat @include(if: $chat) { id } ... on Event { n: notification { message { content } } } } }`, nil)
	k.say("hello", "")
	require.Equal(t, object{"it": object{"op": "CHAT_MESSAGE_CREATED", "__typename": "Event", "n": nil}}, conn.result(typed)["data"])
	require.Equal(t, object{"it": object{
		"op": "NOTIFICATION_CREATED", "__typename": "Event", "n": object{"message": object{"content": "hello"}},
	}}, conn.result(typed)["data"])
}

func TestACompletedSubscriptionDeliversNothing(t *testing.T) {
	t.Parallel()
	k := newTalk(t)
	k.bob.conn.send(object{"id": k.bob.envelopes, "type": "complete"})
	k.bob.conn.run(whoAmI, nil)
	k.say("hello", "")
	require.Equal(t, "CHAT_MESSAGE_CREATED", at(k.bob.conn.result(k.bob.events), "data", "events", "operation"))
	k.bob.conn.run(whoAmI, nil)
	require.Empty(t, k.bob.conn.kept[k.bob.envelopes])
}
