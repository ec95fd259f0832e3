package graphqlapi

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func TestIDsRoundTrip(t *testing.T) {
	t.Parallel()
	const n, m = int64(7), int64(1<<63 - 1)
	for _, u := range []user.ID{"7", "0", "a:b", "Ünïcode 😀", user.ID(strings.Repeat("x", user.MaxIDLength))} {
		got, err := decodeUserID(userID(u))
		require.NoError(t, err)
		require.Equal(t, u, got)
	}
	for typ, id := range map[string]string{
		typePhone: phoneID(m), typeMessage: messageID(m), typeChat: chatID(m), typeGroup: groupID(m), typeMember: memberID(m), typeGroupCopy: groupCopyID(m),
	} {
		got, err := decodeID(typ, id)
		require.NoError(t, err, typ)
		require.Equal(t, m, got, typ)
	}
	for _, kind := range []chat.Kind{chat.OneToOne, chat.Group} {
		c := chat.Copy{Kind: kind, ID: n, Owner: "me"}
		in, message, err := decodeMessageID(kind, messageCopyID(c, m), "me")
		require.NoError(t, err)
		require.Equal(t, c, in)
		require.Equal(t, m, message)
		in, message, err = decodeNotificationID(notificationID(c, m), "me")
		require.NoError(t, err)
		require.Equal(t, c, in)
		require.Equal(t, m, message)
	}
}

func TestIDsCanStandInAURL(t *testing.T) {
	t.Parallel()
	safe := regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	for _, id := range []string{userID("????>>>>"), chatMessageID(1, 2), notificationID(chat.Copy{Kind: chat.Group, ID: 63}, 62)} {
		require.Regexp(t, safe, id)
	}
}

func TestDifferentObjectsHaveDifferentIDs(t *testing.T) {
	t.Parallel()
	one, two := chat.Copy{Kind: chat.OneToOne, ID: 1}, chat.Copy{Kind: chat.Group, ID: 1}
	met := map[string]bool{}
	for _, id := range []string{
		userID("1"), phoneID(1), messageID(1), chatID(1), groupID(1), memberID(1), groupCopyID(1), chatMessageID(1, 1), groupMessageID(1, 1),
		chatMessageID(1, 11), chatMessageID(11, 1), notificationID(one, 1), notificationID(two, 1), notificationID(one, 11),
	} {
		require.False(t, met[id], id)
		met[id] = true
	}
}

// encoded encodes the text of an id.
func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// garbage are texts that are not valid ids, though some look like one.
func garbage() []string {
	chat7 := chatID(7)
	return []string{
		"", " ", "7", "null", "Chat:7", "💥", strings.Repeat("A", 10_000), "\x00", "A", "====",
		encoded("Chat"), encoded("Chat:"), encoded(":7"), encoded("Chat:0"), encoded("Chat:-7"), encoded("Chat:+7"), encoded("Chat:07"), encoded("Chat: 7"),
		encoded("Chat:7 "), encoded("Chat:7:"), encoded("Chat:7:8"), encoded("chat:7"), encoded("Chat:0x7"), encoded("Chat:7_0"), encoded("Chat:7e0"), encoded("Chat:7.0"),
		encoded("Chat:9223372036854775808"), encoded("Chat:٧"), encoded("CustomUser:"), encoded("CustomUser:a\x00b"), encoded("CustomUser:\xff"),
		encoded("CustomUser:" + strings.Repeat("x", user.MaxIDLength+1)),
		encoded("ChatMessage:7"), encoded("ChatMessage:7:"), encoded("ChatMessage:7:0"), encoded("ChatMessage:7:8:9"),
		encoded("Notification:0:7:8"), encoded("Notification:3:7:8"), encoded("Notification:1:7"), encoded("Notification:257:7:8"),
		encoded("Attachment:7"), encoded("Query:7"), encoded("SELECT 1:7"),
		chat7 + "=", chat7 + "\n", "\n" + chat7, chat7[:4] + "\r\n" + chat7[4:], chat7 + chat7, chat7[:len(chat7)-1],
		base64.StdEncoding.EncodeToString([]byte("CustomUser:????>>>>")), base64.URLEncoding.EncodeToString([]byte("Chat:77")),
		chatID(77)[:9] + string(chatID(77)[9]+1), // different bits after the last byte
	}
}

// decoders parse an id as each of the types.
func decoders(id string) map[string]error {
	errs := map[string]error{}
	_, errs[typeUser] = decodeUserID(id)
	for _, typ := range []string{typePhone, typeMessage, typeChat, typeGroup, typeMember, typeGroupCopy} {
		_, errs[typ] = decodeID(typ, id)
	}
	_, _, errs[typeChatMessage] = decodeMessageID(chat.OneToOne, id, "me")
	_, _, errs[typeGroupMessage] = decodeMessageID(chat.Group, id, "me")
	_, _, errs[typeNotification] = decodeNotificationID(id, "me")
	return errs
}

func TestInvalidIDsAreNotFound(t *testing.T) {
	t.Parallel()
	for _, id := range garbage() {
		for typ, err := range decoders(id) {
			require.ErrorIs(t, err, storage.ErrNotFound, "%q as %s", id, typ)
			require.Equal(t, notFound, err.Error())
		}
	}
}

func TestAnIDIsValidForOneTypeOnly(t *testing.T) {
	t.Parallel()
	for typ, id := range map[string]string{
		typeUser: userID("7"), typePhone: phoneID(7), typeMessage: messageID(7), typeChat: chatID(7), typeGroup: groupID(7), typeMember: memberID(7),
		typeGroupCopy: groupCopyID(7), typeChatMessage: chatMessageID(7, 8), typeGroupMessage: groupMessageID(7, 8),
		typeNotification: notificationID(chat.Copy{Kind: chat.OneToOne, ID: 7}, 8),
	} {
		for as, err := range decoders(id) {
			if as == typ {
				require.NoError(t, err, typ)
			} else {
				require.ErrorIs(t, err, storage.ErrNotFound, "%s as %s", typ, as)
			}
		}
	}
}

// FuzzIDs checks that a valid id is the only text for its object.
func FuzzIDs(f *testing.F) {
	for _, id := range garbage() {
		f.Add(id)
	}
	for _, id := range []string{userID("7"), chatID(7), chatMessageID(7, 8), notificationID(chat.Copy{Kind: chat.Group, ID: 7}, 8)} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		good := 0
		for typ, err := range decoders(id) {
			if err != nil {
				require.Equal(t, notFound, err.Error())
				continue
			}
			good++
			found, rest, err := splitID(id)
			require.NoError(t, err)
			require.Equal(t, typ, found)
			require.Equal(t, id, encoded(typ+":"+rest))
			require.True(t, utf8.ValidString(rest))
		}
		require.LessOrEqual(t, good, 1)
	})
}
