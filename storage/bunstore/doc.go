// Package bunstore keeps everything in a SQL database, PostgreSQL or SQLite, through bun.
//
// It takes the *sql.DB or *bun.DB that the host has, or one from the openers
// [github.com/buddychat/buddychat/storage/postgres] and [github.com/buddychat/buddychat/storage/sqlite]. By
// [github.com/buddychat/buddychat.App.In] its acts are done inside a transaction of the host's:
//
//	tx, err := db.BeginTx(ctx, nil)
//	_, err = tx.ExecContext(ctx, "INSERT INTO orders …")
//	inTx, err := app.In(tx)
//	_, err = inTx.Chats.Send(ctx, shop, id, chat.Draft{Content: "Your order is on its way"})
//	err = tx.Commit() // now both are there, and now the message is delivered
//
// A message is one row in the log of its conversation, and a user's copy a view of it; DESIGN of the tables is in
// the migrations. Every act begins by locking the row of its conversation, which orders all that happens there; what it decides by, it reads behind that lock.
package bunstore
