// Package buddychat puts chat inside an application: one-to-one chats, groups, notifications and their delivery in real time, each user with
// a copy of every message that they can delete for themselves. The application brings a database, mounts one [net/http.Handler], and has it.
//
// [New] wires the services of one application on a [Store]:
//
//   - [App.Chats] and [App.Groups] send, edit, unsend, read and list;
//   - [App.Notifications] tells who has been written to;
//   - [App.Hub] delivers events to whoever is online, from where they left off;
//   - [App.Users] and [App.Tokens] are users and logins, for an application that has none of its own. One that has gives a
//     [github.com/buddychat/buddychat/user.Directory] in [Options], and these two are nil.
//
// [App.Run] delivers events, and keeps the store in order, for as long as the application runs.
//
// The package [github.com/buddychat/buddychat/graphqlapi] serves all of it over HTTP and WebSocket. An application that uses the Go API alone
// compiles neither that nor a database driver. Stores are [github.com/buddychat/buddychat/storage/sqlite] and
// [github.com/buddychat/buddychat/storage/postgres], [github.com/buddychat/buddychat/storage/bunstore] on a database that the application has open
// already, and [github.com/buddychat/buddychat/storage/memory] for tests.
//
// # The acting user
//
// The first user given to a method is the one who acts. Whether they may is decided by the method: what is not theirs to see answers as if it were not
// there. Errors that are answers are those of [github.com/buddychat/buddychat/storage], to be told with [errors.Is]; their text is for the user.
//
// # Copies
//
// A message is stored once, in the log of its conversation. A user's copy is a view of that log: what was sent since they joined, behind the point
// up to which they cleared it, without what they deleted. So a message costs the same in a group of two and of a hundred thousand.
//
// # Transactions
//
// [App.In] gives the same services inside the application's own transaction: an order and the message of it are
// committed together, and delivered then, or not at all.
//
// # Several nodes
//
// On PostgreSQL an application may run as often as it likes on one database, with nothing else set up: whoever is connected to one node gets what was done on another, and
// resumes on any. The file docs/scaling.md says what that carries, and what to set.
package buddychat
