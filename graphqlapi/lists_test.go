package graphqlapi

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/user"
)

// aList is a list of the viewer: the document before and after the list's arguments, and the path
// of the list in the answer.
type aList struct{ before, behind, at string }

// everyList has each list of the schema, with five entries and another document.
func everyList(firstChat, firstGroup chat.Copy, message string) map[string]aList {
	chatIs, groupIs := `{ chat(id: "`+chatID(firstChat.ID)+`") { `, `{ group(id: "`+groupCopyID(firstGroup.ID)+`") { `
	return map[string]aList{
		"users":                   {`{ users(search: "other" `, `) $ }`, "users"},
		"chats":                   {`{ chats(archived: false `, `) $ }`, "chats"},
		"groups":                  {`{ groups(isArchived: false `, `) $ }`, "groups"},
		"notifications":           {`{ notifications(isRead: false `, `) $ }`, "notifications"},
		"own chats":               {`{ me { chats(archived: false `, `) $ } }`, "me.chats"},
		"own notifications":       {`{ me { notifications(isRead: false `, `) $ } }`, "me.notifications"},
		"chatMessages":            {chatIs + `chatMessages(`, `) $ } }`, "chat.chatMessages"},
		"chat_messages":           {chatIs + `chat_messages(`, `) $ } }`, "chat.chat_messages"},
		"groupMessages":           {groupIs + `groupMessages(`, `) $ } }`, "group.groupMessages"},
		"group_messages":          {groupIs + `group_messages(`, `) $ } }`, "group.group_messages"},
		"members":                 {groupIs + `member { group { members(`, `) $ } } } }`, "group.member.group.members"},
		"readBy":                  {`{ node(id: "` + message + `") { ... on GroupMessage { readBy(`, `) $ } } }`, "node.readBy"},
		"chatMessages of a chats": {`{ chats(first: 1) { nodes { chatMessages(`, `) $ } } }`, "chats.nodes.0.chatMessages"},
	}
}

const aPage = `{ totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } nodes { id } edges { cursor node { id } } }`

func (l aList) document(args string) string {
	if args == "" && strings.HasSuffix(l.before, "(") {
		return strings.TrimSuffix(l.before, "(") + strings.Replace(strings.TrimPrefix(l.behind, ")"), "$", aPage, 1)
	}
	return l.before + args + strings.Replace(l.behind, "$", aPage, 1)
}

// populateLists gives each list of the viewer at least five entries.
func populateLists(w *world) (viewer user.ID, all map[string]aList) {
	viewer, firstChat, firstGroup := populate(w, 5)
	creator, err := decodeUserID(w.run(viewer, `query($g: ID!) { group(id: $g) { member { group { createdBy { id } } } } }`, "g", groupCopyID(firstGroup.ID)).string("group.member.group.createdBy.id"))
	require.NoError(w.t, err)
	var readers []user.ID
	for i := range 5 {
		readers = append(readers, w.register(fmt.Sprint("reader", i)))
		_, err := w.app.Groups.Add(w.t.Context(), creator, onlyCopy(w, creator), readers[i])
		require.NoError(w.t, err)
	}
	m := w.send(firstGroup, "read by all")
	for _, u := range readers {
		_, err = w.app.Groups.Read(w.t.Context(), u, onlyCopy(w, u), m.ID)
		require.NoError(w.t, err)
	}
	return viewer, everyList(firstChat, firstGroup, groupMessageID(firstGroup.ID, m.ID))
}

// onlyCopy returns the user's only group copy.
func onlyCopy(w *world, u user.ID) int64 {
	w.t.Helper()
	id, err := decodeID(typeGroupCopy, w.run(u, `{ groups { nodes { id } } }`).string("groups.nodes.0.id"))
	require.NoError(w.t, err)
	return id
}

func TestEveryListPagesBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	viewer, all := populateLists(w)
	for name, l := range all {
		t.Run(name, func(t *testing.T) {
			get := func(args string) result {
				r := w.run(viewer, l.document(args))
				require.Empty(t, r.errors, r.text)
				require.Equal(t, r.list(l.at+".nodes", "id"), r.list(l.at+".edges", "node.id"))
				return r
			}
			whole := get("first: 100")
			want := whole.list(l.at+".nodes", "id")
			require.GreaterOrEqual(t, len(want), 5)
			require.EqualValues(t, len(want), whole.at(l.at+".totalCount"))
			require.Equal(t, want[:min(20, len(want))], get("").list(l.at+".nodes", "id"))

			var forward []string
			for args := "first: 2"; ; {
				r := get(args)
				forward = append(forward, r.list(l.at+".nodes", "id")...)
				require.EqualValues(t, len(want), r.at(l.at+".totalCount"))
				require.Equal(t, args != "first: 2", r.at(l.at+".pageInfo.hasPreviousPage"))
				if !r.is(l.at + ".pageInfo.hasNextPage") {
					break
				}
				args = fmt.Sprintf("first: 2, after: %q", r.string(l.at+".pageInfo.endCursor"))
			}
			require.Equal(t, want, forward)

			var backward []string
			for args := "last: 2"; ; {
				r := get(args)
				backward = append(r.list(l.at+".nodes", "id"), backward...)
				if !r.is(l.at + ".pageInfo.hasPreviousPage") {
					break
				}
				args = fmt.Sprintf("last: 2, before: %q", r.string(l.at+".pageInfo.startCursor"))
			}
			require.Equal(t, want, backward)

			none := get("first: 0")
			require.Empty(t, none.at(l.at+".nodes"))
			require.Nil(t, none.at(l.at+".pageInfo.startCursor"))
			require.Equal(t, true, none.at(l.at+".pageInfo.hasNextPage"))
			require.EqualValues(t, len(want), none.at(l.at+".totalCount"))
		})
	}
}

func TestInvalidPageArgumentsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	viewer, all := populateLists(w)
	cursorOf := map[string]string{}
	for name, l := range all {
		cursorOf[name] = w.run(viewer, l.document("first: 1")).string(l.at + ".edges.0.cursor")
	}
	for name, l := range all {
		other := cursorOf["users"]
		if name == "users" {
			other = cursorOf["chats"]
		}
		for args, field := range map[string]string{
			"first: -1": "first", "first: 101": "first", "first: 2147483647": "first", "last: -1": "last", "last: 101": "last", "first: 1, last: 1": "last",
			`after: ""`: "after", `before: ""`: "before", `after: "garbage"`: "after", `first: 5, before: "💥"`: "before",
			fmt.Sprintf("after: %q", other): "after", fmt.Sprintf("last: 1, before: %q", other): "before",
		} {
			r := w.run(viewer, l.document(args))
			require.Equal(t, []string{"BAD_USER_INPUT " + field}, r.codes(), "%s %s: %s", name, args, r.text)
		}
	}
}

func TestAnEmptyNameIsNobodys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ada := w.register("ada.lovelace")
	w.register("grace.hopper")
	count := func(args string) int {
		t.Helper()
		r := w.run(ada, `{ users(`+args+`) { totalCount nodes { id } } }`)
		require.Empty(t, r.errors, r.text)
		n := len(r.list("users.nodes", "id"))
		require.EqualValues(t, n, r.at("users.totalCount"))
		return n
	}
	require.Equal(t, 2, count(`username: null, firstName: null, lastName: null`), "a null filter is ignored")
	for _, name := range []string{"username", "firstName", "lastName"} {
		require.Zero(t, count(name+`: ""`), name)
		require.Zero(t, count(name+`: "", search: "ada"`), name)
	}
	require.Equal(t, []string{"BAD_USER_INPUT first"}, w.run(ada, `{ users(username: "", first: 101) { totalCount } }`).codes())
}

func TestACursorIsValidForOneSiblingOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	viewer, _ := populateLists(w)
	cursor := w.run(viewer, `{ chats { nodes { chatMessages(first: 1) { edges { cursor } } } } }`).string("chats.nodes.1.chatMessages.edges.0.cursor")
	r := w.run(viewer, `query($c: String) { chats(first: 3) { nodes { id chatMessages(first: 1, after: $c) { nodes { id } } } } }`, "c", cursor)
	require.Equal(t, []string{"BAD_USER_INPUT after", "BAD_USER_INPUT after"}, r.codes())
	r = w.run(viewer, `query($c: String, $id: ID!) { chat(id: $id) { chatMessages(first: 1, after: $c) { nodes { id } } } }`,
		"c", cursor, "id", w.run(viewer, `{ chats { nodes { id } } }`).string("chats.nodes.1.id"))
	require.Len(t, r.at("chat.chatMessages.nodes"), 1)
}

