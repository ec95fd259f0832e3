package graphqlapi

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/user"
)

func TestANewUserCanReadTheirPrivateFields(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.run(noLogin, `mutation { createUser(username: "Ａｄａ.1", email: "Ada@Example.com", password: "correct-horse-battery", firstName: " Ada ", lastName: "Lovelace",
		phoneNumber: {number: "12345678", countryCode: "+44"}) {
		phoneNumber { id number countryCode }
		user { id username firstName lastName email bio profilePicture dateJoined phoneNumbers { id } chats { totalCount nodes { id } } notifications { totalCount } } } }`)
	require.Equal(t, "Ada.1", r.string("createUser.user.username"))
	require.Equal(t, "Ada", r.string("createUser.user.firstName"))
	require.Equal(t, "Ada@Example.com", r.string("createUser.user.email"))
	require.Empty(t, r.string("createUser.user.bio"))
	require.Nil(t, r.at("createUser.user.profilePicture"))
	require.Regexp(t, aMoment, r.string("createUser.user.dateJoined"))
	require.Equal(t, "12345678", r.string("createUser.phoneNumber.number"))
	require.Equal(t, "44", r.string("createUser.phoneNumber.countryCode"))
	require.Equal(t, r.string("createUser.phoneNumber.id"), r.string("createUser.user.phoneNumbers.0.id"))
	require.EqualValues(t, 0, r.at("createUser.user.chats.totalCount"))
}

func TestASessionIsBegunRefreshedVerifiedAndRevoked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("anna")
	const pair = `{ token payload refreshToken refreshExpiresIn }`
	r := w.run(noLogin, `mutation { login(username: "ANNA", password: "correct-horse-battery") `+pair+` }`)
	requirePair(t, r, "login")
	first, access := r.string("login.refreshToken"), r.string("login.token")

	r = w.run(noLogin, `mutation($r: String) { refreshToken(refreshToken: $r) `+pair+` }`, "r", first)
	requirePair(t, r, "refreshToken")
	second := r.string("refreshToken.refreshToken")
	require.NotEqual(t, first, second)

	r = w.run(noLogin, `mutation($t: String) { verifyToken(token: $t) { payload } }`, "t", access)
	require.Equal(t, "anna", r.string("verifyToken.payload.username"))
	r = w.runAs(viewer{token: access}, `mutation { verifyToken { payload } }`)
	require.Equal(t, "anna", r.string("verifyToken.payload.username"))
	w.runAs(viewer{token: access}, `mutation { verifyToken(token: "another") { payload } }`).refused(codeUnauthenticated)
	w.runAs(viewer{token: "bad"}, `mutation { verifyToken { payload } }`).refused(codeUnauthenticated)

	r = w.run(noLogin, `mutation($r: String) { revokeToken(refreshToken: $r) { revoked } }`, "r", second)
	require.InDelta(t, time.Now().Unix(), r.at("revokeToken.revoked"), 60)
	w.runAs(viewer{token: access}, `mutation { verifyToken { payload } }`).refused(codeUnauthenticated)
	w.run(noLogin, `mutation($r: String) { refreshToken(refreshToken: $r) { token } }`, "r", second).refused(codeUnauthenticated)
}

func requirePair(t *testing.T, r result, field string) {
	t.Helper()
	require.Equal(t, "anna", r.string(field+".payload.username"))
	now := time.Now()
	require.InDelta(t, now.Add(50*time.Minute).Unix(), r.at(field+".payload.exp"), 60)
	require.InDelta(t, now.Unix(), r.at(field+".payload.origIat"), 60)
	require.InDelta(t, now.Add(7*24*time.Hour).Unix(), r.at(field+".refreshExpiresIn"), 60)
	require.NotEmpty(t, r.string(field+".token"))
}

func TestAUserChangesTheirAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna := w.register("anna")
	r := w.run(anna, `mutation { updateUser(firstName: "Änne", bio: "about", profilePicture: "/a.png") { user { firstName lastName bio profilePicture email } } }`)
	require.Equal(t, map[string]any{"firstName": "Änne", "lastName": "Last anna", "bio": "about", "profilePicture": "/a.png", "email": "anna@example.com"}, r.at("updateUser.user"))
	r = w.run(anna, `mutation { updateUser(firstName: null, bio: "", profilePicture: "") { user { firstName bio profilePicture } } }`)
	require.Equal(t, map[string]any{"firstName": "Änne", "bio": "", "profilePicture": nil}, r.at("updateUser.user"))

	r = w.run(anna, `mutation { addPhoneNumber(number: "99999999", countryCode: "+1") { phoneNumber { id number countryCode } } }`)
	require.Equal(t, "1", r.string("addPhoneNumber.phoneNumber.countryCode"))
	phone := r.string("addPhoneNumber.phoneNumber.id")
	require.Equal(t, phone, w.run(anna, `{ me { phoneNumbers { id } } }`).string("me.phoneNumbers.1.id"))
	require.Equal(t, "99999999", w.run(anna, `query($id: ID!) { node(id: $id) { ... on PhoneNumber { number } } }`, "id", phone).string("node.number"))
	require.Equal(t, true, w.run(anna, `mutation($id: ID!) { removePhoneNumber(phoneId: $id) { success } }`, "id", phone).at("removePhoneNumber.success"))
	require.Len(t, w.run(anna, `{ me { phoneNumbers { id } } }`).at("me.phoneNumbers"), 1)

	r = w.run(anna, `mutation { changePassword(oldPassword: "correct-horse-battery", newPassword: "another-horse-battery") { user { username email } } }`)
	require.Equal(t, "anna", r.string("changePassword.user.username"))
	require.Equal(t, "anna@example.com", r.string("changePassword.user.email"))
	require.Empty(t, w.run(noLogin, `mutation { login(username: "anna", password: "another-horse-battery") { token } }`).errors)

	r = w.run(anna, `mutation { deleteUser(password: "another-horse-battery") { userId } }`)
	require.EqualValues(t, 1, r.at("deleteUser.userId"))
	w.run(noLogin, `query($id: ID!) { user(id: $id) { id } }`, "id", userID(anna)).refused(codeNotFound)
}

