package graphqlapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/user"
)

// Roles of a user towards a group and a chat. The participant is the other user of the creator's
// chat, and not a member of the group. The outsider has access to neither.
var roles = []string{"nobody", "outsider", "member", "admin", "creator", "participant"}

// A scene is a group and a chat, with one user in each role.
type scene struct {
	*world
	users  map[string]user.ID
	chats  map[string]chat.Chat
	copies map[string]group.Copy

	byCreator, byParticipant chat.Message // messages in the chat
	inGroup, inGroupByMember chat.Message
	refresh, access          string // tokens of the creator
}

func newScene(t testing.TB) *scene {
	t.Helper()
	return newSceneOn(newWorld(t))
}

func newSceneOn(w *world) *scene {
	t := w.t
	t.Helper()
	s := &scene{world: w, users: map[string]user.ID{"nobody": noLogin}, chats: map[string]chat.Chat{}, copies: map[string]group.Copy{}}
	for _, name := range []string{"outsider", "member", "admin", "creator", "participant", "stranger"} {
		s.users[name] = s.register(name)
	}
	s.chats["creator"], s.chats["participant"] = s.open(s.users["creator"], s.users["participant"])
	s.byCreator = s.send(s.chats["creator"].Copy(), "by the creator")
	s.byParticipant = s.send(s.chats["participant"].Copy(), "by the participant")

	copies := s.group("the group", s.users["creator"], s.users["admin"], s.users["member"])
	_, err := s.app.Groups.SetAdmin(t.Context(), s.users["creator"], copies[0].ID, copies[1].ID, true)
	require.NoError(t, err)
	s.copies["creator"], s.copies["admin"], s.copies["member"] = copies[0], s.groupCopy(s.users["admin"], copies[1].ID), copies[2]
	s.inGroup = s.send(copies[0].Copy(), "by the creator, to the group")
	s.inGroupByMember = s.send(copies[2].Copy(), "by the member, to the group")

	account, err := s.app.Users.Get(t.Context(), s.users["creator"])
	require.NoError(t, err)
	pair, err := s.app.Tokens.Login(t.Context(), account[s.users["creator"]])
	require.NoError(t, err)
	s.refresh, s.access = pair.Refresh, pair.Access
	return s
}

// names returns the values of the placeholders in a document that a user in this role sends. For a
// user without a copy, "own" is the creator's copy.
func (s *scene) names(role string) map[string]string {
	chatOf, copyOf := "creator", "creator"
	if _, ok := s.chats[role]; ok {
		chatOf = role
	}
	if _, ok := s.copies[role]; ok {
		copyOf = role
	}
	phones, err := s.app.Users.Phones(s.t.Context(), s.users["creator"])
	require.NoError(s.t, err)
	return map[string]string{
		"$creator":              userID(s.users["creator"]),
		"$stranger":             userID(s.users["stranger"]),
		"$creatorPhone":         phoneID(phones[s.users["creator"]][0].ID),
		"$chatOfCreator":        chatID(s.chats["creator"].ID),
		"$ownChat":              chatID(s.chats[chatOf].ID),
		"$chatMessageOfCreator": chatMessageID(s.chats["creator"].ID, s.byCreator.ID),
		"$ownChatMessage":       chatMessageID(s.chats[chatOf].ID, s.byCreator.ID),
		"$messageOfChat":        messageID(s.byCreator.ID),
		"$group":                groupID(s.copies["creator"].Group),
		"$theMember":            memberID(s.copies["member"].ID),
		"$copyOfCreator":        groupCopyID(s.copies["creator"].ID),
		"$ownCopy":              groupCopyID(s.copies[copyOf].ID),
		"$groupMsgOfCreator":    groupMessageID(s.copies["creator"].ID, s.inGroup.ID),
		"$ownGroupMessage":      groupMessageID(s.copies[copyOf].ID, s.inGroup.ID),
		"$messageOfGroup":       messageID(s.inGroup.ID),
		"$chatNotification":     notificationID(s.chats["creator"].Copy(), s.byParticipant.ID),
		"$groupNotification":    notificationID(s.copies["creator"].Copy(), s.inGroupByMember.ID),
		"$refresh":              s.refresh,
		"$access":               s.access,
	}
}

