package torture

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// mutations lists the mutations of the schema that a client's view must follow. Each chooses its
// variables from what the user sees, and returns false if there is nothing to act on.
var mutations = map[string]struct {
	document string
	choose   func(s *seen) (object, bool)
}{
	"createChatMessage":      {`mutation($of: ID!, $text: String!) { createChatMessage(chatId: $of, content: $text) { chatMessage { id } } }`, ofChat},
	"updateChatMessage":      {`mutation($of: ID!, $text: String!) { updateChatMessage(chatMessageId: $of, content: $text) { chatMessage { id } } }`, ofChatMessage},
	"deleteChatMessage":      {`mutation($of: ID!) { deleteChatMessage(chatMessageId: $of) { success } }`, ofChatMessage},
	"unsendChatMessage":      {`mutation($of: ID!) { unsendChatMessage(chatMessageId: $of) { success } }`, ofChatMessage},
	"setChatMessageAsRead":   {`mutation($of: ID!) { setChatMessageAsRead(chatMessageId: $of) { chatMessage { id } } }`, ofChatMessage},
	"deleteChat":             {`mutation($of: ID!) { deleteChat(chatId: $of) { success } }`, rarely(ofChat)},
	"createGroup":            {`mutation($text: String!) { createGroup(title: $text) { groupCopy { id } } }`, rarely(ofNothing)},
	"createGroupMessage":     {`mutation($of: ID!, $text: String!) { createGroupMessage(groupCopyId: $of, content: $text) { message { id } } }`, ofGroup},
	"createGroupMember":      {`mutation($of: ID!, $user: ID!) { createGroupMember(groupCopyId: $of, memberId: $user) { groupMember { id } } }`, ofGroup},
	"changeAdmin":            {`mutation($of: ID!, $member: ID!, $yes: Boolean!) { changeAdmin(groupCopyId: $of, memberId: $member, isAdmin: $yes) { groupMember { id } } }`, ofGroup},
	"updateGroup":            {`mutation($of: ID!, $text: String!) { updateGroup(groupCopyId: $of, title: $text, description: $text, groupImage: "/image.png") { groupCopy { id } } }`, ofGroup},
	"deleteGroup":            {`mutation($of: ID!) { deleteGroup(groupCopyId: $of) { success } }`, rarely(ofGroup)},
	"updateGroupMessage":     {`mutation($of: ID!, $text: String!) { updateGroupMessage(groupMessageId: $of, content: $text) { groupMessage { id } } }`, ofGroupMessage},
	"deleteGroupMessage":     {`mutation($of: ID!) { deleteGroupMessage(groupMessageId: $of) { success } }`, ofGroupMessage},
	"unsendGroupMessage":     {`mutation($of: ID!) { unsendGroupMessage(groupMessageId: $of) { success } }`, ofGroupMessage},
	"setGroupMessageAsRead":  {`mutation($of: ID!) { setGroupMessageAsRead(groupMessageId: $of) { groupMessage { id } } }`, ofGroupMessage},
	"removeGroupMember":      {`mutation($of: ID!, $member: ID!) { removeGroupMember(groupCopyId: $of, memberId: $member) { success } }`, ofGroup},
	"leaveGroup":             {`mutation($of: ID!) { leaveGroup(groupCopyId: $of) { success } }`, rarely(ofGroup)},
	"removeGroupPermanently": {`mutation($of: ID!) { removeGroupPermanently(groupCopyId: $of) { success } }`, rarely(ofGroup)},
}

// eraseMutation is run once, by the user who is doomed. They may have left groups before.
const eraseMutation = `mutation($password: String!) { deleteUser(password: $password) { userId } }`

// leftOut lists the mutations that change no client's view: those on accounts, those that create
// chats, of which no event tells, and those that set marks.
var leftOut = []string{
	// Accounts.
	"createUser", "login", "refreshToken", "verifyToken", "revokeToken", "updateUser", "changePassword", "addPhoneNumber", "removePhoneNumber",
	// New chats: no event tells of them.
	"createChat", "createSelfChat",
	// Marks.
	"setArchiveChat", "setChatArchived", "setArchiveGroup", "setNotificationRead",
}

// seen is what a user sees and chooses from.
type seen struct {
	*view
	random       *rand.Rand
	others       []string // ids of users
	contentCount int
}

func oneOf[T any](s *seen, from map[string]T) (id string, one T, ok bool) {
	if len(from) == 0 {
		return "", one, false
	}
	ids := make([]string, 0, len(from))
	for id := range from {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	id = ids[s.random.IntN(len(ids))]
	return id, from[id], true
}

func (s *seen) variables(of string) object {
	s.contentCount++
	return object{
		"of": of, "text": fmt.Sprintf("text %d", s.contentCount), "user": s.others[s.random.IntN(len(s.others))], "yes": s.random.IntN(3) > 0,
	}
}

func ofNothing(s *seen) (object, bool) { return s.variables(""), true }

func ofChat(s *seen) (object, bool) {
	id, _, ok := oneOf(s, s.Chats)
	return s.variables(id), ok
}

func ofChatMessage(s *seen) (object, bool) {
	_, in, _ := oneOf(s, s.Chats)
	id, _, ok := oneOf(s, in)
	return s.variables(id), ok
}

func ofGroup(s *seen) (object, bool) {
	id, g, ok := oneOf(s, s.Groups)
	v := s.variables(id)
	if ok {
		v["member"], _, ok = oneOf(s, g.Members)
	}
	return v, ok
}

func ofGroupMessage(s *seen) (object, bool) {
	_, g, ok := oneOf(s, s.Groups)
	if !ok {
		return nil, false
	}
	id, _, ok := oneOf(s, g.Messages)
	return s.variables(id), ok
}

// rarely limits a mutation that empties or ends a copy to one time in five.
func rarely(choose func(*seen) (object, bool)) func(*seen) (object, bool) {
	return func(s *seen) (object, bool) {
		if s.random.IntN(5) > 0 {
			return nil, false
		}
		return choose(s)
	}
}
