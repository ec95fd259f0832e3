package graphqlapi

import "github.com/buddychat/buddychat/internal/gqldoc"

// defaultMaxCost lets a client show fifty chats with twenty messages each and everything about them, and
// not a hundred with a hundred.
const defaultMaxCost = 30_000

// documentLimits returns what documents are held to, where a page has at most maxPage entries.
func documentLimits(o *Options, maxPage int) gqldoc.Limits {
	return gqldoc.Limits{
		Cost: o.MaxCost, SubscriptionCost: o.MaxEventCost, MaxPage: maxPage,
		Costs: fieldCosts, Texts: largeTexts,
	}
}

// fieldCosts are what fields cost beside the 1 that every field costs, in proportion to the work and the
// memory that they take. A list that is nested in another takes a range of its own for each parent, and a
// count looks at more than the page has.
var fieldCosts = map[string]int{
	// Texts, by how long they can be.
	"Message.content":           5,
	"CustomUser.bio":            1,
	"CustomUser.profilePicture": 1,
	"UserGroup.description":     2,
	"UserGroup.groupImage":      1,

	// What takes a query for each object.
	"CustomUser.email":        2,
	"CustomUser.phoneNumbers": 2,

	// Lists. A search may look at many more users than it finds.
	"Query.users":                        20,
	"Query.users(username)":              20,
	"Query.users(firstName)":             20,
	"Query.users(lastName)":              20,
	"Query.users(search)":                5_000,
	"Query.chats":                        10,
	"Query.groups":                       10,
	"Query.notifications":                10,
	"CustomUser.chats":                   10,
	"CustomUser.notifications":           10,
	"Chat.chatMessages":                  4,
	"Chat.chat_messages":                 4,
	"UserGroupMemberCopy.groupMessages":  4,
	"UserGroupMemberCopy.group_messages": 4,
	"UserGroup.members":                  4,
	"GroupMessage.readBy":                10,

	// Counts.
	"CustomUserConnection.totalCount":          1_000,
	"ChatConnection.totalCount":                10,
	"UserGroupMemberCopyConnection.totalCount": 10,
	"NotificationConnection.totalCount":        50,
	"ChatMessageConnection.totalCount":         5,
	"GroupMessageConnection.totalCount":        5,
	"GroupMemberConnection.totalCount":         5,
	"Chat.unreadCount":                         2,
	"UserGroupMemberCopy.unreadCount":          2,
	"Chat.lastMessage":                         2,
	"UserGroupMemberCopy.lastMessage":          2,
}

// largeTexts may have few names in one operation: see [gqldoc.Limits].
var largeTexts = []string{
	"Message.content",
	"CustomUser.bio", "CustomUser.profilePicture",
	"UserGroup.description", "UserGroup.groupImage",
}
