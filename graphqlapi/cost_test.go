package graphqlapi

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/graph-gophers/graphql-go/ast"
	"github.com/stretchr/testify/require"

	"github.com/buddychat/buddychat/internal/gqldoc"
)

// Two documents that once exhausted the server's memory: 14 aliases of a page of messages with 15
// aliases of content, and 15 aliases of a search with 15 aliases of each large text.
var (
	messagesAttack = func() string {
		var chats, contents strings.Builder
		for i := range 14 {
			fmt.Fprintf(&chats, "c%d:chatMessages(first:100){...M}", i)
		}
		for i := range 15 {
			fmt.Fprintf(&contents, "t%d:content ", i)
		}
		return "query($c:ID!){chat(id:$c){" + chats.String() + "}}fragment M on ChatMessageConnection{nodes{message{" + contents.String() + "}}}"
	}()
	usersAttack = func() string {
		var searches, texts strings.Builder
		for i := range 15 {
			fmt.Fprintf(&searches, "u%d:users(search:\"an%d\",first:50){...U}", i, i)
			fmt.Fprintf(&texts, "b%d:bio p%d:profilePicture ", i, i)
		}
		return "{" + searches.String() + "}fragment U on CustomUserConnection{nodes{" + texts.String() + "}}"
	}()
)

func newDocuments(t testing.TB, maxCost int) *gqldoc.Schema {
	t.Helper()
	documents, err := gqldoc.NewSchema(schemaSDL, documentLimits(&Options{MaxCost: maxCost}, 100))
	require.NoError(t, err)
	return documents
}

func TestDocumentsThatExhaustedMemoryAreRefused(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{"messages": messagesAttack, "users": usersAttack} {
		require.Less(t, len(document), 1_600)
		_, err := newDocuments(t, defaultMaxCost).Parse(document, "", nil)
		require.ErrorIs(t, err, gqldoc.ErrTooComplex, name)
		// With a higher cost limit, the limit on names of one text still refuses it.
		_, err = newDocuments(t, 1<<40).Parse(document, "", nil)
		limit, ok := errors.AsType[*gqldoc.LimitError](err)
		require.True(t, ok, name)
		require.Contains(t, limit.What, "names for one", name)
	}
}

func TestTheScreensOfAClientAreWithinTheCostLimit(t *testing.T) {
	t.Parallel()
	const who = `{ id username firstName lastName bio profilePicture dateJoined }`
	const message = `{ id content date editedAt readAt clientMessageId sender ` + who + ` }`
	for name, document := range map[string]string{
		"fifty chats with twenty messages": `{ chats(first: 50) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node {
			id archived unreadCount user { id username } otherUser ` + who + ` lastMessage { id message ` + message + ` }
			chatMessages(first: 20) { pageInfo { hasNextPage endCursor } edges { cursor node { id message ` + message + ` } } } } } } }`,
		"a long page of a group": `query($id: ID!) { group(id: $id) { id unreadCount groupMessages(first: 100) { totalCount pageInfo { hasNextPage endCursor } nodes {
			id message ` + message + ` readBy(first: 10) { totalCount nodes { id joinedAt user ` + who + ` } } } } } }`,
		"a search":       `{ users(search: "ann", first: 100) { totalCount pageInfo { hasNextPage endCursor } edges { cursor node ` + who + ` } } }`,
		"a whole screen": `query { eventCursor me { ...U email } chats(first: 30) { nodes { id unreadCount otherUser { ...U } lastMessage { id message { ...M } } } } groups(first: 30) { nodes { id unreadCount member { isAdmin group { id title description groupImage membersCount } } lastMessage { id message { ...M } } } } notifications(first: 20, isRead: false) { totalCount nodes { id message { ...M } } } } fragment U on CustomUser ` + who + ` fragment M on Message ` + message,
		"all of an event": `subscription { events { id cursor operation at subjectId erased actor ` + who + `
			chat { id archived unreadCount otherUser ` + who + ` lastMessage { id message ` + message + ` } }
			chatMessage { id chat { id } message ` + message + ` } groupMessage { id groupCopy { id } message ` + message + ` }
			groupCopy { id unreadCount isArchived member { id isAdmin group { id title description groupImage membersCount createdBy ` + who + ` } } lastMessage { id message ` + message + ` } }
			member { id isAdmin joinedAt user ` + who + ` group { id title } } notification { id isRead readAt receiver { id } message ` + message + ` } } }`,
	} {
		doc, err := newDocuments(t, defaultMaxCost).Parse(document, "", nil)
		require.NoError(t, err, name)
		require.Empty(t, doc.Validate(), name)
	}
}

func TestDumpsExceedTheCostLimit(t *testing.T) {
	t.Parallel()
	for name, document := range map[string]string{
		"a hundred chats with a hundred messages": `{ chats(first: 100) { nodes { chatMessages(first: 100) { nodes { id message { id content } } } } } }`,
		"many searches":           `{ ` + manyUsers(`search: "an"`, "nodes { id }") + ` }`,
		"readers of many":         `{ groups(first: 50) { nodes { groupMessages(first: 30) { nodes { readBy(first: 10) { nodes { id } } } } } } }`,
		"keys of 14,000 letters":  `{ a: users(first: 100) { ...F } b: users(first: 100) { ...F } } fragment F on CustomUserConnection { nodes { ` + strings.Repeat("x", 14_000) + `: id } }`,
		"an event with long list": `subscription { events { chat { chatMessages(first: 100) { nodes { message { content sender { username } } } } } } }`,
	} {
		_, err := newDocuments(t, defaultMaxCost).Parse(document, "", nil)
		require.ErrorIs(t, err, gqldoc.ErrTooComplex, name)
		require.Regexp(t, `has \d+ points of cost[^;]*; at most \d+ are allowed: ask for`, err.Error(), name)
	}
}

func manyUsers(arguments, selection string) string {
	var all strings.Builder
	for i := range 14 {
		fmt.Fprintf(&all, "u%d:users(%s){%s}", i, arguments, selection)
	}
	return all.String()
}

func TestCostsNameOnlyFieldsOfTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	types := w.operations.AST().Types
	has := func(key string) {
		t.Helper()
		name, argument, _ := strings.Cut(strings.TrimSuffix(key, ")"), "(")
		parent, field, _ := strings.Cut(name, ".")
		object, ok := types[parent].(*ast.ObjectTypeDefinition)
		require.True(t, ok, key)
		definition := object.Fields.Get(field)
		require.NotNil(t, definition, key)
		if argument != "" {
			require.NotNil(t, definition.Arguments.Get(argument), key)
		}
	}
	for key := range fieldCosts {
		has(key)
	}
	for _, key := range largeTexts {
		has(key)
	}
}
