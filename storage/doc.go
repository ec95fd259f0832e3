// Package storage has what all stores and services of BuddyChat share: the errors that are meant
// for users, and the pages of lists.
//
// The stores are [github.com/buddychat/buddychat/storage/memory] in plain Go and
// [github.com/buddychat/buddychat/storage/bunstore] on SQLite and PostgreSQL. If you write another
// one, test it with [github.com/buddychat/buddychat/storage/storagetest].
package storage
