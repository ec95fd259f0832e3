package graphqlapi

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// byID has every argument that is an id, as $id, with the type of id that it accepts.
var byID = []struct{ typ, document string }{
	{typeChat, `query($id: ID!) { chat(id: $id) { id } }`},
	{typeGroupCopy, `query($id: ID!) { group(id: $id) { id } }`},
	{typeUser, `query($id: ID!) { user(id: $id) { id } }`},
	{"Node", `query($id: ID!) { node(id: $id) { id } }`},
	{typePhone, `mutation($id: ID!) { removePhoneNumber(phoneId: $id) { success } }`},
	{typeUser, `mutation($id: ID!) { createChat(otherUserId: $id) { chat { id } } }`},
	{typeChat, `mutation($id: ID!) { createChatMessage(chatId: $id, content: "x") { chatMessage { id } } }`},
	{typeChatMessage, `mutation($id: ID!) { updateChatMessage(chatMessageId: $id, content: "x") { chatMessage { id } } }`},
	{typeChatMessage, `mutation($id: ID!) { deleteChatMessage(chatMessageId: $id) { success } }`},
	{typeChatMessage, `mutation($id: ID!) { unsendChatMessage(chatMessageId: $id) { success } }`},
	{typeChatMessage, `mutation($id: ID!) { setChatMessageAsRead(chatMessageId: $id) { chatMessage { id } } }`},
	{typeChat, `mutation($id: ID!) { deleteChat(chatId: $id) { success } }`},
	{typeChat, `mutation($id: ID!) { setArchiveChat(chatId: $id, archived: true) { chat { id } } }`},
	{typeChat, `mutation($id: ID!) { setChatArchived(chatId: $id, archived: true) { chat { id } } }`},
	{typeGroupCopy, `mutation($id: ID!) { createGroupMessage(groupCopyId: $id, content: "x") { message { id } } }`},
	{typeGroupCopy, `mutation($id: ID!) { createGroupMember(groupCopyId: $id, memberId: "$stranger") { groupMember { id } } }`},
	{typeUser, `mutation($id: ID!) { createGroupMember(groupCopyId: "$ownCopy", memberId: $id) { groupMember { id } } }`},
	{typeGroupCopy, `mutation($id: ID!) { changeAdmin(groupCopyId: $id, memberId: "$theMember", isAdmin: true) { groupMember { id } } }`},
	{typeMember, `mutation($id: ID!) { changeAdmin(groupCopyId: "$ownCopy", memberId: $id, isAdmin: true) { groupMember { id } } }`},
	{typeGroupCopy, `mutation($id: ID!) { updateGroup(groupCopyId: $id, title: "new") { groupCopy { id } } }`},
	{typeGroupCopy, `mutation($id: ID!) { deleteGroup(groupCopyId: $id) { success } }`},
	{typeGroupMessage, `mutation($id: ID!) { updateGroupMessage(groupMessageId: $id, content: "x") { groupMessage { id } } }`},
	{typeGroupMessage, `mutation($id: ID!) { deleteGroupMessage(groupMessageId: $id) { success } }`},
	{typeGroupMessage, `mutation($id: ID!) { unsendGroupMessage(groupMessageId: $id) { success } }`},
	{typeGroupCopy, `mutation($id: ID!) { removeGroupMember(groupCopyId: $id, memberId: "$theMember") { success } }`},
	{typeMember, `mutation($id: ID!) { removeGroupMember(groupCopyId: "$ownCopy", memberId: $id) { success } }`},
	{typeGroupCopy, `mutation($id: ID!) { leaveGroup(groupCopyId: $id) { success } }`},
	{typeGroupCopy, `mutation($id: ID!) { removeGroupPermanently(groupCopyId: $id) { success } }`},
	{typeGroupCopy, `mutation($id: ID!) { setArchiveGroup(groupCopyId: $id, isArchived: true) { groupCopy { id } } }`},
	{typeGroupMessage, `mutation($id: ID!) { setGroupMessageAsRead(groupMessageId: $id) { groupMessage { id } } }`},
	{typeNotification, `mutation($id: ID!) { setNotificationRead(notificationId: $id) { notification { id } } }`},
}

