package graphqlapi

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// A global id is the type of an object and what names it within the type, in URL-safe base64. To clients it is opaque. A user's copy of a
// message has no row of its own: its id is made of the copy's and the message's, so that each recipient's differs.
const (
	typeUser         = "CustomUser"
	typePhone        = "PhoneNumber"
	typeMessage      = "Message"
	typeChat         = "Chat"
	typeChatMessage  = "ChatMessage"
	typeGroup        = "UserGroup"
	typeMember       = "GroupMember"
	typeGroupCopy    = "UserGroupMemberCopy"
	typeGroupMessage = "GroupMessage"
	typeNotification = "Notification"
)

func userID(u user.ID) string                   { return encodeText(typeUser + ":" + string(u)) }
func phoneID(id int64) string                   { return encodeID(typePhone, id) }
func messageID(id int64) string                 { return encodeID(typeMessage, id) }
func chatID(id int64) string                    { return encodeID(typeChat, id) }
func chatMessageID(copy, message int64) string  { return encodeID(typeChatMessage, copy, message) }
func groupID(id int64) string                   { return encodeID(typeGroup, id) }
func memberID(id int64) string                  { return encodeID(typeMember, id) }
func groupCopyID(id int64) string               { return encodeID(typeGroupCopy, id) }
func groupMessageID(copy, message int64) string { return encodeID(typeGroupMessage, copy, message) }
func notificationID(c chat.Copy, message int64) string {
	return encodeID(typeNotification, int64(c.Kind), c.ID, message)
}

// copyID returns the id of a copy: of a Chat, or of a UserGroupMemberCopy.
func copyID(c chat.Copy) string {
	if c.Kind == chat.Group {
		return groupCopyID(c.ID)
	}
	return chatID(c.ID)
}

// messageCopyID returns the id of a message in a copy: of a ChatMessage, or of a GroupMessage.
func messageCopyID(c chat.Copy, message int64) string {
	if c.Kind == chat.Group {
		return groupMessageID(c.ID, message)
	}
	return chatMessageID(c.ID, message)
}

func encodeID(typ string, numbers ...int64) string {
	var buffer [96]byte
	text := append(buffer[:0], typ...)
	for _, n := range numbers {
		text = append(text, ':')
		text = strconv.AppendInt(text, n, 10)
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func encodeText(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// maxIDLength is the length of the longest id that there can be: that of a user.
var maxIDLength = base64.RawURLEncoding.EncodedLen(len(typeUser) + 1 + user.MaxIDLength)

// splitID returns the type that an id begins with, and the rest. Like all that read ids it answers [storage.ErrNotFound] to what this
// package never wrote: what is no id is not told from the id of something that is not there.
func splitID(id string) (typ, rest string, err error) {
	if len(id) > maxIDLength {
		return "", "", storage.NotFound()
	}
	text, err := base64.RawURLEncoding.DecodeString(id)
	// The decoder skips line breaks, and takes any bits behind the last whole byte.
	if err != nil || encodeText(string(text)) != id {
		return "", "", storage.NotFound()
	}
	typ, rest, ok := strings.Cut(string(text), ":")
	if !ok {
		return "", "", storage.NotFound()
	}
	return typ, rest, nil
}

// decodeUserID reads what [userID] wrote.
func decodeUserID(id string) (user.ID, error) {
	typ, rest, err := splitID(id)
	if err != nil {
		return "", err
	}
	u := user.ID(rest)
	if typ != typeUser || !u.Valid() {
		return "", storage.NotFound()
	}
	return u, nil
}

// decodeID reads an id of this type that is made of one number.
func decodeID(typ, id string) (int64, error) {
	n, err := decodeNumbers(typ, id, 1)
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

// decodeMessageID reads the id of a message in a copy of this kind. Whether the copy is the viewer's is for the store to say: it finds
// none by another owner.
func decodeMessageID(kind chat.Kind, id string, viewer user.ID) (chat.Copy, int64, error) {
	typ := typeChatMessage
	if kind == chat.Group {
		typ = typeGroupMessage
	}
	n, err := decodeNumbers(typ, id, 2)
	if err != nil {
		return chat.Copy{}, 0, err
	}
	return chat.Copy{Kind: kind, ID: n[0], Owner: viewer}, n[1], nil
}

// decodeNotificationID reads what [notificationID] wrote.
func decodeNotificationID(id string, viewer user.ID) (chat.Copy, int64, error) {
	n, err := decodeNumbers(typeNotification, id, 3)
	if err != nil {
		return chat.Copy{}, 0, err
	}
	if n[0] != int64(chat.OneToOne) && n[0] != int64(chat.Group) {
		return chat.Copy{}, 0, storage.NotFound()
	}
	return chat.Copy{Kind: chat.Kind(n[0]), ID: n[1], Owner: viewer}, n[2], nil
}

func decodeNumbers(typ, id string, count int) ([]int64, error) {
	found, rest, err := splitID(id)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(rest, ":")
	if found != typ || len(parts) != count {
		return nil, storage.NotFound()
	}
	numbers := make([]int64, count)
	for i, part := range parts {
		n, err := strconv.ParseInt(part, 10, 64)
		if err != nil || n <= 0 || strconv.FormatInt(n, 10) != part {
			return nil, storage.NotFound()
		}
		numbers[i] = n
	}
	return numbers, nil
}
