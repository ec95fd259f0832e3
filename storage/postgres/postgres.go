// Package postgres opens a PostgreSQL database as a store.
//
//	db, err := postgres.Open(ctx, "postgres://buddychat@db.example.com/buddychat", nil)
//	if err != nil {
//		return err
//	}
//	defer db.Close()
//	err = db.Migrate(ctx)
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/buddychat/buddychat/storage/bunstore"
)

// Options has what can be set. Its zero value, and nil, are valid.
type Options struct {
	// Prefix begins the names of all tables, see [bunstore.Options].
	Prefix string
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// Migrate makes the tables, or brings them up to date, before Open returns.
	Migrate bool
	// ListenAddress is where [DB.Connect], and with it [DB.Bus], connects to, for a database whose address is a pooler's: LISTEN needs a session of
	// its own. "" is the address itself.
	ListenAddress string
	// MaxConnections is the most connections at a time; 0 is four for each processor, and 10 at least.
	MaxConnections int
}

// The bounds of a connection's life: one that is not needed goes, and none outlives a move of the server for long.
const (
	connectTimeout = 10 * time.Second
	maxIdleTime    = 5 * time.Minute
	maxLifetime    = time.Hour
)

// DB is a store with the database that it is on.
type DB struct {
	*bunstore.Store
	pool   *sql.DB
	config *pgx.ConnConfig // of connections beside the pool
	bus    *Bus
}

// SQL returns the database, for the host's own queries and transactions.
func (db *DB) SQL() *sql.DB { return db.pool }

// Connect opens one connection beside the pool, such as LISTEN needs. Whoever asked for it closes it.
func (db *DB) Connect(ctx context.Context) (*pgx.Conn, error) {
	c, err := pgx.ConnectConfig(ctx, db.config.Copy())
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return c, nil
}

// Close closes the database. The store cannot be used afterwards.
func (db *DB) Close() error { return db.pool.Close() }

// Open opens the database at the address, a URL or a list of key=value as libpq takes them, and tries whether it can be reached.
//
// Connections set synchronous_commit on, unless the address sets it; off is refused, for a crash would then take back
// what users have seen. A pooler in between must let that setting pass.
func Open(ctx context.Context, address string, o *Options) (*DB, error) {
	if o == nil {
		o = &Options{}
	}
	config, err := configure(address)
	if err != nil {
		return nil, err
	}
	direct := config
	if o.ListenAddress != "" {
		if direct, err = configure(o.ListenAddress); err != nil {
			return nil, err
		}
	}
	db := &DB{config: direct, pool: stdlib.OpenDB(*config.Copy())}
	db.bus = NewBus(db.Connect, o.Prefix)
	limit(db.pool, o.MaxConnections)
	if err := db.start(ctx, o); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (db *DB) start(ctx context.Context, o *Options) (err error) {
	if err := db.pool.PingContext(ctx); err != nil {
		return fmt.Errorf("postgres: %w", err)
	}
	db.Store, err = bunstore.Open(db.pool, bunstore.PostgreSQL, &bunstore.Options{
		Prefix: o.Prefix, Now: o.Now,
	})
	if err == nil && o.Migrate {
		err = db.Migrate(ctx)
	}
	return err
}

func configure(address string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err) // it leaves the password out
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = connectTimeout
	}
	settings := config.RuntimeParams
	settings["timezone"] = "UTC"
	for name, value := range map[string]string{"application_name": "buddychat", "synchronous_commit": "on"} {
		if settings[name] == "" {
			settings[name] = value
		}
	}
	if settings["synchronous_commit"] == "off" {
		return nil, errors.New("postgres: synchronous_commit must not be off: a crash would take back what users have seen already")
	}
	return config, nil
}

func limit(pool *sql.DB, connections int) {
	if connections <= 0 {
		connections = max(10, 4*runtime.GOMAXPROCS(0))
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	pool.SetConnMaxIdleTime(maxIdleTime)
	pool.SetConnMaxLifetime(maxLifetime)
}
