// Package buddychat embeds chat in a Go application: one-to-one chats, groups, notifications, and
// their delivery in real time. Each user has their own copy of every message, and can delete it for
// themselves. Your application brings a database and mounts one [net/http.Handler].
//
// [New] makes an [App] on a [Store]:
//
//   - [App.Chats] and [App.Groups] send, edit, unsend, read and list messages.
//   - [App.Notifications] lists a user's notifications of new messages.
//   - [App.Hub] delivers events to connected users, who resume from where they left off.
//   - [App.Users] and [App.Tokens] are built-in accounts and logins. If your application has its
//     own users, pass a [github.com/buddychat/buddychat/user.Directory] in [Options]; both are then
//     nil.
//
// [App.Run] delivers events and purges old data for as long as your application runs.
//
// The package [github.com/buddychat/buddychat/graphqlapi] serves all of this over HTTP and
// WebSocket. An application that uses only the Go API compiles neither that package nor a database
// driver. The stores are:
//
//   - [github.com/buddychat/buddychat/storage/sqlite] and
//     [github.com/buddychat/buddychat/storage/postgres], which open a database
//   - [github.com/buddychat/buddychat/storage/bunstore], on a database that your application has
//     already opened
//   - [github.com/buddychat/buddychat/storage/memory], for tests
//
// # The acting user
//
// The first user passed to a method is the one who acts. The method decides whether they may. What
// a user may not see answers exactly like what does not exist. Errors that are meant for the user
// wrap the errors of [github.com/buddychat/buddychat/storage]: test for them with [errors.Is]. Only
// their text may be shown to the user.
//
// # Copies
//
// A message is stored once, in the log of its conversation. A user's copy is a view of that log. It
// has the messages sent since the user joined and after the point up to which they cleared it,
// without those that they deleted. So sending a message costs the same in a group of two as in a
// group of a hundred thousand.
//
// # Transactions
//
// [App.In] returns the same services inside your application's own transaction. An order and the
// message about it are then committed together, and the message is delivered only after the commit.
//
// # Several nodes
//
// On PostgreSQL, any number of nodes can share one database, with nothing else to set up. A client
// connected to one node gets the events of all nodes, and can resume on any of them. The file
// docs/scaling.md has the measured capacity and the settings to tune.
package buddychat