func fillIn(document string, names map[string]string) string {
	var pairs []string
	for name, value := range names {
		pairs = append(pairs, name, value)
	}
	// Longer names first, because a longer name may begin with a shorter one.
	for i := 0; i < len(pairs); i += 2 {
		for j := i + 2; j < len(pairs); j += 2 {
			if len(pairs[j]) > len(pairs[i]) {
				pairs[i], pairs[i+1], pairs[j], pairs[j+1] = pairs[j], pairs[j+1], pairs[i], pairs[i+1]
			}
		}
	}
	return strings.NewReplacer(pairs...).Replace(document)
}

// codeOf maps the letters of the table to error codes.
var codeOf = map[string]string{"U": codeUnauthenticated, "F": codeForbidden, "N": codeNotFound}

// access is the access table, with one letter for each role: U, F and N are error codes, and -
// means allowed.
var access = []struct{ name, document, want string }{
	{"users", `{ users { nodes { id username firstName lastName bio profilePicture dateJoined } } }`, "- - - - - -"},
	{"user", `{ user(id: "$creator") { id username firstName lastName bio profilePicture dateJoined } }`, "- - - - - -"},
	{"me", `{ me { id } }`, "- - - - - -"},
	{"email", `{ user(id: "$creator") { email } }`, "U F F F - F"},
	{"phone numbers", `{ user(id: "$creator") { phoneNumbers { number } } }`, "U F F F - F"},
	{"chats of a user", `{ user(id: "$creator") { chats { totalCount } } }`, "U F F F - F"},
	{"notifications of a user", `{ user(id: "$creator") { notifications { totalCount } } }`, "U F F F - F"},
	{"chats", `{ chats { nodes { id } } }`, "U - - - - -"},
	{"groups", `{ groups { nodes { id } } }`, "U - - - - -"},
	{"notifications", `{ notifications { nodes { id } } }`, "U - - - - -"},
	{"eventCursor", `{ eventCursor }`, "U - - - - -"},
	{"chat of the creator", `{ chat(id: "$chatOfCreator") { id } }`, "U N N N - N"},
	{"own chat", `{ chat(id: "$ownChat") { id } }`, "U N N N - -"},
	{"group of the creator", `{ group(id: "$copyOfCreator") { id } }`, "U N N N - N"},
	{"own group", `{ group(id: "$ownCopy") { id } }`, "U N - - - N"},

	{"node CustomUser", `{ node(id: "$creator") { id } }`, "- - - - - -"},
	{"node PhoneNumber", `{ node(id: "$creatorPhone") { id } }`, "N N N N - N"},
	{"node Message of a chat", `{ node(id: "$messageOfChat") { id } }`, "N N N N - -"},
	{"node Message of a group", `{ node(id: "$messageOfGroup") { id } }`, "N N - - - N"},
	{"node Chat of the creator", `{ node(id: "$chatOfCreator") { id } }`, "N N N N - N"},
	{"node Chat of one's own", `{ node(id: "$ownChat") { id } }`, "N N N N - -"},
	{"node ChatMessage of the creator", `{ node(id: "$chatMessageOfCreator") { id } }`, "N N N N - N"},
	{"node ChatMessage of one's own", `{ node(id: "$ownChatMessage") { id } }`, "N N N N - -"},
	{"node UserGroup", `{ node(id: "$group") { id } }`, "N N - - - N"},
	{"node GroupMember", `{ node(id: "$theMember") { id } }`, "N N - - - N"},
	{"node UserGroupMemberCopy of the creator", `{ node(id: "$copyOfCreator") { id } }`, "N N N N - N"},
	{"node UserGroupMemberCopy of one's own", `{ node(id: "$ownCopy") { id } }`, "N N - - - N"},
	{"node GroupMessage of the creator", `{ node(id: "$groupMsgOfCreator") { id } }`, "N N N N - N"},
	{"node GroupMessage of one's own", `{ node(id: "$ownGroupMessage") { id } }`, "N N - - - N"},
	{"node Notification of a chat", `{ node(id: "$chatNotification") { id } }`, "N N N N - N"},
	{"node Notification of a group", `{ node(id: "$groupNotification") { id } }`, "N N N N - N"},

	{"createUser", `mutation { createUser(username: "newcomer", email: "new@example.com", password: "correct-horse-battery", firstName: "New", lastName: "Comer",
		phoneNumber: {number: "12345678", countryCode: "+1"}) { user { id email phoneNumbers { number } chats { totalCount } notifications { totalCount } } phoneNumber { id } } }`, "- - - - - -"},
	{"login", `mutation { login(username: "creator", password: "correct-horse-battery") { token } }`, "- - - - - -"},
	{"refreshToken", `mutation { refreshToken(refreshToken: "$refresh") { token } }`, "- - - - - -"},
	{"verifyToken", `mutation { verifyToken(token: "$access") { payload } }`, "- - - - - -"},
	{"revokeToken", `mutation { revokeToken(refreshToken: "$refresh") { revoked } }`, "- - - - - -"},
	{"updateUser", `mutation { updateUser(bio: "new") { user { id email } } }`, "U - - - - -"},
	{"changePassword", `mutation { changePassword(oldPassword: "correct-horse-battery", newPassword: "staple-battery-horse") { user { id } } }`, "U - - - - -"},
	{"deleteUser", `mutation { deleteUser(password: "correct-horse-battery") { userId } }`, "U - - - - -"},
	{"addPhoneNumber", `mutation { addPhoneNumber(number: "12345678", countryCode: "1") { phoneNumber { id } } }`, "U - - - - -"},
	{"removePhoneNumber of the creator", `mutation { removePhoneNumber(phoneId: "$creatorPhone") { success } }`, "U N N N - N"},

	{"createChat", `mutation { createChat(otherUserId: "$stranger") { chat { id } otherChat { id user { id } otherUser { id } } } }`, "U - - - - -"},
	{"createSelfChat", `mutation { createSelfChat { chat { id } } }`, "U - - - - -"},
	{"createChatMessage in the creator's", `mutation { createChatMessage(chatId: "$chatOfCreator", content: "x") { chatMessage { id } } }`, "U N N N - N"},
	{"createChatMessage in one's own", `mutation { createChatMessage(chatId: "$ownChat", content: "x") { chatMessage { id } } }`, "U N N N - -"},
	{"updateChatMessage of the creator", `mutation { updateChatMessage(chatMessageId: "$chatMessageOfCreator", content: "x") { chatMessage { id } } }`, "U N N N - N"},
	{"updateChatMessage in one's own", `mutation { updateChatMessage(chatMessageId: "$ownChatMessage", content: "x") { chatMessage { id } } }`, "U N N N - F"},
	{"deleteChatMessage of the creator", `mutation { deleteChatMessage(chatMessageId: "$chatMessageOfCreator") { success } }`, "U N N N - N"},
	{"deleteChatMessage in one's own", `mutation { deleteChatMessage(chatMessageId: "$ownChatMessage") { success } }`, "U N N N - -"},
	{"unsendChatMessage of the creator", `mutation { unsendChatMessage(chatMessageId: "$chatMessageOfCreator") { success } }`, "U N N N - N"},
	{"unsendChatMessage in one's own", `mutation { unsendChatMessage(chatMessageId: "$ownChatMessage") { success } }`, "U N N N - F"},
	{"setChatMessageAsRead of the creator", `mutation { setChatMessageAsRead(chatMessageId: "$chatMessageOfCreator") { chatMessage { id } } }`, "U N N N - N"},
	{"setChatMessageAsRead in one's own", `mutation { setChatMessageAsRead(chatMessageId: "$ownChatMessage") { chatMessage { id } } }`, "U N N N - -"},
	{"deleteChat of the creator", `mutation { deleteChat(chatId: "$chatOfCreator") { success } }`, "U N N N - N"},
	{"deleteChat of one's own", `mutation { deleteChat(chatId: "$ownChat") { success } }`, "U N N N - -"},
	{"setArchiveChat of the creator", `mutation { setArchiveChat(chatId: "$chatOfCreator", archived: true) { chat { id } } }`, "U N N N - N"},
	{"setArchiveChat of one's own", `mutation { setArchiveChat(chatId: "$ownChat", archived: true) { chat { id } } }`, "U N N N - -"},
	{"setChatArchived of the creator", `mutation { setChatArchived(chatId: "$chatOfCreator", archived: true) { chat { id } } }`, "U N N N - N"},

	{"createGroup", `mutation { createGroup(title: "New one") { userGroup { id } groupCopy { id } } }`, "U - - - - -"},
	{"createGroupMessage in the creator's", `mutation { createGroupMessage(groupCopyId: "$copyOfCreator", content: "x") { message { id } } }`, "U N N N - N"},
	{"createGroupMessage in one's own", `mutation { createGroupMessage(groupCopyId: "$ownCopy", content: "x") { message { id } } }`, "U N - - - N"},
	{"createGroupMember by the creator's copy", `mutation { createGroupMember(groupCopyId: "$copyOfCreator", memberId: "$stranger") { groupMember { id } } }`, "U N N N - N"},
	{"createGroupMember", `mutation { createGroupMember(groupCopyId: "$ownCopy", memberId: "$stranger") { groupMember { id } } }`, "U N F - - N"},
	{"changeAdmin by the creator's copy", `mutation { changeAdmin(groupCopyId: "$copyOfCreator", memberId: "$theMember", isAdmin: true) { groupMember { id } } }`, "U N N N - N"},
	{"changeAdmin", `mutation { changeAdmin(groupCopyId: "$ownCopy", memberId: "$theMember", isAdmin: true) { groupMember { id } } }`, "U N F - - N"},
	{"updateGroup by the creator's copy", `mutation { updateGroup(groupCopyId: "$copyOfCreator", title: "new") { groupCopy { id } } }`, "U N N N - N"},
	{"updateGroup", `mutation { updateGroup(groupCopyId: "$ownCopy", title: "new") { groupCopy { id } } }`, "U N F - - N"},
	{"deleteGroup of the creator", `mutation { deleteGroup(groupCopyId: "$copyOfCreator") { success } }`, "U N N N - N"},
	{"deleteGroup of one's own", `mutation { deleteGroup(groupCopyId: "$ownCopy") { success } }`, "U N - - - N"},
	{"updateGroupMessage of the creator", `mutation { updateGroupMessage(groupMessageId: "$groupMsgOfCreator", content: "x") { groupMessage { id } } }`, "U N N N - N"},
	{"updateGroupMessage in one's own", `mutation { updateGroupMessage(groupMessageId: "$ownGroupMessage", content: "x") { groupMessage { id } } }`, "U N F F - N"},
	{"deleteGroupMessage of the creator", `mutation { deleteGroupMessage(groupMessageId: "$groupMsgOfCreator") { success } }`, "U N N N - N"},
	{"deleteGroupMessage in one's own", `mutation { deleteGroupMessage(groupMessageId: "$ownGroupMessage") { success } }`, "U N - - - N"},
	{"unsendGroupMessage of the creator", `mutation { unsendGroupMessage(groupMessageId: "$groupMsgOfCreator") { success } }`, "U N N N - N"},
	{"unsendGroupMessage in one's own", `mutation { unsendGroupMessage(groupMessageId: "$ownGroupMessage") { success } }`, "U N F F - N"},
	{"removeGroupMember by the creator's copy", `mutation { removeGroupMember(groupCopyId: "$copyOfCreator", memberId: "$theMember") { success } }`, "U N N N - N"},
	{"removeGroupMember", `mutation { removeGroupMember(groupCopyId: "$ownCopy", memberId: "$theMember") { success } }`, "U N F - - N"},
	{"leaveGroup by the creator's copy", `mutation { leaveGroup(groupCopyId: "$copyOfCreator") { success } }`, "U N N N - N"},
	{"leaveGroup", `mutation { leaveGroup(groupCopyId: "$ownCopy") { success } }`, "U N - - - N"},
	{"removeGroupPermanently by the creator's copy", `mutation { removeGroupPermanently(groupCopyId: "$copyOfCreator") { success } }`, "U N N N - N"},
	{"removeGroupPermanently", `mutation { removeGroupPermanently(groupCopyId: "$ownCopy") { success } }`, "U N F F - N"},
	{"setArchiveGroup of the creator", `mutation { setArchiveGroup(groupCopyId: "$copyOfCreator", isArchived: true) { groupCopy { id } } }`, "U N N N - N"},
	{"setArchiveGroup of one's own", `mutation { setArchiveGroup(groupCopyId: "$ownCopy", isArchived: true) { groupCopy { id } } }`, "U N - - - N"},
	{"setGroupMessageAsRead of the creator", `mutation { setGroupMessageAsRead(groupMessageId: "$groupMsgOfCreator") { groupMessage { id } } }`, "U N N N - N"},
	{"setGroupMessageAsRead in one's own", `mutation { setGroupMessageAsRead(groupMessageId: "$ownGroupMessage") { groupMessage { id } } }`, "U N - - - N"},
	{"setNotificationRead of a chat", `mutation { setNotificationRead(notificationId: "$chatNotification") { notification { id } } }`, "U N N N - N"},
	{"setNotificationRead of a group", `mutation { setNotificationRead(notificationId: "$groupNotification") { notification { id } } }`, "U N N N - N"},
}

