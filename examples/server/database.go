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

// A database is a store and what the server needs to run on it.
type database struct {
	store buddychat.Store
	// keyFile is the path of the signing key, which must last as long as the data. It is "" if the
	// data does not survive a restart.
	keyFile string
	// check returns an error if the database does not accept writes.
	check func(context.Context) error
	close func() error
}

// openDatabase opens the database that -database names and migrates its tables.
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
	// The address is not quoted: it may contain a password.
	return nil, errors.New("-database must be sqlite:PATH, memory: or postgres://…")
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
