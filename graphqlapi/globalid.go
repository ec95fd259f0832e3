package graphqlapi

import (
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/user"
)

// The functions in this file are for hosts whose own pages refer to objects of the API, for example
// a profile page with a user's id, or a notification email that links to a chat. A global id never
// changes. It grants no access: the API checks the rights of the caller.
//
// The Parse functions return [github.com/buddychat/buddychat/storage.ErrNotFound] if the text is
// not a global id of the type. They do not check that the object exists.

// UserID returns the global id of a user: the id of a CustomUser.
func UserID(id user.ID) string { return userID(id) }

// ParseUserID returns the user with the given global id.
func ParseUserID(global string) (user.ID, error) { return decodeUserID(global) }

// PhoneNumberID returns the global id of the [user.Phone] with the given ID: the id of a
// PhoneNumber.
func PhoneNumberID(id int64) string { return phoneID(id) }

// ParsePhoneNumberID returns the ID of the [user.Phone] with the given global id.
func ParsePhoneNumberID(global string) (int64, error) { return decodeID(typePhone, global) }

// ChatID returns the global id of the [chat.Chat] with the given ID: the id of a Chat. Each of the
// two users has a Chat with its own ID.
func ChatID(id int64) string { return chatID(id) }

// ParseChatID returns the ID of the [chat.Chat] with the given global id.
func ParseChatID(global string) (int64, error) { return decodeID(typeChat, global) }

// GroupID returns the global id of the [github.com/buddychat/buddychat/group.Group] with the given
// ID: the id of a UserGroup. It is the same for all members.
func GroupID(id int64) string { return groupID(id) }

// ParseGroupID returns the ID of the group with the given global id.
func ParseGroupID(global string) (int64, error) { return decodeID(typeGroup, global) }

// MemberID returns the global id of the [github.com/buddychat/buddychat/group.Member] with the
// given ID: the id of a GroupMember.
func MemberID(id int64) string { return memberID(id) }

// ParseMemberID returns the ID of the member with the given global id.
func ParseMemberID(global string) (int64, error) { return decodeID(typeMember, global) }

// GroupCopyID returns the global id of the [github.com/buddychat/buddychat/group.Copy] with the
// given ID, which is also the ID of the member: the id of a UserGroupMemberCopy.
func GroupCopyID(id int64) string { return groupCopyID(id) }

// ParseGroupCopyID returns the ID of the group copy with the given global id.
func ParseGroupCopyID(global string) (int64, error) { return decodeID(typeGroupCopy, global) }

// MessageID returns the global id of the [chat.Message] with the given ID: the id of a Message. It
// is the same for all users who can see the message.
func MessageID(id int64) string { return messageID(id) }

// ParseMessageID returns the ID of the [chat.Message] with the given global id.
func ParseMessageID(global string) (int64, error) { return decodeID(typeMessage, global) }

// MessageCopyID returns the global id of the message with the given ID in a user's copy of the
// conversation: the id of a ChatMessage or of a GroupMessage.
func MessageCopyID(in chat.Copy, message int64) string { return messageCopyID(in, message) }

// ParseMessageCopyID returns the copy and the message ID in the global id of a ChatMessage or of a
// GroupMessage. owner is the user who sent the id. If the copy belongs to another user, the
// services find nothing in it.
func ParseMessageCopyID(global string, owner user.ID) (in chat.Copy, message int64, err error) {
	kind := chat.OneToOne
	if typ, _, err := splitID(global); err == nil && typ == typeGroupMessage {
		kind = chat.Group
	}
	return decodeMessageID(kind, global, owner)
}

// NotificationID returns the global id of the notification about the message with the given ID, in
// the recipient's copy of the conversation: the id of a Notification.
func NotificationID(in chat.Copy, message int64) string { return notificationID(in, message) }

// ParseNotificationID returns the copy and the message ID in the global id of a Notification. owner
// is the user who sent the id.
func ParseNotificationID(global string, owner user.ID) (in chat.Copy, message int64, err error) {
	return decodeNotificationID(global, owner)
}
