package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"time"
)

// SQLite has one writer at a time. A connection that finds it busy sleeps and retries: under load,
// most of the time is spent sleeping, and some writers never succeed. So the transactions of this
// process queue here, and the retries of SQLite are left for other processes.

// turn is the right to write. Waiters get it in the order in which they called take.
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
		return fmt.Errorf("sqlite: another transaction has been open for %v: to use the store while your own transaction is open, bind it with In", busyTimeout)
	}
}

func (t turn) give() { <-t }

// connector makes connections whose transactions take turns and whose statements are cached.
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
		return nil, fmt.Errorf("sqlite: %T of the driver lacks methods that this package needs", made)
	}
	return conn{driverConn: all, turn: c.turn, statements: &statements{conn: all, idle: map[string]stmt{}}}, nil
}

// driverConn has the methods of the driver's connections that package sql calls.
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

// BeginTx implements [driver.ConnBeginTx]. A transaction that may write waits for its turn, and
// holds it until it ends.
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

// tx holds a turn. Package sql ends it exactly once.
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
