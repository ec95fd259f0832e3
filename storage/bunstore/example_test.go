package bunstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite"

	"github.com/buddychat/buddychat/storage/bunstore"
)

// An application with a migration tool of its own runs these files with it and never calls Migrate.
func ExampleMigrations() {
	files, err := bunstore.Migrations(bunstore.PostgreSQL, "chat_")
	if err != nil {
		fmt.Println(err)
		return
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(names[0])
	// Output: 0001_conversations.up.sql
}

// An application that has a SQLite database of its own opens it with these settings.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "app.db")
	const settings = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(on)" +
		"&_pragma=synchronous(FULL)&_pragma=secure_delete(on)&_txlock=immediate"
	// docs/sqlite.md shows this.
	db, err := sql.Open("sqlite", "file:"+file+"?"+settings)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	store, err := bunstore.Open(db, bunstore.SQLite, nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(ctx); err != nil { // makes the tables
		log.Fatal(err)
	}
	// Up to here.
	fmt.Println(store.Check(ctx))
	// Output: <nil>
}
