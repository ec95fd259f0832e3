// Package bunstore is the storage backend for SQL databases, PostgreSQL and SQLite. It uses bun.
//
// It takes the *sql.DB or *bun.DB that the host already has, or one from the openers
// [github.com/buddychat/buddychat/storage/postgres] and
// [github.com/buddychat/buddychat/storage/sqlite]. With [github.com/buddychat/buddychat.App.In],
// operations run inside a transaction of the host:
//
//	tx, err := db.BeginTx(ctx, nil)
//	_, err = tx.ExecContext(ctx, "INSERT INTO orders …")
//	inTx, err := app.In(tx)
//	_, err = inTx.Chats.Send(ctx, shop, id, chat.Draft{Content: "Your order is on its way"})
//	err = tx.Commit() // both are stored, and the message is delivered
//
// A message is one row in the log of its conversation, and each user's copy is a view of that log.
// The files in migrations describe the tables. Every operation first locks the row of its
// conversation, which puts the operations on one conversation in order. It reads what it decides by
// after it has the lock.
package bunstore
