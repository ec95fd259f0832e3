package graphqlapi_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/group"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/user"
)

func TestGlobalIDsMatchTheAPI(t *testing.T) {
	t.Parallel()
	a := serve(t)
	ada, bert := a.register(t, "adalovelace"), a.register(t, "bertbertson")
	ctx := t.Context()
	mine, others, err := a.app.Chats.Open(ctx, ada.ID, bert.ID)
	require.NoError(t, err)
	m, err := a.app.Chats.Send(ctx, ada.ID, mine.ID, chat.Draft{Content: "hello"})
	require.NoError(t, err)
	g, own, err := a.app.Groups.Create(ctx, ada.ID, group.Draft{Title: "the group"})
	require.NoError(t, err)
	inGroup, err := a.app.Groups.Send(ctx, ada.ID, own.ID, chat.Draft{Content: "hello, all"})
	require.NoError(t, err)
	phones, err := a.app.Users.Phones(ctx, ada.ID)
	require.NoError(t, err)

	data := a.must(t, ada.token, `{ me { id phoneNumbers { id } } chats { nodes { id lastMessage { id message { id } } otherUser { id } } }
		groups { nodes { id member { id group { id } } lastMessage { id message { id } } } } }`, nil)
	theChat, theGroup := at(data, "chats", "nodes", 0), at(data, "groups", "nodes", 0)
	notifications := a.must(t, bert.token, `{ notifications { nodes { id } } }`, nil)
	for want, got := range map[string]any{
		graphqlapi.UserID(ada.ID):                        at(data, "me", "id"),
		graphqlapi.PhoneNumberID(phones[ada.ID][0].ID):   at(data, "me", "phoneNumbers", 0, "id"),
		graphqlapi.UserID(bert.ID):                       at(theChat, "otherUser", "id"),
		graphqlapi.ChatID(mine.ID):                       at(theChat, "id"),
		graphqlapi.MessageCopyID(mine.Copy(), m.ID):      at(theChat, "lastMessage", "id"),
		graphqlapi.MessageID(m.ID):                       at(theChat, "lastMessage", "message", "id"),
		graphqlapi.GroupCopyID(own.ID):                   at(theGroup, "id"),
		graphqlapi.MemberID(own.Member.ID):               at(theGroup, "member", "id"),
		graphqlapi.GroupID(g.ID):                         at(theGroup, "member", "group", "id"),
		graphqlapi.MessageCopyID(own.Copy(), inGroup.ID): at(theGroup, "lastMessage", "id"),
		graphqlapi.MessageID(inGroup.ID):                 at(theGroup, "lastMessage", "message", "id"),
		graphqlapi.NotificationID(others.Copy(), m.ID):   at(notifications, "notifications", "nodes", 0, "id"),
	} {
		require.Equal(t, want, got)
	}
}

func TestGlobalIDsRoundTrip(t *testing.T) {
	t.Parallel()
	u, err := graphqlapi.ParseUserID(graphqlapi.UserID("a-host's"))
	require.NoError(t, err)
	require.Equal(t, user.ID("a-host's"), u)
	numbers := []struct {
		write func(int64) string
		parse func(string) (int64, error)
	}{
		{graphqlapi.PhoneNumberID, graphqlapi.ParsePhoneNumberID}, {graphqlapi.ChatID, graphqlapi.ParseChatID}, {graphqlapi.GroupID, graphqlapi.ParseGroupID},
		{graphqlapi.MemberID, graphqlapi.ParseMemberID}, {graphqlapi.GroupCopyID, graphqlapi.ParseGroupCopyID}, {graphqlapi.MessageID, graphqlapi.ParseMessageID},
	}
	for i, typ := range numbers {
		n, err := typ.parse(typ.write(7))
		require.NoError(t, err)
		require.EqualValues(t, 7, n)
		for j, other := range numbers {
			if _, err := other.parse(typ.write(7)); i != j {
				require.ErrorIs(t, err, storage.ErrNotFound)
			}
		}
	}
	for _, in := range []chat.Copy{{Kind: chat.OneToOne, ID: 7, Owner: "ada"}, {Kind: chat.Group, ID: 7, Owner: "ada"}} {
		c, m, err := graphqlapi.ParseMessageCopyID(graphqlapi.MessageCopyID(in, 8), "ada")
		require.NoError(t, err)
		require.Equal(t, in, c)
		require.EqualValues(t, 8, m)
		c, m, err = graphqlapi.ParseNotificationID(graphqlapi.NotificationID(in, 8), "ada")
		require.NoError(t, err)
		require.Equal(t, in, c)
		require.EqualValues(t, 8, m)
		_, _, err = graphqlapi.ParseMessageCopyID(graphqlapi.NotificationID(in, 8), "ada")
		require.ErrorIs(t, err, storage.ErrNotFound)
	}
	_, _, err = graphqlapi.ParseMessageCopyID("garbage", "ada")
	require.ErrorIs(t, err, storage.ErrNotFound)
}

// A page that the application renders can refer to users and chats by the ids of the API.
func ExampleUserID() {
	fmt.Printf("<a href=\"/profile\" data-user=%q>Ada</a>\n", graphqlapi.UserID("1815"))
	id, err := graphqlapi.ParseUserID("Q3VzdG9tVXNlcjoxODE1")
	fmt.Println(id, err)
	// Output:
	// <a href="/profile" data-user="Q3VzdG9tVXNlcjoxODE1">Ada</a>
	// 1815 <nil>
}
