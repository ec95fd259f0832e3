package main

import (
	"context"
	"errors"
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
	// check reports whether the database stores what is written.
	check func(context.Context) error
	close func() error
}

// openDatabase opens what -database names, and brings its tables up to date.
func openDatabase(ctx context.Context, address string) (*database, error) {
	scheme, path, _ := strings.Cut(address, ":")
	switch scheme {
	case "memory":
		nothing := func() error { return nil }
		return &database{store: memory.New(nil), check: func(context.Context) error { return nil }, close: nothing}, nil
	case "sqlite":
		return openSQLite(ctx, path)
	case "postgres", "postgresql":
		db, err := postgres.Open(ctx, address, &postgres.Options{Migrate: true})
		if err != nil {
			return nil, err
		}
		return &database{store: db, keyFile: "buddychat.key", check: db.CheckWritable, close: db.Close}, nil
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
	return &database{store: db, keyFile: keyFile, check: db.CheckWritable, close: db.Close}, nil
}
