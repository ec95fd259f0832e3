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

// Options configures a database. The zero value and nil are valid.
type Options struct {
	// Prefix is the prefix of all table names: see [bunstore.Options].
	Prefix string
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
	// Migrate makes Open create the tables or bring them up to date.
	Migrate bool
	// ListenAddress is the address of the database itself, if the address passed to Open is that of
	// a pooler. [DB.Connect], [DB.Bus] and the store's reading of the event log need sessions of
	// their own and connect there. If "", they use the address passed to Open.
	ListenAddress string
	// MaxConnections is the maximum number of connections. 0 means four for each processor, and at
	// least 10.
	MaxConnections int
}

// Limits of a connection's life. An idle one is closed, and none keeps using an old server for long
// after a failover.
const (
	connectTimeout = 10 * time.Second
	maxIdleTime    = 5 * time.Minute
	maxLifetime    = time.Hour
)

// DB is a store with its database.
type DB struct {
	*bunstore.Store
	pool      *sql.DB
	following *sql.DB         // for reading the event log; if nil, pool is used
	config    *pgx.ConnConfig // of connections outside the pool
	bus       realtime.Bus
}

// SQL returns the database, for queries and transactions of the application.
func (db *DB) SQL() *sql.DB { return db.pool }

// Connect opens one connection outside the pool, as LISTEN needs. The caller must close it.
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

// Open opens the database at the address, a URL or a list of key=value pairs as in libpq, and
// checks that it can be reached.
//
// Connections set synchronous_commit to on, unless the address sets it. The value off is refused,
// because a crash would then undo what users have already seen.
//
// The address may be that of a pooler, such as PgBouncer in session or transaction mode. Open
// detects this and prepares no statements on the server, unless the address sets
// default_query_exec_mode. In transaction mode, also set [Options.ListenAddress]. Without it, nodes
// cannot listen, and see the messages of other nodes only when they poll, once a second by default.
// Statement mode is refused.
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

// listenAt makes everything that needs a session of its own connect to another address.
func (db *DB) listenAt(ctx context.Context, o *Options) error {
	config, kind, err := reach(ctx, o.ListenAddress)
	switch {
	case err != nil:
		return fmt.Errorf("%w (Options.ListenAddress)", err)
	case kind == transactionPooler:
		return errors.New("postgres: Options.ListenAddress leads to a pooler in transaction mode, but LISTEN needs a session of its own: set it to the database's own address")
	}
	db.config = config
	db.following = stdlib.OpenDB(*config.Copy())
	limit(db.following, followers)
	db.bus = NewBus(db.Connect, o.Prefix)
	return nil
}

// followers is how many connections may read the event log: one for the hub of this app, and one
// for a hub that replaces it.
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
		// The error does not contain the password.
		return nil, fmt.Errorf("postgres: %w", err)
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
		return nil, errors.New("postgres: synchronous_commit must not be off: a crash would undo what users have already seen")
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
