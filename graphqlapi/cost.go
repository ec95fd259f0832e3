package graphqlapi

import "github.com/buddychat/buddychat/internal/gqldoc"

// defaultMaxCost allows a client to select fifty chats with twenty messages each and all of their
// fields, but not a hundred chats with a hundred messages each.
const defaultMaxCost = 30_000

// documentLimits returns the limits for documents. A page has at most maxPage entries.
func documentLimits(o *Options, maxPage int) gqldoc.Limits {
	return gqldoc.Limits{
		Cost: o.MaxCost, SubscriptionCost: o.MaxEventCost, MaxPage: maxPage,
		Costs: fieldCosts, Texts: largeTexts,
	}
}

// fieldCosts is what fields cost in addition to the 1 that each field costs. The cost is
// proportional to work and memory. A list inside another list needs a range scan for each parent,
// and a count reads more rows than the page has.
var fieldCosts = map[string]int{
	// Texts, by their maximum length.
	"Message.content":           5,
	"CustomUser.bio":            1,
	"CustomUser.profilePicture": 1,
	"UserGroup.description":     2,
	"UserGroup.groupImage":      1,

	// Fields that need a query for each object.
	"CustomUser.email":        2,
	"CustomUser.phoneNumbers": 2,

	// Lists. A search may read many more users than it returns.
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

// largeTexts are the fields whose number of names in one operation is limited; see [gqldoc.Limits].
var largeTexts = []string{
	"Message.content",
	"CustomUser.bio", "CustomUser.profilePicture",
	"UserGroup.description", "UserGroup.groupImage",
}