func TestAMessageOfAChatIsSentChangedReadAndUnsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, bert := w.register("anna"), w.register("bert")
	r := w.run(anna, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id user { username } otherUser { username } archived unreadCount lastMessage { id } chatMessages { totalCount } }
		otherChat { id user { username } otherUser { username } } } }`, "u", userID(bert))
	require.Equal(t, "anna", r.string("createChat.chat.user.username"))
	require.Equal(t, "bert", r.string("createChat.chat.otherUser.username"))
	require.Equal(t, "bert", r.string("createChat.otherChat.user.username"))
	require.Nil(t, r.at("createChat.chat.lastMessage"))
	chatOfAnna := r.string("createChat.chat.id")
	again := w.run(bert, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } otherChat { id } } }`, "u", userID(anna))
	require.Equal(t, r.string("createChat.otherChat.id"), again.string("createChat.chat.id"))
	require.Equal(t, chatOfAnna, again.string("createChat.otherChat.id"))

	const send = `mutation($c: ID!, $text: String!) { createChatMessage(chatId: $c, content: $text, clientMessageId: "one") {
		chatMessage { id message { id content sender { username } date editedAt readAt clientMessageId } chat { id unreadCount lastMessage { message { content } } } } } }`
	r = w.run(anna, send, "c", chatOfAnna, "text", "Hello")
	require.Equal(t, "Hello", r.string("createChatMessage.chatMessage.message.content"))
	require.Equal(t, "anna", r.string("createChatMessage.chatMessage.message.sender.username"))
	require.Equal(t, "one", r.string("createChatMessage.chatMessage.message.clientMessageId"))
	require.Nil(t, r.at("createChatMessage.chatMessage.message.editedAt"))
	require.Equal(t, chatOfAnna, r.string("createChatMessage.chatMessage.chat.id"))
	require.Equal(t, "Hello", r.string("createChatMessage.chatMessage.chat.lastMessage.message.content"))
	mine := r.string("createChatMessage.chatMessage.id")
	require.Equal(t, mine, w.run(anna, send, "c", chatOfAnna, "text", "Hello").string("createChatMessage.chatMessage.id"))
	w.run(anna, send, "c", chatOfAnna, "text", "Another").refused(codeConflict)

	r = w.run(bert, `{ chats { nodes { unreadCount lastMessage { id message { content } } } } notifications { nodes { id isRead readAt receiver { username } message { content sender { username } } } } }`)
	require.EqualValues(t, 1, r.at("chats.nodes.0.unreadCount"))
	require.Equal(t, "bert", r.string("notifications.nodes.0.receiver.username"))
	require.Equal(t, "anna", r.string("notifications.nodes.0.message.sender.username"))
	require.Equal(t, false, r.at("notifications.nodes.0.isRead"))
	theirs, notice := r.string("chats.nodes.0.lastMessage.id"), r.string("notifications.nodes.0.id")
	require.NotEqual(t, mine, theirs)

	r = w.run(anna, `mutation($m: ID!) { updateChatMessage(chatMessageId: $m, content: "Hello!") { chatMessage { id message { content editedAt } } } }`, "m", mine)
	require.Equal(t, "Hello!", r.string("updateChatMessage.chatMessage.message.content"))
	require.Regexp(t, aMoment, r.string("updateChatMessage.chatMessage.message.editedAt"))

	r = w.run(bert, `mutation($m: ID!) { setChatMessageAsRead(chatMessageId: $m) { chatMessage { id message { readAt } chat { unreadCount } } } }`, "m", theirs)
	require.Regexp(t, aMoment, r.string("setChatMessageAsRead.chatMessage.message.readAt"))
	require.EqualValues(t, 0, r.at("setChatMessageAsRead.chatMessage.chat.unreadCount"))
	require.Equal(t, theirs, r.string("setChatMessageAsRead.chatMessage.id"))

	r = w.run(bert, `mutation($n: ID!) { setNotificationRead(notificationId: $n) { notification { id isRead readAt } } }`, "n", notice)
	require.Equal(t, notice, r.string("setNotificationRead.notification.id"))
	require.Equal(t, true, r.at("setNotificationRead.notification.isRead"))
	require.Regexp(t, aMoment, r.string("setNotificationRead.notification.readAt"))
	require.Empty(t, w.run(bert, `{ notifications(isRead: false) { nodes { id } } }`).at("notifications.nodes"))
	require.EqualValues(t, 1, w.run(bert, `{ notifications(isRead: true) { totalCount } }`).at("notifications.totalCount"))

	for _, name := range []string{"setArchiveChat", "setChatArchived"} {
		r = w.run(bert, `mutation($c: ID!) { on: `+name+`(chatId: $c, archived: true) { chat { id archived } } off: `+name+`(chatId: $c, archived: false) { chat { archived } } }`, "c", again.string("createChat.chat.id"))
		require.Equal(t, true, r.at("on.chat.archived"))
		require.Equal(t, false, r.at("off.chat.archived"))
	}
	require.Equal(t, true, w.run(bert, `mutation($m: ID!) { deleteChatMessage(chatMessageId: $m) { success } }`, "m", theirs).at("deleteChatMessage.success"))
	require.EqualValues(t, 0, w.run(bert, `{ chats { nodes { chatMessages { totalCount } } } }`).at("chats.nodes.0.chatMessages.totalCount"))
	require.EqualValues(t, 1, w.run(anna, `{ chats { nodes { chatMessages { totalCount } } } }`).at("chats.nodes.0.chatMessages.totalCount"))
	require.Equal(t, true, w.run(anna, `mutation($m: ID!) { unsendChatMessage(chatMessageId: $m) { success } }`, "m", mine).at("unsendChatMessage.success"))
	w.run(anna, send, "c", chatOfAnna, "text", "Hello!").refused(codeConflict)
	require.Equal(t, true, w.run(anna, `mutation($c: ID!) { deleteChat(chatId: $c) { success } }`, "c", chatOfAnna).at("deleteChat.success"))
	require.EqualValues(t, 1, w.run(anna, `{ chats { totalCount } }`).at("chats.totalCount"))
}

func TestAChatWithOneselfIsOneChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna := w.register("anna")
	r := w.run(anna, `mutation { createSelfChat { chat { id user { username } otherUser { username } } } }`)
	require.Equal(t, "anna", r.string("createSelfChat.chat.otherUser.username"))
	again := w.run(anna, `mutation($u: ID!) { createChat(otherUserId: $u) { chat { id } otherChat { id } } }`, "u", userID(anna))
	require.Equal(t, r.string("createSelfChat.chat.id"), again.string("createChat.chat.id"))
	require.Equal(t, r.string("createSelfChat.chat.id"), again.string("createChat.otherChat.id"))
}

func TestAGroupIsMadeJoinedLedAndLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, bert, cleo := w.register("anna"), w.register("bert"), w.register("cleo")
	r := w.run(anna, `mutation { createGroup(title: " Climbing ", description: "On Saturdays") { userGroup { id title description groupImage membersCount createdBy { username } updatedAt members { nodes { isAdmin user { username } } } }
		groupCopy { id isArchived unreadCount lastMessage { id } member { id isAdmin joinedAt user { username } group { id } userGroup { id } member { username } } } } }`)
	require.Equal(t, "Climbing", r.string("createGroup.userGroup.title"))
	require.Equal(t, "anna", r.string("createGroup.userGroup.createdBy.username"))
	require.EqualValues(t, 1, r.at("createGroup.userGroup.membersCount"))
	require.Equal(t, true, r.at("createGroup.userGroup.members.nodes.0.isAdmin"))
	require.Equal(t, "anna", r.string("createGroup.groupCopy.member.member.username"))
	require.Equal(t, r.string("createGroup.userGroup.id"), r.string("createGroup.groupCopy.member.userGroup.id"))
	copyOfAnna, memberAnna := r.string("createGroup.groupCopy.id"), r.string("createGroup.groupCopy.member.id")

	const add = `mutation($c: ID!, $u: ID!) { createGroupMember(groupCopyId: $c, memberId: $u) { groupMember { id isAdmin user { username } group { membersCount } } } }`
	r = w.run(anna, add, "c", copyOfAnna, "u", userID(bert))
	require.Equal(t, "bert", r.string("createGroupMember.groupMember.user.username"))
	require.EqualValues(t, 2, r.at("createGroupMember.groupMember.group.membersCount"))
	memberBert := r.string("createGroupMember.groupMember.id")
	w.run(anna, add, "c", copyOfAnna, "u", userID(bert)).refused(codeConflict)
	memberCleo := w.run(anna, add, "c", copyOfAnna, "u", userID(cleo)).string("createGroupMember.groupMember.id")
	copyOfBert := w.run(bert, `{ groups { nodes { id } } }`).string("groups.nodes.0.id")
	require.NotEqual(t, copyOfAnna, copyOfBert)

	const change = `mutation($c: ID!, $m: ID!, $a: Boolean!) { changeAdmin(groupCopyId: $c, memberId: $m, isAdmin: $a) { groupMember { id isAdmin } } }`
	w.run(anna, change, "c", copyOfAnna, "m", memberAnna, "a", false).refused(codeConflict)
	require.Equal(t, true, w.run(anna, change, "c", copyOfAnna, "m", memberBert, "a", true).at("changeAdmin.groupMember.isAdmin"))
	require.Equal(t, false, w.run(bert, change, "c", copyOfBert, "m", memberAnna, "a", false).at("changeAdmin.groupMember.isAdmin"))

	r = w.run(bert, `mutation($c: ID!) { updateGroup(groupCopyId: $c, title: "Bouldering", description: null, groupImage: "https://example.com/a.png") { groupCopy { id member { group { title description groupImage } } } } }`, "c", copyOfBert)
	require.Equal(t, copyOfBert, r.string("updateGroup.groupCopy.id"))
	require.Equal(t, map[string]any{"title": "Bouldering", "description": "On Saturdays", "groupImage": "https://example.com/a.png"}, r.at("updateGroup.groupCopy.member.group"))
	r = w.run(bert, `mutation($c: ID!) { updateGroup(groupCopyId: $c, description: "", groupImage: "") { groupCopy { member { group { title description groupImage } } } } }`, "c", copyOfBert)
	require.Equal(t, map[string]any{"title": "Bouldering", "description": "", "groupImage": nil}, r.at("updateGroup.groupCopy.member.group"))
	require.Equal(t, true, w.run(bert, `mutation($c: ID!) { setArchiveGroup(groupCopyId: $c, isArchived: true) { groupCopy { isArchived } } }`, "c", copyOfBert).at("setArchiveGroup.groupCopy.isArchived"))
	require.EqualValues(t, 1, w.run(bert, `{ groups(isArchived: true) { totalCount } }`).at("groups.totalCount"))

	require.Equal(t, true, w.run(bert, `mutation($c: ID!, $m: ID!) { removeGroupMember(groupCopyId: $c, memberId: $m) { success } }`, "c", copyOfBert, "m", memberCleo).at("removeGroupMember.success"))
	require.EqualValues(t, 0, w.run(cleo, `{ groups { totalCount } }`).at("groups.totalCount"))
	require.Equal(t, true, w.run(bert, `mutation($c: ID!) { leaveGroup(groupCopyId: $c) { success } }`, "c", copyOfBert).at("leaveGroup.success"))
	r = w.run(anna, `query($c: ID!) { group(id: $c) { member { isAdmin group { membersCount } } } }`, "c", copyOfAnna)
	require.Equal(t, true, r.at("group.member.isAdmin"))
	require.EqualValues(t, 1, r.at("group.member.group.membersCount"))
	require.Equal(t, true, w.run(anna, `mutation($c: ID!) { removeGroupPermanently(groupCopyId: $c) { success } }`, "c", copyOfAnna).at("removeGroupPermanently.success"))
	require.EqualValues(t, 0, w.run(anna, `{ groups { totalCount } }`).at("groups.totalCount"))
}