func TestSiblingsGiveEachAliasWhatItSelects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	viewer, _ := populateLists(w)
	r := w.run(viewer, `{ chats { nodes { id
		ids: chatMessages(first: 2) { nodes { id } }
		texts: chatMessages(first: 2) { nodes { id message { content sender { username } } chat { id unreadCount chatMessages(last: 1) { nodes { message { sender { lastName } } } } } } }
		more: chatMessages(first: 3) { totalCount edges { node { id chat { otherUser { username } } } } } } } }`)
	for i := range r.at("chats.nodes").([]any) {
		at := fmt.Sprintf("chats.nodes.%d.", i)
		require.Equal(t, r.list(at+"ids.nodes", "id"), r.list(at+"texts.nodes", "id"))
		require.Equal(t, r.list(at+"ids.nodes", "id"), r.list(at+"more.edges", "node.id")[:2])
		for j := range 2 {
			node := fmt.Sprintf("%stexts.nodes.%d.", at, j)
			require.NotEmpty(t, r.string(node+"message.sender.username"))
			require.Equal(t, r.string(at+"id"), r.string(node+"chat.id"))
			require.EqualValues(t, 3, r.at(node+"chat.unreadCount"))
			require.Regexp(t, "^Last other", r.string(node+"chat.chatMessages.nodes.0.message.sender.lastName"))
		}
		require.Regexp(t, "^other", r.string(at+"more.edges.0.node.chat.otherUser.username"))
	}
}

func TestChainsOfAnyDepthAreAnswered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	viewer, _ := populateLists(w)
	r := w.run(viewer, `{ groups(first: 1) { nodes { lastMessage { groupCopy { lastMessage { group_copy { member { userGroup { members(first: 1) { nodes { group { members(last: 1) { nodes { member { username } group { title } } } } } } } } lastMessage { readBy(first: 1) { edges { node { group { createdBy { username } } } } } } } } } } } }
		chats(first: 1) { nodes { lastMessage { chat { lastMessage { chat { chatMessages(first: 1) { nodes { chat { lastMessage { message { sender { username } } } } } } } } } } } } }`)
	require.NotEmpty(t, r.string("groups.nodes.0.lastMessage.groupCopy.lastMessage.group_copy.member.userGroup.members.nodes.0.group.members.nodes.0.group.title"))
	require.NotEmpty(t, r.string("groups.nodes.0.lastMessage.groupCopy.lastMessage.group_copy.lastMessage.readBy.edges.0.node.group.createdBy.username"))
	require.NotEmpty(t, r.string("chats.nodes.0.lastMessage.chat.lastMessage.chat.chatMessages.nodes.0.chat.lastMessage.message.sender.username"))
}

func TestFragmentsAndTypeNamesAreLookedAheadTo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	viewer, _ := populateLists(w)
	id := w.run(viewer, `{ chats { nodes { id } } }`).string("chats.nodes.0.id")
	r := w.run(viewer, `query($id: ID!, $no: Boolean = false) {
		node(id: $id) { __typename id ...a ... on UserGroup { title } ... on Node { ... on Chat { unreadCount } } }
		chats(first: 1) { __typename ...b @include(if: true) nodes { __typename archived @include(if: $no) } } }
		fragment a on Chat { otherUser { ...c } lastMessage { message { ... on Message { sender { ...c } } } } }
		fragment b on ChatConnection { edges { node { user { ...c } ...a } } }
		fragment c on CustomUser { __typename username }`, "id", id)
	require.Equal(t, "Chat", r.string("node.__typename"))
	require.EqualValues(t, 3, r.at("node.unreadCount"))
	require.NotEmpty(t, r.string("node.otherUser.username"))
	require.NotEmpty(t, r.string("node.lastMessage.message.sender.username"))
	require.Equal(t, "viewer", r.string("chats.edges.0.node.user.username"))
	require.NotEmpty(t, r.string("chats.edges.0.node.lastMessage.message.sender.username"))
	require.Equal(t, "Chat", r.string("chats.nodes.0.__typename"))
}

func TestListsAreFilteredAndOrdered(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC)
	w := newWorldOn(t, memory.New(&memory.Options{Now: func() time.Time { now = now.Add(time.Second); return now }}), nil)
	anna := w.register("anna")
	var names []string
	for _, name := range []string{"bert", "cleo", "dora"} {
		other := w.register(name)
		c, _ := w.open(anna, other)
		names = append(names, name)
		if name == "bert" {
			require.NoError(t, w.app.Chats.Archive(t.Context(), anna, c.ID, true))
		}
	}
	slices.Reverse(names)
	require.Equal(t, names, w.run(anna, `{ chats { nodes { otherUser { username } } } }`).list("chats.nodes", "otherUser.username"))
	require.Equal(t, []string{"bert"}, w.run(anna, `{ chats(archived: true) { nodes { otherUser { username } } } }`).list("chats.nodes", "otherUser.username"))
	require.EqualValues(t, 2, w.run(anna, `{ chats(archived: false) { totalCount } }`).at("chats.totalCount"))
	require.EqualValues(t, 3, w.run(anna, `{ chats(archived: null) { totalCount } }`).at("chats.totalCount"))

	for filter, want := range map[string][]string{
		`username: "ANNA"`: {"anna"}, `username: "ann"`: {}, `firstName: "first bert"`: {"bert"}, `lastName: "LAST cleo"`: {"cleo"}, `search: " IR "`: {"anna", "bert", "cleo", "dora"},
		`search: "dor"`: {"dora"}, `search: "example.com"`: {}, `search: "last do"`: {"dora"}, `search: "bert cleo"`: {}, `search: null`: {"anna", "bert", "cleo", "dora"}, `search: "an", username: "anna"`: {"anna"}, `firstName: "First anna", username: "bert"`: {}, `username: null`: {"anna", "bert", "cleo", "dora"},
	} {
		require.Equal(t, want, w.run(noLogin, `{ users(`+filter+`) { nodes { username } } }`).list("users.nodes", "username"), filter)
	}
}

