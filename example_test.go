package buddychat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/graphqlapi"
	"github.com/buddychat/buddychat/storage"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/user"
	"github.com/buddychat/buddychat/user/token"
)

// Chat with built-in accounts, at a path of the application's mux.
func Example() {
	dir, err := os.MkdirTemp("", "example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "chat.db")
	// your application passes slog.Default() or its own logger
	logger := slog.New(slog.DiscardHandler)
	keys := []token.Key{{ID: "2026-11", Secret: []byte("32 random bytes, which stay secret")}}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	mux := http.NewServeMux()

	// embedding begins
	db, err := sqlite.Open(ctx, file, &sqlite.Options{Migrate: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	app, err := buddychat.New(db, &buddychat.Options{Tokens: token.Options{Keys: keys}, Logger: logger})
	if err != nil {
		log.Fatal(err)
	}
	api, err := graphqlapi.NewHandler(app, nil)
	if err != nil {
		log.Fatal(err)
	}
	go app.Run(ctx)
	mux.Handle("/chat", api)
	// embedding ends

	server := httptest.NewServer(mux)
	defer server.Close()
	response, err := http.Post(server.URL+"/chat", "application/json", strings.NewReader(`{"query": "{ me { username } users { totalCount } }"}`))
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	fmt.Println(string(answer), err)
	// Output: {"data":{"me":null,"users":{"totalCount":0}}} <nil>
}

// names is the directory of an application whose user ids are names.
type names struct{}

func (names) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := map[user.ID]user.Profile{}
	for _, id := range ids {
		found[id] = user.Profile{ID: id, Username: string(id)}
	}
	return found, nil
}

// The Go API, with the application's own users.
func ExampleNew() {
	ctx := context.Background()
	app, err := buddychat.New(memory.New(nil), &buddychat.Options{Directory: names{}})
	if err != nil {
		log.Fatal(err)
	}
	adas, graces, err := app.Chats.Open(ctx, "ada", "grace")
	if err != nil {
		log.Fatal(err)
	}
	sent, err := app.Chats.Send(ctx, "ada", adas.ID, chat.Draft{Content: "Hello, Grace!"})
	if err != nil {
		log.Fatal(err)
	}

	// Each has a copy. Ada deletes the message from hers.
	if err := app.Chats.DeleteMessage(ctx, "ada", adas.ID, sent.ID); err != nil {
		log.Fatal(err)
	}
	_, err = app.Chats.Message(ctx, "ada", adas.ID, sent.ID)
	fmt.Println(err)
	page, err := app.Chats.Messages(ctx, "grace", graces.ID, storage.First(10))
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range page.Items {
		fmt.Println(m.Sender, "·", m.Content)
	}
	// Output:
	// not found
	// ada · Hello, Grace!
}

// An order and the message about it, in one transaction of the application: the commit stores both,
// or neither. The limits of the app, here 20 characters, apply inside the transaction too.
func ExampleApp_In() {
	ctx := context.Background()
	db, err := sqlite.Open(ctx, ":memory:", &sqlite.Options{Migrate: true})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.SQL().ExecContext(ctx, "CREATE TABLE orders (item TEXT)"); err != nil {
		log.Fatal(err)
	}
	app, err := buddychat.New(db, &buddychat.Options{Directory: names{}, Messages: chat.Options{MaxContentLength: 20}})
	if err != nil {
		log.Fatal(err)
	}
	order := func(item string) error {
		tx, err := db.SQL().BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback() // does nothing after a commit
		if _, err := tx.ExecContext(ctx, "INSERT INTO orders VALUES (?)", item); err != nil {
			return err
		}
		inTx, err := app.In(tx)
		if err != nil {
			return err
		}
		with, _, err := inTx.Chats.Open(ctx, "shop", "ada")
		if err != nil {
			return err
		}
		if _, err := inTx.Chats.Send(ctx, "shop", with.ID, chat.Draft{Content: "Ordered: " + item}); err != nil {
			return err
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		app.Hub.Hint() // delivers the message now instead of at the next poll
		return nil
	}
	fmt.Println(order("a kettle"))
	fmt.Println(errors.Is(order("a very long yacht"), storage.ErrInvalid))

	var orders int
	if err := db.SQL().QueryRowContext(ctx, "SELECT count(*) FROM orders").Scan(&orders); err != nil {
		log.Fatal(err)
	}
	chats, err := app.Chats.Count(ctx, "ada", chat.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(orders, "order,", chats, "chat")
	// Output:
	// <nil>
	// true
	// 1 order, 1 chat
}

// A subscriber gets events as they happen. One who subscribes later, with a cursor, also gets the
// events since that cursor.
func ExampleApp_Run() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	app, err := buddychat.New(memory.New(nil), &buddychat.Options{Directory: names{}})
	if err != nil {
		log.Fatal(err)
	}
	go app.Run(ctx)

	cursor, err := app.Hub.Position(ctx)
	if err != nil {
		log.Fatal(err)
	}
	adas, _, err := app.Chats.Open(ctx, "ada", "grace")
	if err != nil {
		log.Fatal(err)
	}
	for _, text := range []string{"one", "two"} {
		if _, err := app.Chats.Send(ctx, "ada", adas.ID, chat.Draft{Content: text}); err != nil {
			log.Fatal(err)
		}
	}

	events, err := app.Hub.Subscribe(ctx, "grace", cursor)
	if err != nil {
		log.Fatal(err)
	}
	defer events.Close()
	left := 4
	for e, err := range events.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Operation, e.Message.Content)
		if left--; left == 0 {
			break
		}
	}
	// Output:
	// CHAT_MESSAGE_CREATED one
	// NOTIFICATION_CREATED one
	// CHAT_MESSAGE_CREATED two
	// NOTIFICATION_CREATED two
}