func TestAccessMatchesTheTable(t *testing.T) {
	t.Parallel()
	for _, c := range access {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			before := s.everything()
			for i, want := range strings.Fields(c.want) {
				role := roles[i]
				if want == "-" {
					fresh := newScene(t)
					r := fresh.run(fresh.users[role], fillIn(c.document, fresh.names(role)))
					require.Empty(t, r.errors, "%s: %s", role, r.text)
					continue
				}
				r := s.run(s.users[role], fillIn(c.document, s.names(role)))
				require.Equal(t, []string{codeOf[want]}, r.codes(), "%s: %s", role, r.text)
				if want == "N" {
					require.Equal(t, notFound, r.errors[0].Message, role)
				}
			}
			require.Equal(t, before, s.everything(), "a refusal changed something")
		})
	}
}

// everything returns all data that the users see.
func (s *scene) everything() string {
	s.t.Helper()
	var all strings.Builder
	for _, role := range append(slices.Clone(roles[1:]), "stranger") {
		r := s.run(s.users[role], `{ me { id username firstName bio email phoneNumbers { number } }
			chats { totalCount nodes { id archived unreadCount chatMessages { nodes { id message { content editedAt readAt } } } } }
			groups { totalCount nodes { id isArchived unreadCount member { group { title members { nodes { id isAdmin user { username } } } } }
				groupMessages { nodes { id message { content editedAt readAt } readBy { nodes { id } } } } } }
			notifications { nodes { id isRead } } }`)
		require.Empty(s.t, r.errors, r.text)
		all.WriteString(r.text)
	}
	return all.String()
}

