// Command transaction is a shop that sends its customers a message for each order. The order and
// its message are stored in one transaction: both, or neither.
//
//	go run ./examples/transaction
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/chat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/storage/sqlite"
	"github.com/buddychat/buddychat/user"
)

// The shop is a user of the chat, as its customers are.
const (
	shopkeeper user.ID = "shop"
	customer   user.ID = "customer-1"
)

// everybody is a directory in which every id is a user. The shop decides who its customers are.
type everybody struct{}

func (everybody) Lookup(_ context.Context, ids ...user.ID) (map[user.ID]user.Profile, error) {
	found := make(map[user.ID]user.Profile, len(ids))
	for _, id := range ids {
		found[id] = user.Profile{ID: id, Username: string(id)}
	}
	return found, nil
}

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) (err error) {
	db, err := sqlite.Open(ctx, ":memory:", &sqlite.Options{Migrate: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.SQL().ExecContext(ctx, `CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT, item TEXT)`); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	app, err := buddychat.New(db, &buddychat.Options{Directory: everybody{}, Logger: logger})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	running.Go(func() { _ = app.Run(ctx) })

	events, err := app.Hub.Subscribe(ctx, customer, "")
	if err != nil {
		return err
	}
	defer events.Close()
	s := &shop{db: db, app: app}
	if err := s.order(ctx, "a yacht", func() error { return errors.New("the card was declined") }); err != nil {
		fmt.Fprintln(out, "no order:", err) // and so no message is sent
	}
	if err := s.order(ctx, "a kettle", func() error { return nil }); err != nil {
		return err
	}
	for e, err := range events.Events(ctx) {
		if err != nil {
			return err
		}
		if e.Operation == realtime.ChatMessageCreated {
			fmt.Fprintln(out, "the customer is told:", e.Message.Content)
			break
		}
	}
	return s.list(ctx, out)
}

type shop struct {
	db  *sqlite.DB
	app *buddychat.App
}

// order stores an order and sends its message, in one transaction.
func (s *shop) order(ctx context.Context, item string, charge func() error) error {
	tx, err := s.db.SQL().BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // has no effect after a commit
	if _, err := tx.ExecContext(ctx, `INSERT INTO orders (customer, item) VALUES (?, ?)`, customer, item); err != nil {
		return err
	}
	inTx, err := s.app.In(tx)
	if err != nil {
		return err
	}
	if err := tell(ctx, inTx.Chats, "We have your order of "+item+"."); err != nil {
		return err
	}
	if err := charge(); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	s.app.Hub.Hint() // deliver the message at once, not at the hub's next poll
	return nil
}

// tell sends the customer a message. It works the same inside and outside a transaction.
func tell(ctx context.Context, chats *chat.Service, text string) error {
	with, _, err := chats.Open(ctx, shopkeeper, customer)
	if err != nil {
		return err
	}
	_, err = chats.Send(ctx, shopkeeper, with.ID, chat.Draft{Content: text})
	return err
}

// list writes all orders.
func (s *shop) list(ctx context.Context, out io.Writer) error {
	var all string
	err := s.db.SQL().QueryRowContext(ctx, `SELECT group_concat('no. ' || id || ', ' || item, '; ') FROM orders`).Scan(&all)
	fmt.Fprintln(out, "orders:", all)
	return err
}