func TestEveryIDArgumentIsTested(t *testing.T) {
	t.Parallel()
	type argument struct{ field, name string }
	tried := map[argument]bool{}
	for _, c := range byID {
		doc, err := parser.ParseQuery(&ast.Source{Input: c.document})
		require.NoError(t, err)
		f := doc.Operations[0].SelectionSet[0].(*ast.Field)
		for _, a := range f.Arguments {
			if a.Value.Kind == ast.Variable {
				tried[argument{f.Name, a.Name}] = true
			}
		}
	}
	schema := parseSchema(t, "served", schemaSDL)
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation} {
		for _, f := range root.Fields {
			for _, a := range f.Arguments {
				if a.Type.Name() == "ID" {
					require.True(t, tried[argument{f.Name, a.Name}], "%s(%s)", f.Name, a.Name)
				}
			}
		}
	}
}

// gone deletes everything that can be deleted, and returns the ids that the creator could use
// before.
func (s *scene) gone() map[string]string {
	s.t.Helper()
	ctx := s.t.Context()
	creator := s.users["creator"]
	did := func(err error) { s.t.Helper(); require.NoError(s.t, err) }
	gone := map[string]string{}

	unsent := s.send(s.chats["creator"].Copy(), "unsent")
	did(s.app.Chats.Unsend(ctx, creator, s.chats["creator"].ID, unsent.ID))
	gone["an unsent message of a chat"] = chatMessageID(s.chats["creator"].ID, unsent.ID)
	gone["an unsent message"] = messageID(unsent.ID)

	deleted := s.send(s.chats["participant"].Copy(), "deleted")
	did(s.app.Chats.DeleteMessage(ctx, creator, s.chats["creator"].ID, deleted.ID))
	gone["a deleted message of a chat"] = chatMessageID(s.chats["creator"].ID, deleted.ID)
	gone["a deleted message"] = messageID(deleted.ID)
	gone["the notification of a deleted message"] = notificationID(s.chats["creator"].Copy(), deleted.ID)
	gone["a notification of one's own message"] = notificationID(s.chats["creator"].Copy(), s.byCreator.ID)

	self, _ := s.open(creator, creator)
	cleared := s.send(self.Copy(), "cleared")
	did(s.app.Chats.Clear(ctx, creator, self.ID))
	gone["a cleared message"] = chatMessageID(self.ID, cleared.ID)

	erased := s.register("erased")
	withErased, _ := s.open(creator, erased)
	left := s.group("left", creator, erased, s.users["stranger"])
	byErased := s.send(left[1].Copy(), "erased")
	inLeft := s.send(left[0].Copy(), "in a group that is left")
	did(s.app.Erase(ctx, erased))
	gone["an erased user"] = userID(erased)
	gone["a chat with an erased user"] = chatID(withErased.ID)
	gone["an erased member"] = memberID(left[1].ID)
	gone["a message of an erased user"] = groupMessageID(left[0].ID, byErased.ID)
	did(s.app.Groups.Leave(ctx, creator, left[0].ID))
	gone["a copy of a group that was left"] = groupCopyID(left[0].ID)
	gone["a group that was left"] = groupID(left[0].Group)
	gone["a message of a group that was left"] = groupMessageID(left[0].ID, inLeft.ID)
	gone["a member of a group that was left"] = memberID(left[2].ID)
	gone["one's own membership that ended"] = memberID(left[0].ID)

	removed := s.group("removed", creator, s.users["stranger"])
	did(s.app.Groups.RemovePermanently(ctx, creator, removed[0].ID))
	gone["a copy of a removed group"] = groupCopyID(removed[0].ID)
	gone["a removed group"] = groupID(removed[0].Group)

	phone, err := s.app.Users.AddPhone(ctx, creator, user.Phone{Number: "87654321", CountryCode: "1"})
	did(err)
	did(s.app.Users.RemovePhone(ctx, creator, phone.ID))
	gone["a removed phone number"] = phoneID(phone.ID)
	return gone
}

