package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pooler is the kind of pooler between an address and the database.
type pooler int

const (
	noPooler pooler = iota
	sessionPooler
	transactionPooler // clients share sessions of the server
)

// reach connects to an address and returns the configuration for it.
func reach(ctx context.Context, address string) (*pgx.ConnConfig, pooler, error) {
	config, err := configure(address)
	if err != nil {
		return nil, 0, err
	}
	c, err := connect(ctx, config)
	if err != nil {
		return nil, 0, fmt.Errorf("postgres: %w", err)
	}
	defer c.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is gone either way
	server, err := serverOf(ctx, c)
	if err != nil {
		return nil, 0, fmt.Errorf("postgres: %w", err)
	}
	if server == c.PgConn().PID() {
		return config, noPooler, nil
	}
	// A pooler reports another process id to its client than the server does.
	if !strings.Contains(address, "default_query_exec_mode") {
		config.DefaultQueryExecMode = pgx.QueryExecModeExec
		config.StatementCacheCapacity, config.DescriptionCacheCapacity = 0, 0
	}
	kind, err := kindOf(ctx, config, c, server)
	if err != nil {
		return nil, 0, fmt.Errorf("postgres: %w", err)
	}
	return config, kind, nil
}

// connect opens a connection. A pooler may refuse settings that it does not know: PgBouncer does
// unless they are in its ignore_startup_parameters. Then connect leaves out the settings that the
// address did not ask for. Whether commits are durable is checked with the tables.
func connect(ctx context.Context, config *pgx.ConnConfig) (*pgx.Conn, error) {
	c, err := pgx.ConnectConfig(ctx, config.Copy())
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok && refused.Code == protocolViolation &&
		strings.Contains(refused.Message, durable) && config.RuntimeParams[durable] == "on" {
		delete(config.RuntimeParams, durable)
		c, err = pgx.ConnectConfig(ctx, config.Copy())
	}
	return c, err
}

const (
	durable           = "synchronous_commit"
	protocolViolation = "08P01"
)

// serverOf returns the server process that runs a transaction of a connection.
func serverOf(ctx context.Context, c *pgx.Conn) (pid uint32, err error) {
	tx, err := c.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("cannot begin a transaction, which a pooler must allow (PgBouncer: pool_mode = transaction or session): %w", err)
	}
	if err := tx.QueryRow(ctx, `SELECT pg_backend_pid()`, pgx.QueryExecModeExec).Scan(&pid); err != nil {
		return 0, err
	}
	return pid, tx.Commit(ctx)
}

// triesToShare is how many transactions of two connections are compared. A pooler sometimes gives
// them different sessions.
const triesToShare = 5

// kindOf detects the kind of pooler with a second connection. If one server process serves both,
// they share its session.
func kindOf(ctx context.Context, config *pgx.ConnConfig, first *pgx.Conn, server uint32) (pooler, error) {
	second, err := connect(ctx, config)
	if err != nil {
		return 0, err
	}
	defer second.Close(context.WithoutCancel(ctx)) //nolint:errcheck // it is gone either way
	served := map[uint32]*pgx.Conn{server: first}
	for n := range triesToShare {
		c := []*pgx.Conn{second, first}[n%2]
		pid, err := serverOf(ctx, c)
		if err != nil {
			return 0, err
		}
		if other, known := served[pid]; known && other != c {
			return transactionPooler, nil
		}
		served[pid] = c
	}
	return sessionPooler, nil
}