func TestAccessTableCoversEveryField(t *testing.T) {
	t.Parallel()
	asked := map[string]bool{}
	var nodes []string
	for _, c := range access {
		doc, err := parser.ParseQuery(&ast.Source{Input: c.document})
		require.NoError(t, err)
		for _, f := range doc.Operations[0].SelectionSet {
			asked[f.(*ast.Field).Name] = true
		}
		if name, ok := strings.CutPrefix(c.name, "node "); ok {
			name, _, _ = strings.Cut(name, " ")
			nodes = append(nodes, name)
		}
	}
	schema := parseSchema(t, "served", schemaSDL)
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation} {
		for _, f := range root.Fields {
			require.True(t, asked[f.Name] || strings.HasPrefix(f.Name, "__"), "no test queries %s", f.Name)
		}
	}
	for _, d := range schema.GetPossibleTypes(schema.Types["Node"]) {
		require.Contains(t, nodes, d.Name)
	}
}

func TestRefusedFieldsAreNullAndOthersStay(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	r := s.run(s.users["outsider"], fillIn(`{ mine: me { email } user(id: "$creator") { username email phoneNumbers { number } chats { totalCount } notifications { totalCount } }
		gone: node(id: "nothing") { id } users { nodes { username email } } }`, s.names("outsider")))
	require.Equal(t, "outsider@example.com", r.in("mine.email"))
	require.Equal(t, "creator", r.in("user.username"))
	for _, private := range []string{"email", "phoneNumbers", "chats", "notifications"} {
		require.Nil(t, r.in("user."+private))
	}
	require.Nil(t, r.in("gone"))
	paths := map[string]string{}
	for _, e := range r.errors {
		paths[join(e.Path)] = e.Extensions.Code
	}
	require.Equal(t, map[string]string{
		"user.email": "FORBIDDEN", "user.phoneNumbers": "FORBIDDEN", "user.chats": "FORBIDDEN", "user.notifications": "FORBIDDEN", "gone": "NOT_FOUND",
		"users.nodes.1.email": "FORBIDDEN", "users.nodes.2.email": "FORBIDDEN", "users.nodes.3.email": "FORBIDDEN", "users.nodes.4.email": "FORBIDDEN",
		"users.nodes.5.email": "FORBIDDEN",
	}, paths)
	require.Equal(t, "outsider@example.com", r.in("users.nodes.0.email"))
	require.Nil(t, r.in("users.nodes.1.email"))
}

