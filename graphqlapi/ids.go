package graphqlapi

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

// A global id is the type of an object and its key, encoded in URL-safe base64. It is opaque to
// clients. A user's copy of a message has no row of its own, so its id consists of the copy's id
// and the message's id, and differs for each recipient.
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

// copyID returns the id of a copy: a Chat or a UserGroupMemberCopy.
func copyID(c chat.Copy) string {
	if c.Kind == chat.Group {
		return groupCopyID(c.ID)
	}
	return chatID(c.ID)
}

// messageCopyID returns the id of a message in a copy: a ChatMessage or a GroupMessage.
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

// maxIDLength is the length of the longest possible id, which is that of a user.
var maxIDLength = base64.RawURLEncoding.EncodedLen(len(typeUser) + 1 + user.MaxIDLength)

// splitID returns the type at the beginning of an id, and the rest. Like all functions that parse
// ids, it returns [storage.ErrNotFound] for an invalid id. So a client cannot distinguish an
// invalid id from that of an object that does not exist.
func splitID(id string) (typ, rest string, err error) {
	if len(id) > maxIDLength {
		return "", "", storage.NotFound()
	}
	text, err := base64.RawURLEncoding.DecodeString(id)
	// The decoder ignores line breaks and stray bits after the last whole byte.
	if err != nil || encodeText(string(text)) != id {
		return "", "", storage.NotFound()
	}
	typ, rest, ok := strings.Cut(string(text), ":")
	if !ok {
		return "", "", storage.NotFound()
	}
	return typ, rest, nil
}

// decodeUserID parses the id of a user.
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

// decodeID parses an id of the given type whose key is one number.
func decodeID(typ, id string) (int64, error) {
	n, err := decodeNumbers(typ, id, 1)
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

// decodeMessageID parses the id of a message in a copy of the given kind. It does not check that
// the copy is the viewer's: the store finds no copy of another owner.
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

// decodeNotificationID parses the id of a notification.
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
