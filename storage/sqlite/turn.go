package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

// SQLite has one writer at a time, and whoever finds it busy sleeps and tries again: under load most of the time is slept
// through, and some never get through. So the transactions of this process wait for each other here, and SQLite's own way is left
// for other processes.

// turn is the right to write. Those who wait for it get it in the order in which they came.
type turn chan struct{}

func (t turn) take(ctx context.Context) error {
	expired := time.NewTimer(busyTimeout)
	defer expired.Stop()
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-expired.C:
		return fmt.Errorf("sqlite: another transaction has been open for %v: a store that is used while one's own is open must be bound to it with In", busyTimeout)
	}
}

func (t turn) give() { <-t }

// connector makes connections whose transactions take turns, and that keep their statements.
type connector struct {
	driver.Connector
	turn turn
}

// Connect implements [driver.Connector].
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	made, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	all, ok := made.(driverConn)
	if !ok {
		return nil, fmt.Errorf("sqlite: %T of the driver lacks methods that are relied on", made)
	}
	return conn{driverConn: all, turn: c.turn, statements: &statements{conn: all, idle: map[string]stmt{}}}, nil
}

// driverConn is what package sql uses of the driver's connections.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type conn struct {
	driverConn
	turn       turn
	statements *statements
}

// BeginTx implements [driver.ConnBeginTx]: a transaction that may write waits for its turn, and has it until it ends.
func (c conn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if o.ReadOnly {
		return c.driverConn.BeginTx(ctx, o)
	}
	if err := c.turn.take(ctx); err != nil {
		return nil, err
	}
	begun, err := c.driverConn.BeginTx(ctx, o)
	if err != nil {
		c.turn.give()
		return nil, err
	}
	return tx{begun: begun, turn: c.turn}, nil
}

// tx is ended exactly once: package sql sees to that.
type tx struct {
	begun driver.Tx
	turn  turn
}

// Commit implements [driver.Tx].
func (t tx) Commit() error {
	defer t.turn.give()
	return t.begun.Commit()
}

// Rollback implements [driver.Tx].
func (t tx) Rollback() error {
	defer t.turn.give()
	return t.begun.Rollback()
}