func TestAMessageOfAGroupIsSentChangedReadAndUnsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, bert, cleo := w.register("anna"), w.register("bert"), w.register("cleo")
	copies := w.group("the group", anna, bert, cleo)
	r := w.run(anna, `mutation($c: ID!) { createGroupMessage(groupCopyId: $c, content: "one", clientMessageId: "1") {
		message { id message { content clientMessageId } groupCopy { id lastMessage { id } } group_copy { id unreadCount } readBy { totalCount } } groupMessage { id readBy { nodes { id } } } } }`, "c", groupCopyID(copies[0].ID))
	mine := r.string("createGroupMessage.message.id")
	require.Equal(t, mine, r.string("createGroupMessage.groupMessage.id"))
	require.Equal(t, mine, r.string("createGroupMessage.message.groupCopy.lastMessage.id"))
	require.Equal(t, groupCopyID(copies[0].ID), r.string("createGroupMessage.message.group_copy.id"))
	require.Equal(t, "1", r.string("createGroupMessage.message.message.clientMessageId"))
	require.EqualValues(t, 0, r.at("createGroupMessage.message.readBy.totalCount"))

	theirs := w.run(bert, `{ groups { nodes { unreadCount lastMessage { id } } } }`)
	require.EqualValues(t, 1, theirs.at("groups.nodes.0.unreadCount"))
	r = w.run(bert, `mutation($m: ID!) { setGroupMessageAsRead(groupMessageId: $m) { groupMessage { id message { readAt } groupCopy { unreadCount } readBy { totalCount nodes { user { username } } } } } }`, "m", theirs.string("groups.nodes.0.lastMessage.id"))
	require.Nil(t, r.at("setGroupMessageAsRead.groupMessage.message.readAt"))
	require.EqualValues(t, 0, r.at("setGroupMessageAsRead.groupMessage.groupCopy.unreadCount"))
	require.Equal(t, []string{"bert"}, r.list("setGroupMessageAsRead.groupMessage.readBy.nodes", "user.username"))
	ofCleo := w.run(cleo, `{ groups { nodes { lastMessage { id } } } }`).string("groups.nodes.0.lastMessage.id")
	r = w.run(cleo, `mutation($m: ID!) { setGroupMessageAsRead(groupMessageId: $m) { groupMessage { message { readAt } } } }`, "m", ofCleo)
	require.Regexp(t, aMoment, r.string("setGroupMessageAsRead.groupMessage.message.readAt"))

	r = w.run(anna, `mutation($m: ID!) { updateGroupMessage(groupMessageId: $m, content: "two") { groupMessage { id message { content editedAt } } } }`, "m", mine)
	require.Equal(t, "two", r.string("updateGroupMessage.groupMessage.message.content"))
	require.Regexp(t, aMoment, r.string("updateGroupMessage.groupMessage.message.editedAt"))
	require.Equal(t, true, w.run(cleo, `mutation($m: ID!) { deleteGroupMessage(groupMessageId: $m) { success } }`, "m", ofCleo).at("deleteGroupMessage.success"))
	require.Nil(t, w.run(cleo, `{ groups { nodes { lastMessage { id } } } }`).at("groups.nodes.0.lastMessage"))
	require.Equal(t, true, w.run(bert, `mutation($c: ID!) { deleteGroup(groupCopyId: $c) { success } }`, "c", groupCopyID(copies[1].ID)).at("deleteGroup.success"))
	require.EqualValues(t, 0, w.run(bert, `{ groups { nodes { groupMessages { totalCount } } } }`).at("groups.nodes.0.groupMessages.totalCount"))
	require.Equal(t, true, w.run(anna, `mutation($m: ID!) { unsendGroupMessage(groupMessageId: $m) { success } }`, "m", mine).at("unsendGroupMessage.success"))
	w.run(anna, `query($m: ID!) { node(id: $m) { id } }`, "m", mine).refused(codeNotFound)
}

