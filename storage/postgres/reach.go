package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pooler is what is between an address and the database.
type pooler int

const (
	noPooler pooler = iota
	sessionPooler
	transactionPooler // several clients share a session of the server
)

// reach tries an address, and returns how to connect to it.
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
	// A client is told another process by its pooler than it talks to.
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

// connect opens a connection. A pooler may refuse settings that it does not know; PgBouncer does unless they are among its
// ignore_startup_parameters. The ones that the address did not ask for are left out then. Whether commits are durable is asked
// when the tables are looked at.
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

// serverOf returns the process that serves a transaction of a connection.
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

// triesToShare is how many transactions of two connections are compared: a pooler has another session for them now and then.
const triesToShare = 5

// kindOf tells a pooler by a second connection: if both are served by one process, they share its session.
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
