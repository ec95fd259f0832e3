package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// Most of the time that a small statement takes, SQLite reads and plans its text. So each connection keeps the statements that it has
// prepared, by their text.

// maxStatements is how many statements a connection keeps: more than the store has, and a few of the host's.
const maxStatements = 256

// statements are the prepared statements of a connection that are not in use. It is used by whoever has the connection.
type statements struct {
	conn   driver.ConnPrepareContext
	idle   map[string]stmt
	closed bool
}

// stmt is what is used of the driver's statements.
type stmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// take returns a prepared statement, which nobody else has until it is given back.
func (s *statements) take(ctx context.Context, text string) (stmt, error) {
	if kept, ok := s.idle[text]; ok {
		delete(s.idle, text)
		return kept, nil
	}
	made, err := s.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	all, ok := made.(stmt)
	if !ok {
		return nil, fmt.Errorf("sqlite: %T of the driver lacks methods that are relied on", made)
	}
	return all, nil
}

// give gives a statement back. One that failed is not kept, nor is a second one of the same text.
func (s *statements) give(text string, used stmt, failed error) error {
	if _, there := s.idle[text]; there || s.closed || failed != nil {
		return used.Close()
	}
	if len(s.idle) >= maxStatements {
		for other, dropped := range s.idle { // any
			delete(s.idle, other)
			if err := dropped.Close(); err != nil {
				return err
			}
			break
		}
	}
	s.idle[text] = used
	return nil
}

// close closes all that are kept, and lets those in use be closed when they are given back.
func (s *statements) close() (err error) {
	s.closed = true
	for _, kept := range s.idle {
		if e := kept.Close(); err == nil {
			err = e
		}
	}
	clear(s.idle)
	return err
}

// ExecContext implements [driver.ExecerContext]. A statement without arguments is not kept: there may be one for each value.
func (c conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.driverConn.ExecContext(ctx, text, args)
	}
	used, err := c.statements.take(ctx, text)
	if err != nil {
		return nil, err
	}
	result, err := used.ExecContext(ctx, args)
	if closing := c.statements.give(text, used, err); err == nil {
		err = closing
	}
	return result, err
}

// QueryContext implements [driver.QueryerContext], as ExecContext does.
func (c conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		return c.driverConn.QueryContext(ctx, text, args)
	}
	used, err := c.statements.take(ctx, text)
	if err != nil {
		return nil, err
	}
	result, err := used.QueryContext(ctx, args)
	if err != nil {
		_ = c.statements.give(text, used, err) // the first error says more
		return nil, err
	}
	all, ok := result.(driverRows)
	if !ok {
		_ = result.Close() // that it is of no use is what there is to say
		_ = c.statements.give(text, used, nil)
		return nil, fmt.Errorf("sqlite: %T of the driver lacks methods that are relied on", result)
	}
	return rows{driverRows: all, statements: c.statements, text: text, used: used}, nil
}

// Close implements [driver.Conn].
func (c conn) Close() error {
	kept := c.statements.close()
	if err := c.driverConn.Close(); err != nil {
		return err
	}
	return kept
}

// driverRows is what package sql uses of the driver's rows.
type driverRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// rows have a statement until they are closed, which package sql does once.
type rows struct {
	driverRows
	statements *statements
	text       string
	used       stmt
}

// Close implements [driver.Rows].
func (r rows) Close() error {
	err := r.driverRows.Close()
	if closing := r.statements.give(r.text, r.used, err); err == nil {
		err = closing
	}
	return err
}