// newcomer are valid arguments of createUser. Test cases replace some of them.
const newcomer = `mutation { createUser(username: "newcomer", email: "new@example.com", password: "correct-horse-battery", firstName: "New", lastName: "Comer", phoneNumber: {number: "99999999", countryCode: "1"}) { user { id } } }`

func TestEveryRefusalHasItsCodeAndNamesItsArgument(t *testing.T) {
	t.Parallel()
	register := func(old, new string) string { return strings.Replace(newcomer, old, new, 1) }
	long := func(n int) string { return strings.Repeat("é", n) }
	for name, c := range map[string]struct{ document, want string }{
		"a short username":             {register(`"newcomer"`, `"abc"`), "BAD_USER_INPUT username"},
		"a bad email":                  {register(`new@example.com`, `new`), "BAD_USER_INPUT email"},
		"an email without a dot":       {register(`new@example.com`, `new@localhost`), "BAD_USER_INPUT email"},
		"a name of nothing to see":     {register(`"New"`, `"\u200b\u3164"`), "BAD_USER_INPUT firstName"},
		"a name that turns the text":   {register(`Comer`, `\u202eremoC`), "BAD_USER_INPUT lastName"},
		"a short password":             {register(`correct-horse-battery`, `hx7!f`), "BAD_USER_INPUT password"},
		"a guessable password":         {register(`correct-horse-battery`, `password1`), "BAD_USER_INPUT password"},
		"a short first name":           {register(`"New"`, `"N"`), "BAD_USER_INPUT firstName"},
		"a long last name":             {register(`Comer`, long(151)), "BAD_USER_INPUT lastName"},
		"a short phone number":         {register(`99999999`, `9`), "BAD_USER_INPUT phoneNumber.number"},
		"a long country code":          {register(`countryCode: "1"`, `countryCode: "+12345"`), "BAD_USER_INPUT phoneNumber.countryCode"},
		"a username that is taken":     {register(`"newcomer"`, `"CREATOR"`), "CONFLICT"},
		"an email that is taken":       {register(`new@example.com`, `Creator@Example.com`), "CONFLICT"},
		"a phone number that is taken": {register(`number: "99999999", countryCode: "1"`, `number: "$number", countryCode: "44"`), "CONFLICT"},

		"a wrong password at login":  {`mutation { login(username: "creator", password: "wrong") { token } }`, "UNAUTHENTICATED"},
		"a wrong name at login":      {`mutation { login(username: "who-is-that", password: "wrong") { token } }`, "UNAUTHENTICATED"},
		"no refresh token":           {`mutation { refreshToken { token } }`, "BAD_USER_INPUT refreshToken"},
		"null as a refresh token":    {`mutation { refreshToken(refreshToken: null) { token } }`, "BAD_USER_INPUT refreshToken"},
		"a bad refresh token":        {`mutation { refreshToken(refreshToken: "bad") { token } }`, "UNAUTHENTICATED"},
		"no token to verify":         {`mutation { verifyToken { payload } }`, "BAD_USER_INPUT token"},
		"a bad token to verify":      {`mutation { verifyToken(token: "bad") { payload } }`, "UNAUTHENTICATED"},
		"no refresh token to revoke": {`mutation { revokeToken { revoked } }`, "BAD_USER_INPUT refreshToken"},
		"a bad one to revoke":        {`mutation { revokeToken(refreshToken: "bad") { revoked } }`, "UNAUTHENTICATED"},

		"a short first name in an update":    {`mutation { updateUser(firstName: "x") { user { id } } }`, "BAD_USER_INPUT firstName"},
		"an empty last name":                 {`mutation { updateUser(lastName: "") { user { id } } }`, "BAD_USER_INPUT lastName"},
		"a long bio":                         {`mutation { updateUser(bio: "` + long(501) + `") { user { id } } }`, "BAD_USER_INPUT bio"},
		"a picture that is a script":         {`mutation { updateUser(profilePicture: "javascript:alert(1)") { user { id } } }`, "BAD_USER_INPUT profilePicture"},
		"a wrong old password":               {`mutation { changePassword(oldPassword: "wrong", newPassword: "staple-battery-horse") { user { id } } }`, "BAD_USER_INPUT oldPassword"},
		"a bad new password":                 {`mutation { changePassword(oldPassword: "correct-horse-battery", newPassword: "short") { user { id } } }`, "BAD_USER_INPUT newPassword"},
		"a wrong password for deletion":      {`mutation { deleteUser(password: "wrong") { userId } }`, "BAD_USER_INPUT password"},
		"another short phone number":         {`mutation { addPhoneNumber(number: "1", countryCode: "1") { phoneNumber { id } } }`, "BAD_USER_INPUT number"},
		"another bad country code":           {`mutation { addPhoneNumber(number: "12345678", countryCode: "x") { phoneNumber { id } } }`, "BAD_USER_INPUT countryCode"},
		"another phone number that is taken": {`mutation { addPhoneNumber(number: "$number", countryCode: "+44") { phoneNumber { id } } }`, "CONFLICT"},

		"an empty message":                {`mutation { createChatMessage(chatId: "$ownChat", content: "") { chatMessage { id } } }`, "BAD_USER_INPUT content"},
		"a message of white space":        {`mutation { createChatMessage(chatId: "$ownChat", content: " \t ") { chatMessage { id } } }`, "BAD_USER_INPUT content"},
		"a long message":                  {`mutation { createChatMessage(chatId: "$ownChat", content: "` + long(10_001) + `") { chatMessage { id } } }`, "BAD_USER_INPUT content"},
		"a message with NUL":              {`mutation { createChatMessage(chatId: "$ownChat", content: "a\u0000b") { chatMessage { id } } }`, "BAD_USER_INPUT content"},
		"a long clientMessageId":          {`mutation { createChatMessage(chatId: "$ownChat", content: "x", clientMessageId: "` + long(129) + `") { chatMessage { id } } }`, "BAD_USER_INPUT clientMessageId"},
		"an empty edit":                   {`mutation { updateChatMessage(chatMessageId: "$ownChatMessage", content: "") { chatMessage { id } } }`, "BAD_USER_INPUT content"},
		"an empty message to a group":     {`mutation { createGroupMessage(groupCopyId: "$ownCopy", content: "") { message { id } } }`, "BAD_USER_INPUT content"},
		"a long id in a group":            {`mutation { createGroupMessage(groupCopyId: "$ownCopy", content: "x", clientMessageId: "` + long(129) + `") { message { id } } }`, "BAD_USER_INPUT clientMessageId"},
		"a long edit in a group":          {`mutation { updateGroupMessage(groupMessageId: "$ownGroupMessage", content: "` + long(10_001) + `") { groupMessage { id } } }`, "BAD_USER_INPUT content"},
		"a short title":                   {`mutation { createGroup(title: "x") { userGroup { id } } }`, "BAD_USER_INPUT title"},
		"a long title":                    {`mutation { createGroup(title: "` + long(101) + `") { userGroup { id } } }`, "BAD_USER_INPUT title"},
		"a title of nothing to see":       {`mutation { createGroup(title: "\u200b\u200b") { userGroup { id } } }`, "BAD_USER_INPUT title"},
		"a description of a bell":         {`mutation { createGroup(title: "xx", description: "\u0007") { userGroup { id } } }`, "BAD_USER_INPUT description"},
		"a long description":              {`mutation { createGroup(title: "xx", description: "` + long(2001) + `") { userGroup { id } } }`, "BAD_USER_INPUT description"},
		"a short title in an update":      {`mutation { updateGroup(groupCopyId: "$ownCopy", title: "") { groupCopy { id } } }`, "BAD_USER_INPUT title"},
		"a long description in an update": {`mutation { updateGroup(groupCopyId: "$ownCopy", description: "` + long(2001) + `") { groupCopy { id } } }`, "BAD_USER_INPUT description"},
		"an image that is a script":       {`mutation { updateGroup(groupCopyId: "$ownCopy", groupImage: "javascript:alert(1)") { groupCopy { id } } }`, "BAD_USER_INPUT groupImage"},
		"a member who is there already":   {`mutation { createGroupMember(groupCopyId: "$ownCopy", memberId: "$member") { groupMember { id } } }`, "CONFLICT"},
		"an empty search":                 {`{ users(search: "") { totalCount } }`, "BAD_USER_INPUT search"},
		"a search of one character":       {`{ users(search: "   a \n") { totalCount } }`, "BAD_USER_INPUT search"},
		"a search of too many words":      {`{ users(search: "` + strings.Repeat("ab ", 21) + `") { totalCount } }`, "BAD_USER_INPUT search"},
		"a filter with NUL":               {`{ users(search: "\u0000") { totalCount } }`, "BAD_USER_INPUT search"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			phones, err := s.app.Users.Phones(t.Context(), s.users["creator"])
			require.NoError(t, err)
			names := s.names("creator")
			names["$number"] = phones[s.users["creator"]][0].Number
			names["$member"] = userID(s.users["member"])
			before := s.everything()
			s.run(s.users["creator"], fillIn(c.document, names)).refused(c.want)
			require.Equal(t, before, s.everything())
		})
	}
}

