package graphqlapi_test

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/graphqlapi"
)

// opening is the query of a chat page when it opens, including the chat that it shows.
const opening = `query($chat: ID!) {
	eventCursor me { id username email }
	chats(first: 30) { nodes { id otherUser { id username } unreadCount lastMessage { id message { content date } } } pageInfo { endCursor } }
	groups(first: 30) { nodes { id unreadCount member { group { id title } } lastMessage { id message { content date } } } }
	notifications(first: 20, isRead: false) { totalCount }
	chat(id: $chat) { chatMessages(first: 50) { nodes { id message { id content date sender { id username } } } pageInfo { hasNextPage endCursor } } }
}`

const send = `mutation($chat: ID!, $text: String!) { createChatMessage(chatId: $chat, content: $text) { chatMessage { id } } }`

func selfChat(t testing.TB, a *api, p person) string {
	t.Helper()
	return at(a.must(t, p.token, `mutation { createSelfChat { chat { id } } }`, nil), "createSelfChat", "chat", "id").(string)
}

func TestAChatPageOpensRightAfterABurstOfSends(t *testing.T) {
	t.Parallel()
	a := serve(t, throttled(graphqlapi.Limits{})) // the default limits
	alice := a.register(t, "alice")
	chat := selfChat(t, a, alice)
	sent := 0
	for range 400 {
		if a.ask(t, alice.token, send, map[string]any{"chat": chat, "text": "hello"}).status == http.StatusOK {
			sent++
		}
	}
	require.GreaterOrEqual(t, sent, 199)
	require.Less(t, sent, 400, "mutations have a limit of their own")
	for range 20 {
		a.must(t, alice.token, opening, map[string]any{"chat": chat})
	}
	socket := a.connectAs(t, alice)
	socket.subscribed()
	require.NotContains(t, socket.run(opening, map[string]any{"chat": chat}), "errors")
}

func TestQueriesDoNotUseTheBucketForMutations(t *testing.T) {
	t.Parallel()
	a := serve(t, throttled(graphqlapi.Limits{User: few(3), Address: few(3)}))
	alice := a.register(t, "alice")
	for _, access := range []string{"", alice.token} {
		verify := `mutation { verifyToken(token: "x") { payload } }`
		require.Equal(t, http.StatusOK, a.ask(t, access, `{ a: me { id } b: me { id } c: me { id } }`, nil).status)
		require.Equal(t, "THROTTLED", a.ask(t, access, whoAmI, nil).code())
		for range 3 {
			require.Equal(t, "UNAUTHENTICATED", a.ask(t, access, verify, nil).code())
		}
		require.Equal(t, "THROTTLED", a.ask(t, access, verify, nil).code())
	}
}

func TestAddingPhoneNumbersHasALimitOfItsOwn(t *testing.T) {
	t.Parallel()
	const add = `mutation($n: String!) { addPhoneNumber(number: $n, countryCode: "49") { phoneNumber { id } } }`
	a := serve(t, throttled(graphqlapi.Limits{AddPhoneNumber: few(2)}))
	alice, bert := a.register(t, "alice"), a.register(t, "bert")
	taken := map[string]any{"n": phoneOf("bert")}
	require.Equal(t, "CONFLICT", a.ask(t, alice.token, add, taken).code())
	require.Equal(t, "CONFLICT", a.ask(t, alice.token, add, taken).code())
	over := a.ask(t, alice.token, add, taken)
	require.Equal(t, "THROTTLED", over.code())
	require.Equal(t, http.StatusForbidden, over.status)
	require.NotEmpty(t, over.header.Get("Retry-After"))
	a.must(t, alice.token, `mutation { updateUser(bio: "still here") { user { id } } }`, nil)
	a.must(t, bert.token, add, map[string]any{"n": "99887766"})
	socket := a.connectAs(t, alice)
	require.Equal(t, "THROTTLED", socket.next(socket.start(add, taken)).code(t))
}

func TestByDefaultNumbersCannotBeGuessedByAddingThem(t *testing.T) {
	t.Parallel()
	a := serve(t, throttled(graphqlapi.Limits{}))
	alice := a.register(t, "alice")
	passed := 0
	for i := range 100 {
		document := fmt.Sprintf(`mutation { addPhoneNumber(number: "5550%05d", countryCode: "49") { phoneNumber { id } } }`, i)
		if a.ask(t, alice.token, document, nil).code0() != "THROTTLED" {
			passed++
		}
	}
	require.LessOrEqual(t, passed, 21)
}

// code0 returns the code of the first error, or "".
func (a answer) code0() string {
	if _, ok := a.body["errors"]; !ok {
		return ""
	}
	return a.code()
}

func quotas(q graphqlapi.Quotas) func(*setup) {
	return func(s *setup) { s.api.Throttle = &graphqlapi.Throttle{Quotas: q} }
}

// overQuota requires that an answer is refused because of a daily quota.
func overQuota(t *testing.T, got answer) {
	t.Helper()
	require.Equal(t, "THROTTLED", got.code0(), got.text)
	require.Equal(t, http.StatusForbidden, got.status)
	require.Contains(t, got.message(), "day")
	after, err := strconv.Atoi(got.header.Get("Retry-After"))
	require.NoError(t, err)
	require.Greater(t, after, 3600)
}

