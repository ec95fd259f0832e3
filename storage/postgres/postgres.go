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

	"github.com/buddychat/buddychat/realtime"
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
	// ListenAddress is the database's own address, where the address that Open is given is a pooler's. What needs a session of its
	// own connects there: [DB.Connect], [DB.Bus], and the store for following the log. "" is the address itself.
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
	pool      *sql.DB
	following *sql.DB         // for following the log; nil takes a connection of pool
	config    *pgx.ConnConfig // of connections beside the pool
	bus       realtime.Bus
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
func (db *DB) Close() error {
	err := db.pool.Close()
	if db.following != nil {
		err = errors.Join(err, db.following.Close())
	}
	return err
}

// Open opens the database at the address, a URL or a list of key=value as libpq takes them, and tries whether it can be reached.
//
// Connections set synchronous_commit on, unless the address sets it; off is refused, for a crash would then take back
// what users have seen.
//
// The address may be that of a pooler, such as PgBouncer in session or in transaction mode. Open notices, and has no statement
// prepared on the server, unless the address says how by default_query_exec_mode. In transaction mode give
// [Options.ListenAddress] as well. Without it nothing can listen, and the nodes hear of what others send by their polls alone, a
// second apart unless set otherwise. Statement mode is refused.
func Open(ctx context.Context, address string, o *Options) (*DB, error) {
	if o == nil {
		o = &Options{}
	}
	config, kind, err := reach(ctx, address)
	if err != nil {
		return nil, err
	}
	db := &DB{config: config, pool: stdlib.OpenDB(*config.Copy())}
	limit(db.pool, o.MaxConnections)
	switch {
	case o.ListenAddress != "":
		err = db.listenAt(ctx, o)
	case kind == transactionPooler:
		db.bus = realtime.NoBus{}
	default:
		db.bus = NewBus(db.Connect, o.Prefix)
	}
	if err == nil {
		err = db.start(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// listenAt has what needs a session of its own connect to another address.
func (db *DB) listenAt(ctx context.Context, o *Options) error {
	config, kind, err := reach(ctx, o.ListenAddress)
	switch {
	case err != nil:
		return fmt.Errorf("%w (Options.ListenAddress)", err)
	case kind == transactionPooler:
		return errors.New("postgres: Options.ListenAddress leads to a pooler in transaction mode, and LISTEN needs a session of its own: set it to the database's own address")
	}
	db.config = config
	db.following = stdlib.OpenDB(*config.Copy())
	limit(db.following, followers)
	db.bus = NewBus(db.Connect, o.Prefix)
	return nil
}

// followers is how many may follow the log at a time: the hub of one application, and one more that takes its place.
const followers = 2

func (db *DB) start(ctx context.Context, o *Options) (err error) {
	db.Store, err = bunstore.Open(db.pool, bunstore.PostgreSQL, &bunstore.Options{
		Prefix: o.Prefix, Now: o.Now, Driver: bunstore.Driver{Follower: db.following},
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