func TestAHostWithItsOwnUsersHasNoAccountsHere(t *testing.T) {
	t.Parallel()
	joined := time.Date(2020, 2, 3, 4, 5, 6, 789_012_345, time.FixedZone("", 3600))
	directory := hostDirectory{
		"a:1": {ID: "a:1", Username: "Anna", FirstName: "A", Joined: joined},
		"ü/😀": {ID: "ü/😀", Username: "Bert"},
	}
	w := newWorldOn(t, newWorld(t).store, directory)
	for _, document := range []string{
		newcomer,
		`mutation { login(username: "a", password: "b") { token } }`, `mutation { refreshToken(refreshToken: "x") { token } }`,
		`mutation { verifyToken(token: "x") { payload } }`, `mutation { revokeToken(refreshToken: "x") { revoked } }`,
		`mutation { updateUser(bio: "x") { user { id } } }`, `mutation { changePassword(oldPassword: "a", newPassword: "b") { user { id } } }`,
		`mutation { deleteUser(password: "x") { userId } }`, `mutation { addPhoneNumber(number: "12345678", countryCode: "1") { phoneNumber { id } } }`,
		`mutation { removePhoneNumber(phoneId: "x") { success } }`,
	} {
		for _, as := range []user.ID{noLogin, "a:1"} {
			r := w.run(as, document)
			r.refused(codeForbidden)
			require.Equal(t, "this application manages its own users", r.errors[0].Message)
		}
	}
	r := w.run("a:1", `mutation($u: ID!) { createChat(otherUserId: $u) { chat { user { username dateJoined } otherUser { id username } } } }`, "u", userID("ü/😀"))
	require.Equal(t, "Bert", r.string("createChat.chat.otherUser.username"))
	require.Equal(t, "2020-02-03T03:05:06.789012Z", r.string("createChat.chat.user.dateJoined"))
	require.Equal(t, userID("ü/😀"), r.string("createChat.chat.otherUser.id"))

	r = w.run("a:1", `{ me { username email phoneNumbers { id } chats { totalCount } } users { totalCount nodes { id } pageInfo { hasNextPage startCursor } } }`)
	require.Equal(t, "Anna", r.string("me.username"))
	require.Nil(t, r.at("me.email"))
	require.Empty(t, r.at("me.phoneNumbers"))
	require.EqualValues(t, 1, r.at("me.chats.totalCount"))
	require.Empty(t, r.at("users.nodes"))
	w.run("a:1", `query($id: ID!) { node(id: $id) { id } }`, "id", phoneID(1)).refused(codeNotFound)

	// A user that the directory no longer knows is shown, but cannot be queried.
	delete(directory, "ü/😀")
	r = w.run("a:1", `{ chats { nodes { otherUser { id username firstName lastName bio profilePicture } } } }`)
	require.Equal(t, map[string]any{"id": userID("ü/😀"), "username": "", "firstName": "", "lastName": "", "bio": "", "profilePicture": nil}, r.at("chats.nodes.0.otherUser"))
	w.run("a:1", `query($id: ID!) { user(id: $id) { id } }`, "id", userID("ü/😀")).refused(codeNotFound)
}