// foreign returns ids of objects of other users, and of objects that never existed.
func (s *scene) foreign() map[string]string {
	creator, participant, member := s.chats["creator"], s.chats["participant"], s.copies["member"]
	othersChat, _ := s.open(s.users["stranger"], s.users["outsider"])
	secret := s.send(othersChat.Copy(), "between others")
	othersGroup := s.group("of others", s.users["stranger"], s.users["outsider"])
	phones, err := s.app.Users.Phones(s.t.Context(), s.users["member"])
	require.NoError(s.t, err)
	return map[string]string{
		"another's copy of the chat":                       chatID(participant.ID),
		"another's copy of a message":                      chatMessageID(participant.ID, s.byCreator.ID),
		"another's copy of the group":                      groupCopyID(member.ID),
		"another's copy of a message of a group":           groupMessageID(member.ID, s.inGroup.ID),
		"another's notification":                           notificationID(participant.Copy(), s.byCreator.ID),
		"another's phone number":                           phoneID(phones[s.users["member"]][0].ID),
		"a chat of others":                                 chatID(othersChat.ID),
		"a message of others":                              messageID(secret.ID),
		"a message of others in one's own chat":            chatMessageID(creator.ID, secret.ID),
		"a group of others":                                groupID(othersGroup[0].Group),
		"a member of a group of others":                    memberID(othersGroup[1].ID),
		"a copy of a group of others":                      groupCopyID(othersGroup[0].ID),
		"a message of a group in a chat":                   chatMessageID(creator.ID, s.inGroup.ID),
		"a message of a chat in a group":                   groupMessageID(s.copies["creator"].ID, s.byCreator.ID),
		"a chat as a copy of a group":                      groupCopyID(creator.ID),
		"a copy of a group as a chat":                      chatID(s.copies["creator"].ID),
		"a copy of a group as that of a message of a chat": chatMessageID(s.copies["creator"].ID, s.inGroup.ID),
		"a notification by the wrong kind":                 notificationID(chat.Copy{Kind: chat.Group, ID: creator.ID}, s.byParticipant.ID),
		"no user":                                          userID("999999"),
		"no user at all":                                   userID("nobody"),
		"no chat":                                          chatID(999_999),
		"no message":                                       messageID(999_999),
		"no message of the chat":                           chatMessageID(creator.ID, 999_999),
		"no phone number":                                  phoneID(999_999),
		"no group":                                         groupID(999_999),
		"no member":                                        memberID(999_999),
		"no copy":                                          groupCopyID(999_999),
		"no message of the group":                          groupMessageID(s.copies["creator"].ID, 999_999),
		"no notification":                                  notificationID(creator.Copy(), 999_999),
	}
}

func TestMissingAndForbiddenObjectsGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	ids := s.gone()
	maps.Copy(ids, s.foreign())
	for i, id := range garbage() {
		ids["garbage "+jsonText(i)] = id
	}
	before := s.everything()
	names := s.names("creator")
	for _, c := range byID {
		document := fillIn(c.document, names)
		for what, id := range ids {
			r := s.run(s.users["creator"], document, "id", id)
			require.Equal(t, []string{codeNotFound}, r.codes(), "%s with %s: %s", document, what, r.text)
			require.Equal(t, notFound, r.errors[0].Message)
			require.Nil(t, r.in(join(r.errors[0].Path)))
		}
		// Existing objects, with the wrong type.
		for name, id := range names {
			typ, _, err := splitID(id)
			if err != nil || typ == c.typ || c.typ == "Node" {
				continue
			}
			r := s.run(s.users["creator"], document, "id", id)
			require.Equal(t, []string{codeNotFound}, r.codes(), "%s with %s: %s", document, name, r.text)
			require.Equal(t, notFound, r.errors[0].Message)
		}
	}
	require.Equal(t, before, s.everything())
}
