package bunstore_test

import (
	"fmt"
	"io/fs"

	"github.com/buddychat/buddychat/storage/bunstore"
)

// An application that has a migration tool runs the statements with it, and calls Migrate nowhere.
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