func TestEqualTimesHaveEqualTexts(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("elsewhere", -5*3600)
	now := time.Date(2026, 1, 2, 3, 4, 5, 987_654_321, zone)
	w := newWorldOn(t, memory.New(&memory.Options{Now: func() time.Time { return now }}), nil)
	anna, bert := w.register("anna"), w.register("bert")
	mine, others := w.open(anna, bert)
	m := w.send(mine.Copy(), "x")
	_, err := w.app.Chats.Edit(t.Context(), anna, mine.ID, m.ID, "y")
	require.NoError(t, err)
	_, err = w.app.Chats.Read(t.Context(), bert, others.ID, m.ID)
	require.NoError(t, err)
	w.group("the group", bert, anna)
	r := w.run(bert, `query($m: ID!) { me { dateJoined } groups { nodes { member { joinedAt group { updatedAt } } } }
		node(id: $m) { ... on Message { date editedAt readAt } } chats { nodes { otherUser { dateJoined } lastMessage { message { date editedAt readAt } } chatMessages { nodes { message { date editedAt readAt } } } } }
		notifications { nodes { message { date editedAt readAt } } } }`, "m", messageID(m.ID))
	require.Empty(t, r.errors, r.text)
	moments := regexp.MustCompile(`"(?:date|editedAt|readAt|dateJoined|joinedAt|updatedAt)":"([^"]*)"`).FindAllStringSubmatch(r.text, -1)
	require.Len(t, moments, 16)
	for _, moment := range moments {
		require.Equal(t, "2026-01-02T08:04:05.987654Z", moment[1])
	}
}

// nastyTexts are valid texts that some layer might change.
var nastyTexts = []string{
	"a < b && c > d \"quoted\" 'single' \\ back /slash", "<script>alert(1)</script>", "  untrimmed\t\n ", "line\r\nbreaks\rof\nall kinds\u2028\u2029\u0085",
	"e\u0301 is not é", "ﬁ Ⅷ ª ½ Å", "👩‍👩‍👧‍👦 🇺🇳 👍🏽", "\U0010FFFF\uFFFD\uFFFE\u0001\u001f\u007f", "\u202eright to left\u202c שלום", "\ufeffbyte order mark",
	"𝕬\u0335\u0336\u0337", "null", "{\"json\": true}", "\\u0041 \\n %s %d ${x} {{y}}", strings.Repeat("😀", 10_000), "' OR 1=1; --", "?",
}

func TestContentComesBackAsItWasSent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	anna, bert := w.register("anna"), w.register("bert")
	mine, others := w.open(anna, bert)
	own := w.group("the group", anna, bert)
	for _, text := range nastyTexts {
		sent := w.run(anna, `mutation($c: ID!, $g: ID!, $t: String!) { createChatMessage(chatId: $c, content: $t) { chatMessage { message { content } } } createGroupMessage(groupCopyId: $g, content: $t) { message { message { content } } } }`,
			"c", chatID(mine.ID), "g", groupCopyID(own[0].ID), "t", text)
		require.Equal(t, text, sent.string("createChatMessage.chatMessage.message.content"))
		require.Equal(t, text, sent.string("createGroupMessage.message.message.content"))
		r := w.run(bert, `query($c: ID!, $g: ID!) { chat(id: $c) { lastMessage { message { content } } chatMessages(first: 1) { nodes { message { content } } } }
			group(id: $g) { lastMessage { message { content } } groupMessages(first: 1) { nodes { message { content } } } } notifications(first: 2) { nodes { message { content } } } }`,
			"c", chatID(others.ID), "g", groupCopyID(own[1].ID))
		for _, at := range []string{"chat.lastMessage", "chat.chatMessages.nodes.0", "group.lastMessage", "group.groupMessages.nodes.0", "notifications.nodes.0", "notifications.nodes.1"} {
			require.Equal(t, text, r.string(at+".message.content"), at)
		}
	}
}
