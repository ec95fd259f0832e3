package natsbus_test

import (
	"context"
	"log"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/realtime"
	"github.com/buddychat/buddychat/realtime/natsbus"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/user/token"
)

// Several nodes hint to each other on NATS.
func Example() { //nolint:testableexamples // it needs servers
	ctx := context.Background()
	logger := slog.Default()
	keys := []token.Key{{ID: "2026-11", Secret: []byte("32 bytes that nobody else can know")}}
	conn, err := nats.Connect("nats://nats.example.com")
	if err != nil {
		log.Fatal(err)
	}
	db, err := postgres.Open(ctx, "postgres://buddychat@db.example.com/buddychat", nil)
	if err != nil {
		log.Fatal(err)
	}
	// The README shows this.
	app, err := buddychat.New(db, &buddychat.Options{
		Tokens:   token.Options{Keys: keys},
		Realtime: realtime.Options{Bus: natsbus.New(conn, nil)},
		Logger:   logger,
	})
	// Up to here.
	if err != nil {
		log.Fatal(err)
	}
	log.Print(app.Run(ctx))
}
