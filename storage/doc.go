// Package storage holds what every store and every service of BuddyChat share: the errors that an
// answer can be, and the pages in which lists are read.
//
// The stores themselves live beside it: [github.com/buddychat/buddychat/storage/memory] in plain Go,
// [github.com/buddychat/buddychat/storage/bunstore] on SQLite and PostgreSQL. Whoever writes another one
// holds it against [github.com/buddychat/buddychat/storage/storagetest].
package storage
