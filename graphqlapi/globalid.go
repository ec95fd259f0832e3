package graphqlapi

import (
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// The functions of this file are for a host whose own pages name what the API serves: a profile with the user's id in it, a notification
// mail that links to a chat. A global id is the same for ever. That a user knows one gives them nothing: the API asks who they are.
//
// Those that parse return [github.com/buddychat/buddychat/storage.ErrNotFound] for what is no global id of this type. That there is such a
// user, chat or message is for the services to say.

// UserID returns the global id of a user: the id of a CustomUser.
func UserID(id user.ID) string { return userID(id) }

// ParseUserID returns the user whose global id this is.
func ParseUserID(global string) (user.ID, error) { return decodeUserID(global) }

// PhoneNumberID returns the global id of a [user.Phone]: the id of a PhoneNumber.
func PhoneNumberID(id int64) string { return phoneID(id) }

// ParsePhoneNumberID returns the id of the [user.Phone] whose global id this is.
func ParsePhoneNumberID(global string) (int64, error) { return decodeID(typePhone, global) }

// ChatID returns the global id of a [chat.Chat], by its ID: the id of a Chat. Each of its two users has one of their own.
func ChatID(id int64) string { return chatID(id) }

// ParseChatID returns the ID of the [chat.Chat] whose global id this is.
func ParseChatID(global string) (int64, error) { return decodeID(typeChat, global) }

// GroupID returns the global id of a [github.com/buddychat/buddychat/group.Group], by its ID: the id of a UserGroup. All members have the same.
func GroupID(id int64) string { return groupID(id) }

// ParseGroupID returns the ID of the group whose global id this is.
func ParseGroupID(global string) (int64, error) { return decodeID(typeGroup, global) }

// MemberID returns the global id of a [github.com/buddychat/buddychat/group.Member], by its ID: the id of a GroupMember.
func MemberID(id int64) string { return memberID(id) }

// ParseMemberID returns the ID of the member whose global id this is.
func ParseMemberID(global string) (int64, error) { return decodeID(typeMember, global) }

// GroupCopyID returns the global id of a [github.com/buddychat/buddychat/group.Copy], by its ID, which is that of the member too: the id of a
// UserGroupMemberCopy.
func GroupCopyID(id int64) string { return groupCopyID(id) }

// ParseGroupCopyID returns the ID of the copy of a group whose global id this is.
func ParseGroupCopyID(global string) (int64, error) { return decodeID(typeGroupCopy, global) }

// MessageID returns the global id of a [chat.Message], by its ID: the id of a Message, which all who see it share.
func MessageID(id int64) string { return messageID(id) }

// ParseMessageID returns the ID of the [chat.Message] whose global id this is.
func ParseMessageID(global string) (int64, error) { return decodeID(typeMessage, global) }

// MessageCopyID returns the global id of a message, by its ID, in a user's copy of its conversation: the id of a ChatMessage or of a GroupMessage.
func MessageCopyID(in chat.Copy, message int64) string { return messageCopyID(in, message) }

// ParseMessageCopyID returns the message, and the copy that it is in, of the global id of a ChatMessage or of a GroupMessage. The owner is
// the user who gave the id. The services find nothing in a copy by another owner than its own.
func ParseMessageCopyID(global string, owner user.ID) (in chat.Copy, message int64, err error) {
	kind := chat.OneToOne
	if typ, _, err := splitID(global); err == nil && typ == typeGroupMessage {
		kind = chat.Group
	}
	return decodeMessageID(kind, global, owner)
}

// NotificationID returns the global id of the notification of a message, by its ID, in the copy of the user who gets it: the id of a Notification.
func NotificationID(in chat.Copy, message int64) string { return notificationID(in, message) }

// ParseNotificationID returns the message, and the copy that it is in, of the global id of a Notification. The owner is the user who gave the id.
func ParseNotificationID(global string, owner user.ID) (in chat.Copy, message int64, err error) {
	return decodeNotificationID(global, owner)
}