func join(path []any) string {
	var steps []string
	for _, step := range path {
		steps = append(steps, jsonText(step))
	}
	return strings.Join(steps, ".")
}

func TestOnlyIDAndUsersOfOtherChatCanBeRead(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for _, field := range []string{"archived", "lastMessage { id }", "unreadCount", "chatMessages { nodes { id } }", "chat_messages { totalCount }"} {
		r := s.run(s.users["creator"], fillIn(`mutation { createChat(otherUserId: "$stranger") { chat { `+field+` } otherChat { id `+field+` } } }`, s.names("creator")))
		r.refused(codeForbidden)
		require.NotNil(t, r.in("createChat.chat"))
	}
	self := userID(s.users["creator"])
	r := s.run(s.users["creator"], `mutation($me: ID!) { createChat(otherUserId: $me) { chat { id } otherChat { id user { username } archived lastMessage { id } unreadCount chatMessages { totalCount } } } }`, "me", self)
	require.Equal(t, r.string("createChat.chat.id"), r.string("createChat.otherChat.id"))
	require.Equal(t, "creator", r.string("createChat.otherChat.user.username"))
	require.EqualValues(t, 0, r.at("createChat.otherChat.chatMessages.totalCount"))
}

func TestOnlyTheSenderSeesTheClientMessageID(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	send := s.run(s.users["creator"], fillIn(`mutation { createChatMessage(chatId: "$ownChat", content: "x", clientMessageId: "mine") { chatMessage { message { id clientMessageId } } } }`, s.names("creator")))
	require.Equal(t, "mine", send.string("createChatMessage.chatMessage.message.clientMessageId"))
	id := send.string("createChatMessage.chatMessage.message.id")
	for role, want := range map[string]any{"creator": "mine", "participant": nil} {
		r := s.run(s.users[role], `query($id: ID!) { node(id: $id) { ... on Message { clientMessageId } } chats { nodes { lastMessage { message { clientMessageId } } chatMessages(first: 1) { nodes { message { clientMessageId } } } } }
			notifications(first: 1) { nodes { message { clientMessageId } } } }`, "id", id)
		require.Equal(t, want, r.at("node.clientMessageId"), role)
		require.Equal(t, want, r.at("chats.nodes.0.lastMessage.message.clientMessageId"), role)
		require.Equal(t, want, r.at("chats.nodes.0.chatMessages.nodes.0.message.clientMessageId"), role)
		require.Nil(t, r.at("notifications.nodes.0.message.clientMessageId"))
	}
}
