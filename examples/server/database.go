package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/buddychat/buddychat"
	"github.com/buddychat/buddychat/storage/memory"
	"github.com/buddychat/buddychat/storage/postgres"
	"github.com/buddychat/buddychat/storage/sqlite"
)

// A database is a store, and what a server needs to know of it.
type database struct {
	store buddychat.Store
	// keyFile is where the signing key belongs that the data outlives a restart with; "" where nothing outlives it.
	keyFile string
	// ping reports whether the database answers.
	ping  func(context.Context) error
	close func() error
}

// openDatabase opens what -database names, and brings its tables up to date.
func openDatabase(ctx context.Context, address string) (*database, error) {
	scheme, path, _ := strings.Cut(address, ":")
	switch scheme {
	case "memory":
		nothing := func() error { return nil }
		return &database{store: memory.New(nil), ping: func(context.Context) error { return nil }, close: nothing}, nil
	case "sqlite":
		return openSQLite(ctx, path)
	case "postgres", "postgresql":
		db, err := postgres.Open(ctx, address, &postgres.Options{Migrate: true})
		if err != nil {
			return nil, err
		}
		return &database{store: db, keyFile: "buddychat.key", ping: pinger(db.SQL()), close: db.Close}, nil
	}
	return nil, errors.New("-database must be sqlite:PATH, memory: or postgres://…") // not quoted, for it may hold a password
}

func openSQLite(ctx context.Context, path string) (*database, error) {
	if path == "" {
		return nil, errors.New("-database names no file: give it as sqlite:PATH")
	}
	db, err := sqlite.Open(ctx, path, &sqlite.Options{Migrate: true})
	if err != nil {
		return nil, err
	}
	keyFile := path + ".key"
	if path == ":memory:" {
		keyFile = ""
	}
	return &database{store: db, keyFile: keyFile, ping: pinger(db.SQL()), close: db.Close}, nil
}

func pinger(db *sql.DB) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, err := db.ExecContext(ctx, "SELECT 1"); err != nil {
			return fmt.Errorf("the database does not answer: %w", err)
		}
		return nil
	}
}