func TestMessagesOfAUserHaveAQuotaByDay(t *testing.T) {
	t.Parallel()
	a := serve(t, quotas(graphqlapi.Quotas{Messages: 3}))
	alice, bert := a.register(t, "alice"), a.register(t, "bert")
	chat := selfChat(t, a, alice)
	group := at(a.must(t, alice.token, `mutation { createGroup(title: "A group") { groupCopy { id } } }`, nil), "createGroup", "groupCopy", "id")
	variables := map[string]any{"chat": chat, "group": group, "text": "hello"}
	a.must(t, alice.token, `mutation($chat: ID!, $group: ID!, $text: String!) {
		a: createChatMessage(chatId: $chat, content: $text) { chatMessage { id } }
		b: createGroupMessage(groupCopyId: $group, content: $text) { message { id } } }`, variables)
	overQuota(t, a.ask(t, alice.token, `mutation($chat: ID!, $text: String!) {
		a: createChatMessage(chatId: $chat, content: $text) { chatMessage { id } }
		b: createChatMessage(chatId: $chat, content: $text) { chatMessage { id } } }`, variables))
	a.must(t, alice.token, send, variables)
	overQuota(t, a.ask(t, alice.token, send, variables))
	socket := a.connectAs(t, alice)
	require.Equal(t, "THROTTLED", socket.next(socket.start(send, variables)).code(t))
	require.Len(t, at(a.must(t, alice.token, `query($chat: ID!) { chat(id: $chat) { chatMessages { nodes { id } } } }`, variables), "chat", "chatMessages", "nodes"), 2)
	a.must(t, bert.token, send, map[string]any{"chat": selfChat(t, a, bert), "text": "another user"})
}

func TestGroupsOfAUserHaveAQuotaByDay(t *testing.T) {
	t.Parallel()
	const create = `mutation { createGroup(title: "A group") { groupCopy { id } } }`
	a := serve(t, quotas(graphqlapi.Quotas{Groups: 2}))
	alice, bert := a.register(t, "alice"), a.register(t, "bert")
	a.must(t, alice.token, create, nil)
	a.must(t, alice.token, create, nil)
	overQuota(t, a.ask(t, alice.token, create, nil))
	a.must(t, bert.token, create, nil)
}

func TestAddsOfOneUserByAnotherHaveAQuotaByDay(t *testing.T) {
	t.Parallel()
	const add = `mutation($group: ID!, $user: ID!) { createGroupMember(groupCopyId: $group, memberId: $user) { groupMember { id } } }`
	a := serve(t, quotas(graphqlapi.Quotas{Adds: 2}))
	alice, bert, carol := a.register(t, "alice"), a.register(t, "bert"), a.register(t, "carol")
	group := func(p person) any {
		return at(a.must(t, p.token, `mutation { createGroup(title: "A group") { groupCopy { id } } }`, nil), "createGroup", "groupCopy", "id")
	}
	me := func(p person) any { return at(a.must(t, p.token, `{ me { id } }`, nil), "me", "id") }
	victim := me(bert)
	for range 2 {
		a.must(t, alice.token, add, map[string]any{"group": group(alice), "user": victim})
	}
	overQuota(t, a.ask(t, alice.token, add, map[string]any{"group": group(alice), "user": victim}))
	a.must(t, alice.token, add, map[string]any{"group": group(alice), "user": me(carol)})
	a.must(t, carol.token, add, map[string]any{"group": group(carol), "user": victim})
}

func TestAQuotaIsNotUsedUpByWhatIsOverARate(t *testing.T) {
	t.Parallel()
	const group, bio = `createGroup(title: "A group") { groupCopy { id } }`, `updateUser(bio: "x") { user { id } }`
	a := serve(t, quotas(graphqlapi.Quotas{Groups: 1}), func(s *setup) { s.api.Throttle.Limits.User = few(3) })
	alice := a.register(t, "alice")
	a.must(t, alice.token, `mutation { a: `+bio+` b: `+bio+` }`, nil)
	require.Equal(t, "THROTTLED", a.ask(t, alice.token, `mutation { `+group+bio+` }`, nil).code())
	a.must(t, alice.token, `mutation { `+group+` }`, nil)
}

func TestQuotasCanBeLifted(t *testing.T) {
	t.Parallel()
	a := serve(t, quotas(graphqlapi.Quotas{Messages: -1, Groups: -1, Adds: -1}), func(s *setup) {
		s.api.Throttle.Limits.User = graphqlapi.Limit{PerSecond: 1e6, Burst: 1e6}
	})
	alice := a.register(t, "alice")
	for range 210 { // more than the default
		a.must(t, alice.token, `mutation { createGroup(title: "A group") { groupCopy { id } } }`, nil)
	}
}

func TestManyPagesOfOneUserOpenAtOnce(t *testing.T) {
	t.Parallel()
	a := serve(t, throttled(graphqlapi.Limits{})) // the defaults
	alice := a.register(t, "alice")
	chat := selfChat(t, a, alice)
	for range 60 { // far faster than the bucket fills
		a.must(t, alice.token, opening, map[string]any{"chat": chat})
	}
}
